"""All that the service does with keys, over the key providers that are open.

What calls a provider is a coroutine that may take as long as the provider does: nobody may hold a connection to the
database meanwhile. What derives keys from unwrapped ones is a plain function.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from honeylink import _native
from honeylink.domain.keys import SealedKey, WrappedDataKey
from honeylink.keys import envelope
from honeylink.keys.contexts import data_key_context, device_master_key_context
from honeylink.keys.envelope import DataKey
from honeylink.keys.providers import KeyProviderError, KeyProviders
from honeylink.keys.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from honeylink.domain.keys import WrappedKey
    from honeylink.keys.providers import KeyProvider, UnwrappedKeys


_NONCE_BYTES = 12


@dataclass(slots=True)
class SessionRoots:
    """The wrapped keys that those of a new session come from, and all that these are bound to."""

    device_master_key: WrappedKey
    data_key: WrappedDataKey
    tenant_id: UUID
    device_id: str
    session_id: UUID
    stream_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The keys of a new session: its own, sealed for its row, and those of its streams, for the device alone."""

    sealed: SealedKey
    stream_keys: tuple[Secret, ...]


class UnwrappedRoots:
    """What the keys of some new sessions come from, unwrapped until the end of a `with` block.

    Args:
        sessions: those sessions.
        keys: of each its device's master key, then its tenant's data key.
    """

    def __init__(self, sessions: Sequence[SessionRoots], keys: UnwrappedKeys) -> None:
        self._sessions = sessions
        self._keys = keys

    def session_keys(self) -> list[SessionKeys | KeyProviderError]:
        """The keys of each session, or why a key that they come from could not be unwrapped."""
        failures = [self._keys.failure(2 * index, 2 * index + 1) for index in range(len(self._sessions))]
        able = [index for index, failure in enumerate(failures) if failure is None]
        # Randomness is an argument, so that what is native is a function of its arguments alone.
        nonces = [os.urandom(_NONCE_BYTES) for _ in able]
        made = _native.session_keys([self._new_session(*each) for each in zip(able, nonces, strict=True)])
        keys = {
            index: SessionKeys(
                SealedKey(self._sessions[index].data_key.dek_id, nonce, ciphertext), tuple(map(Secret, stream_keys))
            )
            for index, nonce, (ciphertext, stream_keys) in zip(able, nonces, made, strict=True)
        }
        return [keys[index] if failure is None else failure for index, failure in enumerate(failures)]

    def _new_session(
        self, index: int, nonce: bytes
    ) -> tuple[bytes, bytes, bytes, bytes, str, bytes, list[bytes], bytes]:
        session = self._sessions[index]
        return (
            self._keys[2 * index].reveal(),
            self._keys[2 * index + 1].reveal(),
            session.data_key.dek_id.bytes,
            session.tenant_id.bytes,
            session.device_id,
            session.session_id.bytes,
            [each.bytes for each in session.stream_ids],
            nonce,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._keys.__exit__()


class Keyring:
    """Makes, derives and seals keys. Unwrapped keys live as long as the call or the `with` block that needs them.

    Args:
        current: the provider that wraps what is new.
        others: providers that unwrap what they have wrapped before.
    """

    def __init__(self, current: KeyProvider, *others: KeyProvider) -> None:
        self._providers = KeyProviders(current, *others)

    async def check(self, data_keys: Iterable[tuple[UUID, WrappedDataKey]]) -> None:
        """Show that the providers work now, and still hold the keys that these tenants' data keys were wrapped by.

        Raises:
            KeyProviderError: one does not; gives all reasons.
        """
        keys = [_wrapped_data_key(data_key, tenant_id) for tenant_id, data_key in data_keys]
        with await self._providers.unwrap(keys) as unwrapped:
            if unwrapped.failures:
                raise KeyProviderError("; ".join(unwrapped.failures))

    async def new_data_key(self, tenant_id: UUID, dek_id: UUID) -> WrappedDataKey:
        """A fresh data key for a tenant, wrapped.

        Raises:
            KeyProviderError: the current provider can't wrap it.
        """
        return WrappedDataKey(dek_id, await self._new_key(data_key_context(tenant_id, dek_id)))

    async def new_device_master_key(self, tenant_id: UUID, device_id: str) -> WrappedKey:
        """A fresh master key for a device, wrapped.

        Raises:
            KeyProviderError: the current provider can't wrap it.
        """
        return await self._new_key(device_master_key_context(tenant_id, device_id))

    async def _new_key(self, context: bytes) -> WrappedKey:
        with Secret.random() as key:
            [wrapped] = await self._providers.wrap([(key, context)])
        return wrapped

    async def pairing_code_mac(self, data_key: WrappedDataKey, tenant_id: UUID, device_id: str, code: str) -> bytes:
        """What is stored of a pairing code: HMAC-SHA256 under a key of this device alone.

        Raises:
            KeyProviderError: the data key can't be unwrapped.
        """
        key = _wrapped_data_key(data_key, tenant_id)
        with await self._providers.unwrap([key]) as unwrapped:
            mac_key = envelope.pairing_mac_key(DataKey(data_key.dek_id, unwrapped[0]), tenant_id, device_id)
        with mac_key:
            return hmac.digest(mac_key.reveal(), code.encode(), hashlib.sha256)

    async def unwrap_roots(self, sessions: Sequence[SessionRoots]) -> UnwrappedRoots:
        """Unwrap what the keys of new sessions come from, in one call to each provider.

        A key that can't be unwrapped is told when keys are derived, and fails its own session alone.

        Example:
            >>> async def keys_of(keyring: Keyring, session: SessionRoots) -> SessionKeys:
            ...     with await keyring.unwrap_roots([session]) as roots:
            ...         [keys] = roots.session_keys()
            ...     if isinstance(keys, KeyProviderError):
            ...         raise keys
            ...     return keys
        """
        keys: list[tuple[WrappedKey, bytes]] = []
        for each in sessions:
            context = device_master_key_context(each.tenant_id, each.device_id)
            keys += ((each.device_master_key, context), _wrapped_data_key(each.data_key, each.tenant_id))
        return UnwrappedRoots(sessions, await self._providers.unwrap(keys))


def _wrapped_data_key(data_key: WrappedDataKey, tenant_id: UUID) -> tuple[WrappedKey, bytes]:
    """A tenant's data key, with its context."""
    return data_key.wrapped, data_key_context(tenant_id, data_key.dek_id)
