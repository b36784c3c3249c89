"""The local key provider: one file, made once, guarded by its mode."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from honeylink.errors import DependencyUnavailable, SettingsError
from honeylink.keys.local import LocalKeyProvider
from honeylink.keys.providers import KeyProviderError
from honeylink.keys.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from honeylink.domain.keys import WrappedKey

KEY = b"k" * 32


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "kek.key"


def wrap(provider: LocalKeyProvider, context: bytes = b"context") -> WrappedKey:
    [wrapped] = asyncio.run(provider.wrap([(Secret(KEY), context)]))
    return wrapped


def unwrap(provider: LocalKeyProvider, wrapped: WrappedKey, context: bytes = b"context") -> bytes:
    [answer] = asyncio.run(provider.unwrap([(wrapped, context)]))
    if isinstance(answer, KeyProviderError):
        raise answer
    return answer.reveal()


def write_key(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.write_bytes(content)
    path.chmod(mode)


def test_the_first_start_makes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "not" / "yet" / "kek.key"
    LocalKeyProvider.open(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(path.read_bytes()) == 32
    assert [each.name for each in path.parent.iterdir()] == ["kek.key"]


def test_the_next_start_keeps_it(key_file: Path) -> None:
    wrapped = wrap(LocalKeyProvider.open(key_file))
    before = key_file.read_bytes()
    assert unwrap(LocalKeyProvider.open(key_file), wrapped) == KEY
    assert key_file.read_bytes() == before


def test_two_keys_are_never_the_same(tmp_path: Path) -> None:
    providers = [LocalKeyProvider.open(tmp_path / f"{number}.key") for number in range(5)]
    assert len({provider.key_id for provider in providers}) == 5


def test_all_that_start_at_once_get_one_key(tmp_path: Path) -> None:
    starts = 8
    for round_number in range(10):
        path = tmp_path / str(round_number) / "kek.key"
        barrier = Barrier(starts)

        def start(_: int, path: Path = path, barrier: Barrier = barrier) -> str:
            barrier.wait()
            return LocalKeyProvider.open(path).key_id

        with ThreadPoolExecutor(starts) as pool:
            assert len(set(pool.map(start, range(starts)))) == 1
        assert [each.name for each in path.parent.iterdir()] == ["kek.key"]


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666, 0o610, 0o602])
def test_a_file_that_others_can_read_or_write(key_file: Path, mode: int) -> None:
    write_key(key_file, KEY, mode)
    with pytest.raises(SettingsError, match=f"expected mode 0600, found {mode:04o}; run: chmod 600 .*kek.key"):
        LocalKeyProvider.open(key_file)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_of_its_owner_alone(key_file: Path, mode: int) -> None:
    write_key(key_file, KEY, mode)
    LocalKeyProvider.open(key_file)


@pytest.mark.parametrize(("length", "found"), [(0, "0"), (31, "31"), (33, "more"), (4096, "more")])
def test_a_file_of_another_length(key_file: Path, length: int, found: str) -> None:
    write_key(key_file, bytes(length))
    with pytest.raises(SettingsError, match=f"kek.key: expected 32 bytes, found {found}"):
        LocalKeyProvider.open(key_file)


def test_a_path_that_holds_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="set HONEYLINK_KEY_FILE to a usable path"):
        LocalKeyProvider.open(tmp_path)


def test_a_path_through_a_file(key_file: Path) -> None:
    write_key(key_file, KEY)
    with pytest.raises(SettingsError, match="set HONEYLINK_KEY_FILE to a usable path"):
        LocalKeyProvider.open(key_file / "kek.key")


def test_a_link_to_a_device(key_file: Path) -> None:
    key_file.symlink_to(os.devnull)
    with pytest.raises(SettingsError, match="expected a regular file"):
        LocalKeyProvider.open(key_file)


def test_a_link_to_nowhere_is_left_alone(tmp_path: Path, key_file: Path) -> None:
    key_file.symlink_to(tmp_path / "nowhere")
    with pytest.raises(SettingsError, match="No such file"):
        LocalKeyProvider.open(key_file)
    assert [each.name for each in tmp_path.iterdir()] == ["kek.key"]


def test_a_wrapped_key_names_what_wrapped_it(key_file: Path) -> None:
    provider = LocalKeyProvider.open(key_file)
    wrapped = wrap(provider)
    assert (wrapped.provider, wrapped.key_id, wrapped.key_version) == ("local", provider.key_id, 1)
    assert KEY not in wrapped.ciphertext
    assert wrapped.ciphertext != wrap(provider).ciphertext
    assert repr(wrapped.ciphertext) not in repr(wrapped)
    assert provider.key_id not in key_file.read_bytes().hex()


def test_a_wrapped_key_opens_in_its_own_context_only(key_file: Path) -> None:
    provider = LocalKeyProvider.open(key_file)
    with pytest.raises(KeyProviderError) as caught:
        unwrap(provider, wrap(provider, b"one row"), b"another row")
    assert caught.value.reason == "a wrapped key does not belong to its row, or was altered"


@pytest.mark.parametrize("ciphertext", [b"", b"short", bytes(60)])
def test_a_wrapped_key_that_was_altered(key_file: Path, ciphertext: bytes) -> None:
    provider = LocalKeyProvider.open(key_file)
    with pytest.raises(KeyProviderError):
        unwrap(provider, replace(wrap(provider), ciphertext=ciphertext))


def test_a_key_file_that_was_swapped(key_file: Path) -> None:
    before = LocalKeyProvider.open(key_file)
    wrapped = wrap(before)
    write_key(key_file, os.urandom(32))
    after = LocalKeyProvider.open(key_file)
    with pytest.raises(DependencyUnavailable) as caught:
        unwrap(after, wrapped)
    assert isinstance(caught.value, KeyProviderError)
    assert caught.value.reason == (
        f"expected a key wrapped by local/{after.key_id}, found local/{before.key_id}; was the key file replaced?"
    )


def test_a_key_of_another_provider(key_file: Path) -> None:
    provider = LocalKeyProvider.open(key_file)
    with pytest.raises(KeyProviderError) as caught:
        unwrap(provider, replace(wrap(provider), provider="transit"))
    assert f"found transit/{provider.key_id}" in caught.value.reason


def test_the_id_of_a_key_is_a_hash_with_a_prefix_of_its_own(key_file: Path) -> None:
    # What is stored names it, so it must never change.
    write_key(key_file, KEY)
    expected = hashlib.sha256(b"honeylink/kek-id" + KEY).hexdigest()[:16]
    assert LocalKeyProvider.open(key_file).key_id == expected


@pytest.mark.skipif(os.name != "posix", reason="named pipes are of POSIX")
def test_a_pipe_that_nobody_writes_into_is_refused_at_once(key_file: Path) -> None:
    os.mkfifo(key_file, 0o600)
    with pytest.raises(SettingsError, match="expected a regular file"):
        LocalKeyProvider.open(key_file)


def test_a_failure_names_the_key_provider() -> None:
    error = KeyProviderError("it is away")
    assert "the key provider" in str(error)
    assert error.reason == "it is away"
