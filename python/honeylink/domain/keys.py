"""Keys as they are stored: encrypted, never in the clear."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key encrypted by a key provider, with what it takes to find who can open it."""

    provider: str
    key_id: str
    key_version: int
    ciphertext: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WrappedDataKey:
    """A tenant's data-encryption key, wrapped."""

    dek_id: UUID
    wrapped: WrappedKey


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A session key encrypted under a subkey of a data key."""

    dek_id: UUID
    nonce: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)
