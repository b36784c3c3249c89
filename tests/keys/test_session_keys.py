"""The native keys of sessions are those of the reference implementation, byte by byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeylink import _native
from honeylink.keys.envelope import DataKey
from honeylink.keys.secret import Secret
from tests.keys import reference

if TYPE_CHECKING:
    from uuid import UUID

KEYS = st.binary(min_size=32, max_size=32) | st.binary(max_size=200)
SESSIONS = st.tuples(
    KEYS,
    KEYS,
    st.uuids(),
    st.uuids(),
    st.text(st.characters(codec="utf-8"), max_size=80),
    st.uuids(),
    st.lists(st.uuids(), max_size=5),
    st.binary(min_size=12, max_size=12),
)

Session = tuple[bytes, bytes, "UUID", "UUID", str, "UUID", list["UUID"], bytes]
GOOD: tuple[Any, ...] = (bytes(32), bytes(32), bytes(16), bytes(16), "device-1", bytes(16), [bytes(16)], bytes(12))


def native(sessions: list[Session]) -> list[tuple[bytes, list[bytes]]]:
    return _native.session_keys(
        [
            (master, data, dek.bytes, tenant.bytes, device, session.bytes, [each.bytes for each in streams], nonce)
            for master, data, dek, tenant, device, session, streams, nonce in sessions
        ]
    )


def referred(session: Session) -> tuple[bytes, list[bytes]]:
    master, data, dek_id, tenant_id, device_id, session_id, stream_ids, nonce = session
    key = reference.session_key(Secret(master), tenant_id, device_id, session_id)
    sealed = reference.sealed(DataKey(dek_id, Secret(data)), key, tenant_id, device_id, session_id, nonce)
    return sealed.ciphertext, [reference.stream_key(key, session_id, each).reveal() for each in stream_ids]


@given(st.lists(SESSIONS, max_size=6))
def test_keys_are_those_of_the_reference(sessions: list[Session]) -> None:
    """Also of groups that are large enough to release the GIL."""
    assert native(sessions) == [referred(each) for each in sessions]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (2, bytes(15), "a data key's id: expected 16 bytes, found 15"),
        (3, bytes(17), "a tenant's id: expected 16 bytes, found 17"),
        (5, b"", "a session's id: expected 16 bytes, found 0"),
        (6, [bytes(16), bytes(3)], "a stream's id: expected 16 bytes, found 3"),
        (7, bytes(16), "a nonce: expected 12 bytes, found 16"),
        (4, "\ud800", "surrogates not allowed"),
    ],
)
def test_a_value_of_another_length_is_refused(place: int, value: object, message: str) -> None:
    sessions: Any = [GOOD, (*GOOD[:place], value, *GOOD[place + 1 :])]
    with pytest.raises(ValueError, match=message):
        _native.session_keys(sessions)


@pytest.mark.parametrize("place", range(len(GOOD)))
def test_a_value_of_another_type_is_refused(place: int) -> None:
    sessions: Any = [(*GOOD[:place], 5, *GOOD[place + 1 :])]
    with pytest.raises(TypeError):
        _native.session_keys(sessions)


def test_a_text_is_no_list_of_ids() -> None:
    sessions: Any = [(*GOOD[:6], "ab", GOOD[7])]
    with pytest.raises(TypeError):
        _native.session_keys(sessions)
