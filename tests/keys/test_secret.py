"""Key bytes do not slip out by accident."""

from __future__ import annotations

import copy
import operator
import pickle
from typing import TYPE_CHECKING

import pytest

from honeylink.keys.secret import KEY_BYTES, Secret

if TYPE_CHECKING:
    from collections.abc import Callable

RAW = b"the bytes that nobody should see"


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, lambda secret: f"{secret}"])
def test_no_text_shows_the_bytes(show: Callable[[Secret], str]) -> None:
    assert show(Secret(RAW)) == "Secret(<32 bytes>)"


def test_comparing_by_operator_is_an_error() -> None:
    for compare in (operator.eq, operator.ne):
        for one, other in ((Secret(RAW), Secret(RAW)), (Secret(RAW), RAW), (RAW, Secret(RAW))):
            with pytest.raises(TypeError, match=r"Secret\.matches"):
                compare(one, other)


def test_comparing_by_name() -> None:
    assert Secret(RAW).matches(Secret(bytearray(RAW)))
    assert not Secret(RAW).matches(Secret(RAW[::-1]))
    assert not Secret(RAW).matches(Secret(RAW[:-1]))


def test_a_secret_is_no_dictionary_key() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Secret(RAW))


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_can_not_be_duplicated(duplicate: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError, match=r"^a Secret can't be pickled or copied$"):
        duplicate(Secret(RAW))


def test_no_attribute_can_be_added() -> None:
    with pytest.raises(AttributeError):
        Secret(RAW).note = RAW  # type: ignore[attr-defined]


def test_wiping() -> None:
    secret = Secret(RAW)
    assert secret.reveal() == RAW
    secret.wipe()
    assert secret.reveal() == bytes(len(RAW))


def test_a_block_wipes_at_its_end_also_after_an_error() -> None:
    secret = Secret(RAW)
    with secret as opened:
        assert opened is secret
        assert secret.reveal() == RAW
    assert secret.reveal() == bytes(len(RAW))
    failing = Secret(RAW)
    with pytest.raises(ZeroDivisionError), failing:
        _ = 1 // 0
    assert failing.reveal() == bytes(len(RAW))


def test_the_callers_bytes_are_not_wiped_along() -> None:
    given = bytearray(RAW)
    Secret(given).wipe()
    assert given == RAW


def test_random_secrets() -> None:
    secrets = [Secret.random().reveal() for _ in range(100)]
    assert {len(each) for each in secrets} == {KEY_BYTES}
    assert len(set(secrets)) == 100
