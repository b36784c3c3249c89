"""All that the service does with keys, over whichever provider holds the root."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from honeylink.domain.keys import WrappedDataKey
from honeylink.keys import derivation, envelope
from honeylink.keys.envelope import DataKey
from honeylink.keys.providers import data_key_context, device_master_key_context
from honeylink.keys.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from honeylink.domain.keys import SealedKey, WrappedKey
    from honeylink.keys.providers import KeyProvider

__all__ = ["Keyring", "SessionKeys"]


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The keys of a new session: its own, sealed for its row, and those of its streams, for the device alone."""

    sealed: SealedKey
    stream_keys: tuple[Secret, ...]


class Keyring:
    """Makes, derives and seals keys. Unwrapped keys live as long as the call that needs them."""

    def __init__(self, provider: KeyProvider) -> None:
        self._provider = provider

    async def check(self, data_key: WrappedDataKey, tenant_id: UUID) -> None:
        """Show that the provider works now, and still holds the key that `data_key` was wrapped by.

        Raises:
            KeyProviderError: it does not.
        """
        (await self._unwrap_data_key(data_key, tenant_id)).wipe()

    async def new_data_key(self, tenant_id: UUID, dek_id: UUID) -> WrappedDataKey:
        """A fresh data key for a tenant, wrapped."""
        with Secret.random() as key:
            return WrappedDataKey(dek_id, await self._provider.wrap(key, data_key_context(tenant_id, dek_id)))

    async def new_device_master_key(self, tenant_id: UUID, device_id: str) -> WrappedKey:
        """A fresh master key for a device, wrapped."""
        with Secret.random() as key:
            return await self._provider.wrap(key, device_master_key_context(tenant_id, device_id))

    async def pairing_code_mac(self, data_key: WrappedDataKey, tenant_id: UUID, device_id: str, code: str) -> bytes:
        """What is stored of a pairing code: HMAC-SHA256 under a key of this device alone."""
        with await self._unwrap_data_key(data_key, tenant_id) as key:
            mac_key = envelope.pairing_mac_key(DataKey(data_key.dek_id, key), tenant_id, device_id)
        with mac_key:
            return hmac.digest(mac_key.reveal(), code.encode(), hashlib.sha256)

    async def session_keys(
        self,
        device_master_key: WrappedKey,
        data_key: WrappedDataKey,
        tenant_id: UUID,
        device_id: str,
        session_id: UUID,
        stream_ids: Sequence[UUID],
    ) -> SessionKeys:
        """Derive the keys of a new session.

        Raises:
            KeyProviderError: a key can't be unwrapped.
        """
        context = device_master_key_context(tenant_id, device_id)
        with await self._provider.unwrap(device_master_key, context) as master:
            session_key = derivation.session_key(master, tenant_id, device_id, session_id)
        with session_key, await self._unwrap_data_key(data_key, tenant_id) as key:
            sealed = envelope.seal_session_key(
                DataKey(data_key.dek_id, key), session_key, tenant_id, device_id, session_id
            )
            stream_keys = tuple(derivation.stream_key(session_key, session_id, each) for each in stream_ids)
        return SessionKeys(sealed, stream_keys)

    async def _unwrap_data_key(self, data_key: WrappedDataKey, tenant_id: UUID) -> Secret:
        return await self._provider.unwrap(data_key.wrapped, data_key_context(tenant_id, data_key.dek_id))
