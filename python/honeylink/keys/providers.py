"""Key providers: they hold the keys that wrap all others.

A service has several open at once when it moves from one to another: the current one wraps what is new, and each
unwraps what it has wrapped before. `honeylink.keys.registry` opens those that the settings name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

from honeylink.errors import DependencyUnavailable
from honeylink.keys.secret import wipe_secrets
from honeylink.telemetry import span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from honeylink.domain.keys import WrappedKey
    from honeylink.keys.secret import Secret


class KeyProviderError(DependencyUnavailable):
    """The provider can't be reached or is too slow, or does not hold the key that a wrapped key needs."""

    def __init__(self, reason: str) -> None:
        super().__init__("the key provider")
        self.reason = reason


class KeyProvider(Protocol):
    """Wraps and unwraps 32-byte keys, any number in a call.

    Each key comes with its context, which is authenticated: a wrapped key can be unwrapped in its own context only.

    A call may be cancelled at any time, since it is waited for no longer than a request may take. Whether it is
    cancelled or raises, it wipes the secrets that it has made.
    """

    @property
    def name(self) -> str:
        """The provider's own name, which it writes into `WrappedKey.provider`."""
        ...

    async def wrap(self, keys: Sequence[tuple[Secret, bytes]]) -> list[WrappedKey]:
        """Encrypt keys under the provider's current key: all of them or none.

        Args:
            keys: each with its context.

        Returns:
            The wrapped keys, in the same order.

        Raises:
            KeyProviderError: the provider can't do it now.
        """
        ...

    async def unwrap(self, keys: Sequence[tuple[WrappedKey, bytes]]) -> list[Secret | KeyProviderError]:
        """Decrypt keys, each by itself: one that can't be decrypted fails no other.

        Args:
            keys: each with its context.

        Returns:
            In the same order each key, or why it can't be had: its context differs, it was altered, or the provider
            does not hold the key that wrapped it.

        Raises:
            KeyProviderError: the provider can't decrypt anything now.
        """
        ...


class UnwrappedKeys:
    """Keys in the clear until the end of a `with` block, in the order in which they were asked for."""

    def __init__(self, answers: Sequence[Secret | KeyProviderError]) -> None:
        self._answers = answers

    def __getitem__(self, index: int) -> Secret:
        """One of the keys.

        Raises:
            KeyProviderError: it could not be unwrapped.
        """
        answer = self._answers[index]
        if isinstance(answer, KeyProviderError):
            # An error for each who asks: raising one writes a traceback into it.
            raise KeyProviderError(answer.reason)
        return answer

    def failure(self, *indices: int) -> KeyProviderError | None:
        """Why the first of some keys that could not be unwrapped could not be, as an error of its own."""
        for index in indices:
            answer = self._answers[index]
            if isinstance(answer, KeyProviderError):
                return KeyProviderError(answer.reason)
        return None

    @property
    def failures(self) -> list[str]:
        """Why keys could not be unwrapped, each reason once."""
        return list(dict.fromkeys(each.reason for each in self._answers if isinstance(each, KeyProviderError)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        wipe_secrets(self._answers)


class KeyProviders:
    """The providers that are open: the current one, which wraps what is new, and the others."""

    def __init__(self, current: KeyProvider, *others: KeyProvider) -> None:
        self._current = current
        self._by_name = {provider.name: provider for provider in (current, *others)}

    async def wrap(self, keys: Sequence[tuple[Secret, bytes]]) -> list[WrappedKey]:
        """Encrypt keys by the current provider; see `KeyProvider.wrap`."""
        with span("key_provider.wrap", provider=self._current.name, keys=len(keys)):
            return await self._current.wrap(keys)

    async def unwrap(self, keys: Sequence[tuple[WrappedKey, bytes]]) -> UnwrappedKeys:
        """Decrypt keys, in one call to each provider that wrapped some of them; each distinct key once.

        Whoever asks wipes them. A provider that is away or not open fails its own keys and no others.
        """
        distinct = dict.fromkeys(keys)
        answers: dict[tuple[WrappedKey, bytes], Secret | KeyProviderError] = {}
        try:
            for name in dict.fromkeys(wrapped.provider for wrapped, _ in distinct):
                own = [key for key in distinct if key[0].provider == name]
                answers.update(zip(own, await self._unwrap_by(name, own), strict=True))
        except BaseException:
            wipe_secrets(answers.values())
            raise
        return UnwrappedKeys([answers[key] for key in keys])

    async def _unwrap_by(self, name: str, keys: list[tuple[WrappedKey, bytes]]) -> list[Secret | KeyProviderError]:
        provider = self._by_name.get(name)
        if provider is None:
            return [self._not_open(wrapped) for wrapped, _ in keys]
        with span("key_provider.unwrap", provider=name, keys=len(keys)):
            try:
                return await provider.unwrap(keys)
            except KeyProviderError as error:
                return [error] * len(keys)

    def _not_open(self, wrapped: WrappedKey) -> KeyProviderError:
        return KeyProviderError(
            f"expected a key wrapped by a provider that is open ({', '.join(self._by_name)}), found one wrapped by "
            f"{wrapped.provider}/{wrapped.key_id}, version {wrapped.key_version}; "
            "give the settings of that provider too"
        )
