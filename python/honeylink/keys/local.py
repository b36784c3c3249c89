"""A key provider for one machine: the key-encryption key in a file.

For development, and for a service whose disk is trusted. Whoever reads both this file and the database holds every key;
keep their backups apart.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from honeylink.domain.keys import WrappedKey
from honeylink.errors import SettingsError
from honeylink.keys.providers import KeyProviderError
from honeylink.keys.secret import KEY_BYTES, Secret, wipe_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NONCE_BYTES = 12
_MODE = 0o600


class LocalKeyProvider:
    """Wraps keys by AES-256-GCM under the 32 bytes of a file with mode 0600.

    Example:
        >>> import asyncio, tempfile, pathlib
        >>> provider = LocalKeyProvider.open(pathlib.Path(tempfile.mkdtemp()) / "kek.key")
        >>> [wrapped] = asyncio.run(provider.wrap([(Secret(bytes(32)), b"context")]))
        >>> [key] = asyncio.run(provider.unwrap([(wrapped, b"context")]))
        >>> key.matches(Secret(bytes(32)))
        True
    """

    name = "local"

    def __init__(self, key: Secret) -> None:
        self._cipher = AESGCM(key.reveal())
        # Tells a swapped key file from a damaged ciphertext; a hash with its own prefix says nothing of the key.
        self.key_id = hashlib.sha256(b"honeylink/kek-id" + key.reveal()).hexdigest()[:16]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the key file at `path`, after making it if there is none.

        Raises:
            SettingsError: the file can be read by others, is no regular file of 32 bytes, or can't be read or made.
        """
        try:
            _make_if_missing(path)
            with _read(path) as key:
                return cls(key)
        except OSError as error:
            raise SettingsError(
                f"key file {path}: {error.strerror}; set HONEYLINK_KEY_FILE to a usable path"
            ) from error

    async def wrap(self, keys: Sequence[tuple[Secret, bytes]]) -> list[WrappedKey]:
        """Encrypt keys; see `KeyProvider.wrap`."""
        return [self._wrap(key, context) for key, context in keys]

    async def unwrap(self, keys: Sequence[tuple[WrappedKey, bytes]]) -> list[Secret | KeyProviderError]:
        """Decrypt keys; see `KeyProvider.unwrap`."""
        unwrapped: list[Secret | KeyProviderError] = []
        try:
            for wrapped, context in keys:
                unwrapped.append(self._unwrap(wrapped, context))
        except BaseException:
            wipe_secrets(unwrapped)
            raise
        return unwrapped

    def _wrap(self, key: Secret, context: bytes) -> WrappedKey:
        nonce = os.urandom(_NONCE_BYTES)
        return WrappedKey(self.name, self.key_id, 1, nonce + self._cipher.encrypt(nonce, key.reveal(), context))

    def _unwrap(self, wrapped: WrappedKey, context: bytes) -> Secret | KeyProviderError:
        if (wrapped.provider, wrapped.key_id) != (self.name, self.key_id):
            return KeyProviderError(
                f"expected a key wrapped by {self.name}/{self.key_id}, found {wrapped.provider}/{wrapped.key_id}; "
                "was the key file replaced?",
            )
        nonce, ciphertext = wrapped.ciphertext[:_NONCE_BYTES], wrapped.ciphertext[_NONCE_BYTES:]
        try:
            return Secret(self._cipher.decrypt(nonce, ciphertext, context))
        except (InvalidTag, ValueError):
            return KeyProviderError("a wrapped key does not belong to its row, or was altered")


def _make_if_missing(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written aside and linked into place: a crash leaves no short key file, and of two first starts one wins.
    aside = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    if path.exists():
        return
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)
        _sync_directory(path.parent)
    except FileExistsError:
        return
    finally:
        aside.unlink()


def _sync_directory(path: Path) -> None:
    # The keys that this one wraps are durable, so its name has to be too.
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _read(path: Path) -> Secret:
    # Not blocking: opening a pipe would wait for somebody to write into it.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SettingsError(f"key file {path}: expected a regular file")
        content = file.read(KEY_BYTES + 1)
    mode = stat.S_IMODE(status.st_mode)
    if os.name == "posix" and mode & 0o077:
        raise SettingsError(f"key file {path}: expected mode 0600, found {mode:04o}; run: chmod 600 {path}")
    if len(content) != KEY_BYTES:
        found = "more" if len(content) > KEY_BYTES else len(content)
        raise SettingsError(f"key file {path}: expected {KEY_BYTES} bytes, found {found}")
    return Secret(content)
