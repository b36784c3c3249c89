"""Pairing codes, and what an attempt to pair leads to."""

from __future__ import annotations

import itertools
import re
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeylink.domain.devices import (
    PAIRING_MAX_TRIES,
    DeviceStatus,
    PairingAttempt,
    check_paired,
    check_pairing,
    generate_pairing_code,
    normalize_pairing_code,
)
from honeylink.errors import Forbidden, StateConflict

CODE = re.compile(r"([2-9A-HJKMNP-TV-Z]{4}-){2}[2-9A-HJKMNP-TV-Z]{4}")


def test_a_code_has_no_letters_that_look_alike() -> None:
    offered: set[str] = set()

    def choose(alphabet: str) -> str:
        offered.update(alphabet)
        return alphabet[-1]

    assert CODE.fullmatch(generate_pairing_code(choose))
    assert len(offered) == 30
    assert offered.isdisjoint("01ILOUilou")


def test_a_code_has_what_was_chosen_in_order() -> None:
    letters = itertools.cycle("23456789ABCD")
    assert generate_pairing_code(lambda _: next(letters)) == "2345-6789-ABCD"


@given(st.integers(0, 2**12 - 1), st.lists(st.sampled_from(["", " ", "-", "\t"]), min_size=13, max_size=13))
def test_a_code_is_read_however_it_is_typed(lower: int, between: list[str]) -> None:
    code = generate_pairing_code(secrets.choice)
    letters = code.replace("-", "")
    typed = "".join(
        gap + (letter.lower() if lower >> position & 1 else letter)
        for position, (gap, letter) in enumerate(zip(between, letters, strict=False))
    )
    assert normalize_pairing_code(typed + between[12]) == code


@given(st.text())
def test_reading_a_code_twice_changes_nothing_more(text: str) -> None:
    once = normalize_pairing_code(text)
    assert normalize_pairing_code(once) == once


def test_only_a_paired_device_passes() -> None:
    check_paired("device-1", DeviceStatus.PAIRED)
    for status in (DeviceStatus.PENDING, DeviceStatus.REVOKED):
        with pytest.raises(StateConflict, match=f"'device-1' to be paired, found it {status.value}"):
            check_paired("device-1", status)


def test_an_attempt_that_paired_passes_whatever_else() -> None:
    check_pairing("device-1", PairingAttempt(DeviceStatus.PAIRED, in_time=False, tries=99))


@pytest.mark.parametrize("tries", range(1, PAIRING_MAX_TRIES + 1))
def test_a_wrong_code_says_how_many_tries_are_left(tries: int) -> None:
    with pytest.raises(Forbidden, match=f"{PAIRING_MAX_TRIES - tries} tries left") as caught:
        check_pairing("device-1", PairingAttempt(DeviceStatus.PENDING, in_time=True, tries=tries))
    assert ("register the device again" in str(caught.value)) == (tries == PAIRING_MAX_TRIES)


def test_a_try_too_many() -> None:
    with pytest.raises(StateConflict, match="all 5 tries to pair device 'device-1' are used up"):
        check_pairing("device-1", PairingAttempt(DeviceStatus.PENDING, in_time=True, tries=PAIRING_MAX_TRIES + 1))


@pytest.mark.parametrize("tries", [1, PAIRING_MAX_TRIES + 1])
def test_a_code_past_its_time(tries: int) -> None:
    with pytest.raises(StateConflict, match="has expired"):
        check_pairing("device-1", PairingAttempt(DeviceStatus.PENDING, in_time=False, tries=tries))
