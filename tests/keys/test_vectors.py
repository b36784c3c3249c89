"""Frozen keys: whoever holds a device master key must be able to derive the same session and stream keys for good.

Each literal was computed once by the few lines of HKDF below, which know nothing of the code under test.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeylink.keys import contexts
from honeylink.keys.derivation import derive
from honeylink.keys.envelope import DataKey, pairing_mac_key
from honeylink.keys.secret import Secret
from tests.keys.reference import session_key, stream_key

TENANT = UUID("018f0000-0000-7000-8000-000000000001")
SESSION = UUID("018f0000-0000-7000-8000-000000000002")
STREAM = UUID("018f0000-0000-7000-8000-000000000003")
DATA_KEY = UUID("018f0000-0000-7000-8000-000000000004")
MASTER = bytes(range(32))

SESSION_CONTEXT = (
    "484c31"  # "HL1"
    "0007"
    "73657373696f6e"  # the label, "session"
    "0003"
    "00000010"
    "018f0000000070008000000000000001"
    "0000000c"
    "6465766963652d3132333435"  # "device-12345"
    "00000010"
    "018f0000000070008000000000000002"
)
STREAM_CONTEXT = (
    "484c31"
    "0006"
    "73747265616d"  # "stream"
    "0002"
    "00000010"
    "018f0000000070008000000000000002"
    "00000010"
    "018f0000000070008000000000000003"
)
SESSION_KEY = "9420424b58c704fa7b0c4b5b15a4c8eaabc8d91a9d74adb28a4761a731e67f50"
STREAM_KEY = "47848fad48b1af25493e7a82ba1483c9a51d307b1f541deba25d43d3ba6ffd7c"


def enc_by_hand(label: str, *fields: bytes) -> bytes:
    framed = b"".join(struct.pack(">I", len(field)) + field for field in fields)
    return b"HL1" + struct.pack(">H", len(label)) + label.encode() + struct.pack(">H", len(fields)) + framed


def hkdf_by_hand(key: bytes, info: bytes) -> bytes:
    """RFC 5869 with SHA-512; 32 bytes are less than one block."""
    pseudorandom = hmac.digest(b"honeylink/hkdf/1", key, hashlib.sha512)
    return hmac.digest(pseudorandom, info + b"\x01", hashlib.sha512)[:32]


def test_contexts() -> None:
    fields = (TENANT.bytes, b"device-12345", SESSION.bytes)
    assert contexts.encode("session", *fields).hex() == SESSION_CONTEXT == enc_by_hand("session", *fields).hex()
    assert contexts.encode("stream", SESSION.bytes, STREAM.bytes).hex() == STREAM_CONTEXT
    assert contexts.encode("").hex() == "484c3100000000"


def test_session_key() -> None:
    derived = session_key(Secret(MASTER), TENANT, "device-12345", SESSION).reveal()
    assert derived.hex() == SESSION_KEY
    assert derived == hkdf_by_hand(MASTER, bytes.fromhex(SESSION_CONTEXT))


def test_stream_key() -> None:
    derived = stream_key(Secret(bytes.fromhex(SESSION_KEY)), SESSION, STREAM).reveal()
    assert derived.hex() == STREAM_KEY
    assert derived == hkdf_by_hand(bytes.fromhex(SESSION_KEY), bytes.fromhex(STREAM_CONTEXT))


def test_what_keys_are_wrapped_for() -> None:
    assert contexts.device_master_key_context(TENANT, "device-1") == enc_by_hand("dmk", TENANT.bytes, b"device-1")
    assert contexts.data_key_context(TENANT, DATA_KEY) == enc_by_hand("dek", TENANT.bytes, DATA_KEY.bytes)


def test_the_key_of_pairing_codes() -> None:
    derived = pairing_mac_key(DataKey(DATA_KEY, Secret(MASTER)), TENANT, "device-1").reveal()
    assert derived == hkdf_by_hand(MASTER, enc_by_hand("pairing", TENANT.bytes, b"device-1"))


@pytest.mark.parametrize(
    "other",
    [
        (bytes(32), TENANT, "device-12345", SESSION),
        (MASTER, SESSION, "device-12345", SESSION),
        (MASTER, TENANT, "device-12346", SESSION),
        (MASTER, TENANT, "device-12345", STREAM),
    ],
)
def test_whatever_differs_gives_another_session_key(other: tuple[bytes, UUID, str, UUID]) -> None:
    master, tenant_id, device_id, session_id = other
    assert session_key(Secret(master), tenant_id, device_id, session_id).reveal().hex() != SESSION_KEY


FIELDS = st.tuples(st.text(max_size=8), st.lists(st.binary(max_size=8), max_size=4))


@given(FIELDS, FIELDS)
def test_no_two_contexts_look_the_same(one: tuple[str, list[bytes]], other: tuple[str, list[bytes]]) -> None:
    assert (contexts.encode(one[0], *one[1]) == contexts.encode(other[0], *other[1])) == (one == other)


@given(st.lists(st.binary(max_size=4), min_size=2, max_size=2))
def test_a_separator_can_not_be_forged(pair: list[bytes]) -> None:
    joined = b"".join(pair)
    splits = {contexts.encode("x", joined[:cut], joined[cut:]) for cut in range(len(joined) + 1)}
    assert len(splits) == len(joined) + 1


def test_lengths_that_no_prefix_holds() -> None:
    with pytest.raises(ValueError, match="label of 65536 bytes"):
        contexts.encode("x" * 65536)
    with pytest.raises(ValueError, match="65536 fields"):
        contexts.encode("x", *[b""] * 65536)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=64))
def test_derivation_is_hkdf_sha512(key: bytes, info: bytes) -> None:
    assert derive(Secret(key), info).reveal() == hkdf_by_hand(key, info)
