"""Session keys at rest: AES-256-GCM under a subkey of the tenant's data key. `rust/sessions` seals them.

Each session has its own subkey, so nonces are never shared between sessions and GCM's limits are out of reach. The
associated data names tenant, device, session and data key: a ciphertext that is moved to another row does not open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from honeylink.errors import HoneyLinkError
from honeylink.keys import contexts
from honeylink.keys.derivation import derive
from honeylink.keys.secret import Secret

if TYPE_CHECKING:
    from uuid import UUID

    from honeylink.domain.keys import SealedKey


class UnsealError(HoneyLinkError):
    """A sealed key that does not belong to the row it was read from, or was altered."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """A tenant's data-encryption key, unwrapped."""

    dek_id: UUID
    key: Secret


def open_session_key(
    data_key: DataKey,
    sealed: SealedKey,
    tenant_id: UUID,
    device_id: str,
    session_id: UUID,
) -> Secret:
    """Decrypt a session's key.

    Raises:
        UnsealError: the ciphertext is not that of this row.
    """
    cipher, associated = _cipher(data_key, tenant_id, device_id, session_id)
    try:
        return Secret(cipher.decrypt(sealed.nonce, sealed.ciphertext, associated))
    except InvalidTag:
        raise UnsealError(f"the stored key of session {session_id} does not belong to it") from None


def pairing_mac_key(data_key: DataKey, tenant_id: UUID, device_id: str) -> Secret:
    """The key under which a device's pairing code is stored as a MAC."""
    return derive(data_key.key, contexts.encode("pairing", tenant_id.bytes, device_id.encode()))


def _cipher(data_key: DataKey, tenant_id: UUID, device_id: str, session_id: UUID) -> tuple[AESGCM, bytes]:
    with derive(data_key.key, contexts.encode("session-seal", tenant_id.bytes, session_id.bytes)) as subkey:
        cipher = AESGCM(subkey.reveal())
    associated = contexts.encode(
        "session-key",
        tenant_id.bytes,
        device_id.encode(),
        session_id.bytes,
        data_key.dek_id.bytes,
    )
    return cipher, associated
