"""The root of trust: what wraps and unwraps the keys that are stored.

A provider keeps the key-encryption key (KEK) and never gives it out. Its calls are coroutines because others of its
kind live across a network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from honeylink.errors import DependencyUnavailable
from honeylink.keys import contexts

if TYPE_CHECKING:
    from uuid import UUID

    from honeylink.domain.keys import WrappedKey
    from honeylink.keys.secret import Secret

__all__ = ["KeyProvider", "KeyProviderError", "data_key_context", "device_master_key_context"]


class KeyProviderError(DependencyUnavailable):
    """The provider can't be reached, or does not hold the key that a wrapped key needs."""

    def __init__(self, reason: str) -> None:
        super().__init__("the key provider")
        self.reason = reason


class KeyProvider(Protocol):
    """Wraps and unwraps 32-byte keys. `context` is authenticated: a wrapped key opens in its own context only."""

    async def wrap(self, key: Secret, context: bytes) -> WrappedKey:
        """Encrypt `key` under the provider's current key.

        Raises:
            KeyProviderError: the provider can't do it now.
        """
        ...

    async def unwrap(self, wrapped: WrappedKey, context: bytes) -> Secret:
        """Decrypt `wrapped`.

        Raises:
            KeyProviderError: the provider can't do it now, does not hold that key, or the context differs.
        """
        ...


def device_master_key_context(tenant_id: UUID, device_id: str) -> bytes:
    """What a device's master key is wrapped for."""
    return contexts.encode("dmk", tenant_id.bytes, device_id.encode())


def data_key_context(tenant_id: UUID, dek_id: UUID) -> bytes:
    """What a tenant's data key is wrapped for."""
    return contexts.encode("dek", tenant_id.bytes, dek_id.bytes)
