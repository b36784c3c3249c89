"""The keys of a session in plain Python: the reference implementation of those that `rust/sessions` makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from honeylink.domain.keys import SealedKey
from honeylink.keys import contexts
from honeylink.keys.derivation import derive

if TYPE_CHECKING:
    from uuid import UUID

    from honeylink.keys.envelope import DataKey
    from honeylink.keys.secret import Secret


def session_key(device_master_key: Secret, tenant_id: UUID, device_id: str, session_id: UUID) -> Secret:
    """The key of one session of one device."""
    return derive(device_master_key, contexts.encode("session", tenant_id.bytes, device_id.encode(), session_id.bytes))


def stream_key(key: Secret, session_id: UUID, stream_id: UUID) -> Secret:
    """The key of one stream, from its session's key."""
    return derive(key, contexts.encode("stream", session_id.bytes, stream_id.bytes))


def sealed(
    data_key: DataKey, key: Secret, tenant_id: UUID, device_id: str, session_id: UUID, nonce: bytes
) -> SealedKey:
    """A session's key as it is stored in its row."""
    subkey = derive(data_key.key, contexts.encode("session-seal", tenant_id.bytes, session_id.bytes))
    row = tenant_id.bytes, device_id.encode(), session_id.bytes, data_key.dek_id.bytes
    ciphertext = AESGCM(subkey.reveal()).encrypt(nonce, key.reveal(), contexts.encode("session-key", *row))
    return SealedKey(data_key.dek_id, nonce, ciphertext)
