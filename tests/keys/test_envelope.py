"""Session keys at rest: a sealed key opens in its own row, under its own data key, unaltered, and nowhere else."""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from honeylink import _native
from honeylink.domain.keys import SealedKey
from honeylink.keys.envelope import DataKey, UnsealError, open_session_key
from honeylink.keys.secret import Secret
from tests.keys import reference

DATA_KEY = DataKey(UUID(int=9), Secret(b"d" * 32))
MASTER_KEY = b"m" * 32
ROW: dict[str, Any] = {"tenant_id": UUID(int=1), "device_id": "device-1", "session_id": UUID(int=2)}
KEY = reference.session_key(Secret(MASTER_KEY), **ROW)


def sealed_key() -> SealedKey:
    """The key of the session in that row, as the service stores it."""
    tenant_id, session_id, nonce = ROW["tenant_id"].bytes, ROW["session_id"].bytes, os.urandom(12)
    data_key = DATA_KEY.key.reveal(), DATA_KEY.dek_id.bytes
    [(ciphertext, _)] = _native.session_keys(
        [(MASTER_KEY, *data_key, tenant_id, ROW["device_id"], session_id, [], nonce)]
    )
    return SealedKey(DATA_KEY.dek_id, nonce, ciphertext)


def test_a_sealed_key_opens_in_its_row() -> None:
    sealed = sealed_key()
    assert KEY.reveal() not in sealed.ciphertext
    assert open_session_key(DATA_KEY, sealed, **ROW).matches(KEY)


def test_how_a_key_is_sealed() -> None:
    """By hand: a subkey of the session's own, and everything that names the row in the associated data."""
    sealed = sealed_key()
    tenant, session = ROW["tenant_id"].bytes, ROW["session_id"].bytes
    info = b"HL1\0\x0csession-seal\0\2" + b"".join(b"\0\0\0\x10" + each for each in (tenant, session))
    pseudorandom = hmac.digest(b"honeylink/hkdf/1", DATA_KEY.key.reveal(), hashlib.sha512)
    subkey = hmac.digest(pseudorandom, info + b"\1", hashlib.sha512)[:32]
    fields = (tenant, b"device-1", session, DATA_KEY.dek_id.bytes)
    associated = b"HL1\0\x0bsession-key\0\4" + b"".join(struct.pack(">I", len(each)) + each for each in fields)
    assert AESGCM(subkey).decrypt(sealed.nonce, sealed.ciphertext, associated) == KEY.reveal()


@pytest.mark.parametrize("moved", [{"tenant_id": UUID(int=3)}, {"device_id": "device-2"}, {"session_id": UUID(int=3)}])
def test_a_key_that_was_moved_does_not_open(moved: dict[str, Any]) -> None:
    sealed = sealed_key()
    with pytest.raises(UnsealError, match="does not belong to it"):
        open_session_key(DATA_KEY, sealed, **ROW | moved)


@pytest.mark.parametrize("other", [DataKey(UUID(int=9), Secret(b"e" * 32)), DataKey(UUID(int=8), Secret(b"d" * 32))])
def test_another_data_key_does_not_open_it(other: DataKey) -> None:
    sealed = sealed_key()
    with pytest.raises(UnsealError):
        open_session_key(other, sealed, **ROW)


@given(st.integers(0, 47), st.integers(0, 7))
def test_an_altered_ciphertext_does_not_open(position: int, bit: int) -> None:
    sealed = sealed_key()
    altered = bytearray(sealed.ciphertext)
    assert len(altered) == 48
    altered[position] ^= 1 << bit
    with pytest.raises(UnsealError):
        open_session_key(DATA_KEY, replace(sealed, ciphertext=bytes(altered)), **ROW)


def test_what_is_stored_shows_nothing_in_a_log() -> None:
    sealed = sealed_key()
    assert repr(sealed) == f"SealedKey(dek_id={DATA_KEY.dek_id!r})"
    assert repr(DATA_KEY) == f"DataKey(dek_id={DATA_KEY.dek_id!r}, key=Secret(<32 bytes>))"
