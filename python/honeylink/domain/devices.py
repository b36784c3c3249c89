"""Devices and how they pair.

::

    (none) ──register──> pending ──pair──> paired ──revoke──> revoked
                           │  ^               (a revoked device stays revoked)
                           │  └─register again: new code, new token
                           └──────revoke────────────────────> revoked
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from honeylink.errors import Forbidden, StateConflict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

DEVICE_ID_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{3,63}$"
METADATA_MAX_BYTES = 16_384
"""As `metadata_bytes` counts them: a page of fifty devices stays within a megabyte."""

PAIRING_TTL_SECONDS = 600
PAIRING_MAX_TRIES = 5

# 30 letters and digits that can't be taken for one another when read aloud or off a label: no 0 or O, no 1, I or L, no
# U next to V. 12 of them make 58.9 bits: with 5 tries in 10 minutes, a guess succeeds once in 10^17.
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_GROUPS, _GROUP_LENGTH = 3, 4


class DeviceStatus(StrEnum):
    """Where a device stands."""

    PENDING = "pending"
    PAIRED = "paired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class DeviceRegistration:
    """What a registration says of a device."""

    device_id: str
    public_key: bytes
    firmware_version: str
    capabilities: tuple[str, ...]
    metadata: Mapping[str, object]
    pool_kbps: int | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """A device as it is stored."""

    device_id: str
    status: DeviceStatus
    public_key: bytes
    firmware_version: str
    capabilities: tuple[str, ...]
    metadata: Mapping[str, object]
    registered_at: datetime
    paired_at: datetime | None
    pool_kbps: int


@dataclass(frozen=True, slots=True)
class PairingAttempt:
    """A device as an attempt to pair it left it."""

    status: DeviceStatus
    in_time: bool
    tries: int
    paired_at: datetime | None = None


def check_paired(device_id: str, status: DeviceStatus) -> None:
    """Let only a paired device pass."""
    if status is not DeviceStatus.PAIRED:
        raise StateConflict(f"expected device {device_id!r} to be paired, found it {status.value}")


def check_pairing(device_id: str, attempt: PairingAttempt) -> None:
    """Let only a successful attempt on a pending device pass, and say of another why it failed."""
    again = "register the device again for a new code"
    if attempt.status is DeviceStatus.PAIRED:
        return
    if not attempt.in_time:
        raise StateConflict(f"the pairing code of device {device_id!r} has expired; {again}")
    left = PAIRING_MAX_TRIES - attempt.tries
    if left < 0:
        raise StateConflict(f"all {PAIRING_MAX_TRIES} tries to pair device {device_id!r} are used up; {again}")
    raise Forbidden(
        f"wrong pairing code for device {device_id!r}; {left} tries left" + (f"; {again}" if not left else "")
    )


def generate_pairing_code(choose: Callable[[str], str]) -> str:
    """A new code `XXXX-XXXX-XXXX`, each letter taken by `choose` (a source of randomness).

    Example:
        >>> generate_pairing_code(lambda alphabet: alphabet[0])
        '2222-2222-2222'
    """
    return "-".join("".join(choose(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))


def normalize_pairing_code(text: str) -> str:
    """A code as people type it, with or without hyphens and in any case, as it was generated.

    Example:
        >>> normalize_pairing_code(" abcd efgh-2345 ")
        'ABCD-EFGH-2345'
    """
    letters = "".join(letter for letter in text.upper() if letter in _ALPHABET)
    return "-".join(letters[start : start + _GROUP_LENGTH] for start in range(0, len(letters), _GROUP_LENGTH))


def metadata_bytes(metadata: Mapping[str, object]) -> int:
    """The bytes of UTF-8 that PostgreSQL writes for a device's metadata (`jsonb`) when it is read.

    It writes numbers without an exponent: `1e308` has 309 digits. One more than it would is counted for `-0.0`.

    Example:
        >>> metadata_bytes({"site": "north"})
        17
        >>> metadata_bytes({"n": 1e308}) - metadata_bytes({"n": 1})
        308
    """
    written = len(json.dumps(metadata, ensure_ascii=False).encode())
    return written + sum(len(f"{Decimal(repr(number)):f}") - len(repr(number)) for number in floats_in(metadata))


def floats_in(value: object) -> Iterator[float]:
    """All floats of a JSON value."""
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from floats_in(member)
    elif isinstance(value, list):
        for member in value:
            yield from floats_in(member)
