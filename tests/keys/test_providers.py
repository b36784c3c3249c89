"""What every key provider must do, and what becomes of a key when several of them are open.

A new provider joins `PROVIDERS`, and passes what is here as it stands.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import pytest

from honeylink.keys import registry
from honeylink.keys.local import LocalKeyProvider
from honeylink.keys.providers import KeyProvider, KeyProviderError, KeyProviders
from honeylink.keys.registry import KINDS, Kind, open_keyring
from honeylink.keys.secret import Secret
from honeylink.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from honeylink.domain.keys import WrappedKey

Open: TypeAlias = "Callable[[Path], KeyProvider]"

KEYS = [bytes([number]) * 32 for number in range(1, 4)]
CONTEXTS = [b"row %d" % number for number in range(3)]


class ArchiveProvider(LocalKeyProvider):
    """Another real provider, beside the local one."""

    name = "archive"


class UnavailableProvider(LocalKeyProvider):
    """One that is away by the time keys are to be unwrapped."""

    name = "unavailable"

    async def unwrap(self, keys: Sequence[tuple[WrappedKey, bytes]]) -> list[Secret | KeyProviderError]:
        del keys
        raise KeyProviderError("expected an answer from unavailable, found none")


PROVIDERS: dict[str, Open] = {
    "local": lambda directory: LocalKeyProvider.open(directory / "kek.key"),
}


@pytest.fixture(params=PROVIDERS)
def open_provider(request: pytest.FixtureRequest) -> Open:
    """Opens the provider in a directory; in another one it holds other keys."""
    opener: Open = PROVIDERS[request.param]
    return opener


@pytest.fixture
def provider(open_provider: Open, tmp_path: Path) -> KeyProvider:
    return open_provider(tmp_path)


def wrap(provider: KeyProvider | KeyProviders) -> list[tuple[WrappedKey, bytes]]:
    """The keys, wrapped, each with its context."""
    secrets = [Secret(key) for key in KEYS]
    wrapped = asyncio.run(provider.wrap(list(zip(secrets, CONTEXTS, strict=True))))
    assert [secret.reveal() for secret in secrets] == KEYS  # whoever made them wipes them
    return list(zip(wrapped, CONTEXTS, strict=True))


def unwrap(provider: KeyProvider, keys: Sequence[tuple[WrappedKey, bytes]]) -> list[bytes | None]:
    answers = asyncio.run(provider.unwrap(keys))
    return [answer.reveal() if isinstance(answer, Secret) else None for answer in answers]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Secret]:
    """Every secret that is made from here on."""
    secrets: list[Secret] = []
    make = Secret.__init__

    def noting(self: Secret, value: bytes | bytearray) -> None:
        make(self, value)
        secrets.append(self)

    monkeypatch.setattr(Secret, "__init__", noting)
    return secrets


def left(made: list[Secret]) -> list[Secret]:
    return [secret for secret in made if any(secret.reveal())]


class TestEveryProvider:
    def test_keys_come_back_in_their_order(self, provider: KeyProvider) -> None:
        keys = wrap(provider)
        assert unwrap(provider, keys) == KEYS
        assert unwrap(provider, keys[::-1]) == KEYS[::-1]
        assert unwrap(provider, keys[:1] * 2) == KEYS[:1] * 2

    def test_no_keys_at_all(self, provider: KeyProvider) -> None:
        assert asyncio.run(provider.wrap([])) == []
        assert asyncio.run(provider.unwrap([])) == []

    def test_a_wrapped_key_names_its_provider_and_holds_no_key(self, provider: KeyProvider) -> None:
        for (wrapped, _), key in zip(wrap(provider), KEYS, strict=True):
            assert wrapped.provider == provider.name
            assert wrapped.key_id
            assert wrapped.key_version >= 1
            assert key not in wrapped.ciphertext

    def test_no_two_wrapped_keys_are_the_same(self, provider: KeyProvider) -> None:
        ciphertexts = {wrapped.ciphertext for wrapped, _ in wrap(provider) + wrap(provider)}
        assert len(ciphertexts) == 2 * len(KEYS)

    def test_it_unwraps_when_it_is_opened_again(self, open_provider: Open, tmp_path: Path) -> None:
        assert unwrap(open_provider(tmp_path), wrap(open_provider(tmp_path))) == KEYS

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda wrapped, context: (wrapped, context + b" of another table"),
            lambda wrapped, _: (wrapped, b""),
            lambda wrapped, context: (replace(wrapped, key_id="another"), context),
            lambda wrapped, context: (replace(wrapped, provider="another"), context),
            lambda wrapped, context: (replace(wrapped, ciphertext=b""), context),
            lambda wrapped, context: (replace(wrapped, ciphertext=wrapped.ciphertext[:-1]), context),
            lambda wrapped, context: (replace(wrapped, ciphertext=bytes(len(wrapped.ciphertext))), context),
        ],
        ids=["context", "no context", "key id", "provider", "empty", "shorter", "altered"],
    )
    @pytest.mark.parametrize("place", range(len(KEYS)))
    def test_one_bad_member_fails_no_other(
        self, provider: KeyProvider, spoil: Callable[[WrappedKey, bytes], tuple[WrappedKey, bytes]], place: int
    ) -> None:
        keys = wrap(provider)
        keys[place] = spoil(*keys[place])
        expected: list[bytes | None] = list(KEYS)
        expected[place] = None
        assert unwrap(provider, keys) == expected

    def test_it_does_not_unwrap_what_another_key_has_wrapped(self, open_provider: Open, tmp_path: Path) -> None:
        keys = wrap(open_provider(tmp_path / "one"))
        answers = asyncio.run(open_provider(tmp_path / "other").unwrap(keys))
        assert all(isinstance(answer, KeyProviderError) for answer in answers)

    def test_a_reason_tells_no_secret(self, provider: KeyProvider) -> None:
        answers = asyncio.run(provider.unwrap([(wrapped, b"another row") for wrapped, _ in wrap(provider)]))
        for answer, key in zip(answers, KEYS, strict=True):
            assert isinstance(answer, KeyProviderError)
            assert answer.reason
            assert repr(key) not in answer.reason
            assert key.hex() not in answer.reason

    def test_a_batch_that_raises_wipes_what_it_has_unwrapped(self, provider: KeyProvider, made: list[Secret]) -> None:
        keys = wrap(provider)
        made.clear()
        with pytest.raises((AttributeError, TypeError)):
            asyncio.run(provider.unwrap([*keys, None]))  # type: ignore[list-item]
        assert not left(made)

    def test_a_call_that_is_cancelled_leaves_no_key(self, provider: KeyProvider, made: list[Secret]) -> None:
        keys = wrap(provider)

        async def cancel_after(passes: int) -> bool:
            task = asyncio.create_task(provider.unwrap(keys))
            for _ in range(passes):
                await asyncio.sleep(0)
            task.cancel()
            try:
                answers = await task
            except asyncio.CancelledError:
                return False
            for answer in answers:
                assert isinstance(answer, Secret)
                answer.wipe()
            return True

        for passes in range(10):
            made.clear()
            asyncio.run(cancel_after(passes))
            assert not left(made)

    def test_it_is_of_a_kind_that_settings_can_name(self, provider: KeyProvider) -> None:
        assert provider.name in KINDS


class TestSeveralProviders:
    @pytest.fixture
    def local(self, tmp_path: Path) -> LocalKeyProvider:
        return LocalKeyProvider.open(tmp_path / "kek.key")

    @pytest.fixture
    def archive(self, tmp_path: Path) -> ArchiveProvider:
        return ArchiveProvider.open(tmp_path / "archive.key")

    def test_the_current_one_wraps_and_each_unwraps_its_own(
        self, local: LocalKeyProvider, archive: ArchiveProvider
    ) -> None:
        before, after = KeyProviders(archive), KeyProviders(local, archive)
        keys = [*wrap(before), *wrap(after)]
        assert [wrapped.provider for wrapped, _ in keys] == ["archive"] * 3 + ["local"] * 3
        with asyncio.run(after.unwrap(keys)) as unwrapped:
            assert [unwrapped[index].reveal() for index in range(6)] == KEYS * 2
            assert unwrapped.failures == []

    def test_each_is_asked_once_and_for_each_key_once(
        self, local: LocalKeyProvider, archive: ArchiveProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keys = [*wrap(local), *wrap(archive)]
        asked: list[tuple[str, int]] = []
        unwrap_by = LocalKeyProvider.unwrap

        async def noting(
            self: LocalKeyProvider, keys: Sequence[tuple[WrappedKey, bytes]]
        ) -> list[Secret | KeyProviderError]:
            asked.append((self.name, len(keys)))
            return await unwrap_by(self, keys)

        monkeypatch.setattr(LocalKeyProvider, "unwrap", noting)
        with asyncio.run(KeyProviders(local, archive).unwrap(keys + keys)) as unwrapped:
            assert [unwrapped[index].reveal() for index in range(12)] == KEYS * 4
        assert sorted(asked) == [("archive", 3), ("local", 3)]

    def test_a_key_whose_provider_is_not_open(self, local: LocalKeyProvider, archive: ArchiveProvider) -> None:
        mine, [foreign, *_] = wrap(local), wrap(archive)
        with asyncio.run(KeyProviders(local).unwrap([*mine, foreign])) as unwrapped:
            assert [unwrapped[index].reveal() for index in range(3)] == KEYS
            with pytest.raises(KeyProviderError) as caught:
                unwrapped[3]
        assert caught.value.reason == (
            "expected a key wrapped by a provider that is open (local), found one wrapped by "
            f"archive/{archive.key_id}, version 1; give the settings of that provider too"
        )

    def test_one_that_is_away_fails_its_own_keys_alone(self, local: LocalKeyProvider, tmp_path: Path) -> None:
        away = UnavailableProvider.open(tmp_path / "unavailable.key")
        keys = [*wrap(away), *wrap(local)]
        with asyncio.run(KeyProviders(away, local).unwrap(keys)) as unwrapped:
            assert [unwrapped[index].reveal() for index in range(3, 6)] == KEYS
            assert unwrapped.failures == ["expected an answer from unavailable, found none"]

    def test_keys_are_wiped_when_a_later_provider_is_cancelled(
        self, local: LocalKeyProvider, archive: ArchiveProvider, made: list[Secret], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keys = [*wrap(local), *wrap(archive)]
        waiting = asyncio.Event()

        async def hang(self: ArchiveProvider, keys: Sequence[tuple[WrappedKey, bytes]]) -> None:
            del self, keys
            waiting.set()
            await asyncio.Event().wait()

        async def cancel() -> None:
            task = asyncio.create_task(KeyProviders(local, archive).unwrap(keys))
            await waiting.wait()
            assert left(made)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        monkeypatch.setattr(ArchiveProvider, "unwrap", hang)
        made.clear()
        asyncio.run(cancel())
        assert not left(made)


class TestSettings:
    def test_each_kind_can_be_named(self) -> None:
        named = Settings.model_json_schema()["properties"]["key_provider"]
        assert set(named.get("enum") or [named["const"]]) == set(KINDS)
        for kind in KINDS.values():
            assert kind.settings <= Settings.model_fields.keys()

    def test_a_kind_is_open_if_it_is_current_or_a_setting_of_its_own_is_given(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        archive = Kind(lambda _: ArchiveProvider.open(tmp_path / "archive.key"), frozenset({"port"}))
        monkeypatch.setattr(registry, "KINDS", {**KINDS, "archive": archive})

        def opened(key_provider: str, **given: object) -> list[str]:
            settings = Settings(data_dir=tmp_path, **given).model_copy(update={"key_provider": key_provider})  # type: ignore[arg-type]
            providers = open_keyring(settings)._providers
            return [provider.name for provider in providers._by_name.values()]

        assert opened("local") == ["local"]
        assert opened("local", port=1) == ["local", "archive"]
        assert opened("archive") == ["archive"]
        assert opened("archive", key_file=tmp_path / "kek.key") == ["archive", "local"]
