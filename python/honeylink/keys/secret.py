"""A type for key bytes that does not let them slip into a log, an error or a comparison."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, NoReturn, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY_BYTES = 32


class Secret:
    """Key bytes with a redacted repr, no hash, no pickle, and equality only through `matches`.

    The bytes sit in a bytearray and are overwritten by `wipe`, or at the end of a `with` block. Python may have copied
    them before (`reveal` does), so this shortens their life and promises no more.

    Example:
        >>> with Secret.random() as key:
        ...     print(key)
        Secret(<32 bytes>)
    """

    __slots__ = ("_value",)
    __hash__ = None  # type: ignore[assignment]  # a secret is no dictionary key

    def __init__(self, value: bytes | bytearray) -> None:
        self._value = bytearray(value)

    @classmethod
    def random(cls) -> Self:
        """A fresh 32-byte secret from the operating system."""
        return cls(secrets.token_bytes(KEY_BYTES))

    def reveal(self) -> bytes:
        """The bytes, for handing to a cipher."""
        return bytes(self._value)

    def wipe(self) -> None:
        """Overwrite the bytes."""
        self._value[:] = bytes(len(self._value))

    def matches(self, other: Secret) -> bool:
        """Whether both hold the same bytes, in constant time."""
        return hmac.compare_digest(self._value, other._value)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __repr__(self) -> str:
        return f"Secret(<{len(self._value)} bytes>)"

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("expected Secret.matches for comparing secrets, found ==")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret can't be pickled or copied")


def wipe_secrets(values: Iterable[object]) -> None:
    """Overwrite those of the values that are secrets."""
    for value in values:
        if isinstance(value, Secret):
            value.wipe()
