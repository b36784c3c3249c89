"""The values that requests and answers are made of: each says what it is, to pydantic and to the OpenAPI document."""

from __future__ import annotations

import base64
import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, StringConstraints, WithJsonSchema

from honeylink.domain.devices import DEVICE_ID_PATTERN, METADATA_MAX_BYTES, floats_in, metadata_bytes
from honeylink.domain.text import NAME_PATTERN, UUID_PATTERN, unfit_for_name
from honeylink.keys.agreement import is_low_order

if TYPE_CHECKING:
    from collections.abc import Callable

W = TypeVar("W", bound=StrEnum)

NAME_MAX_LENGTH = 64
MAX_KBPS = 10**9  # a terabit a second: far above any link, and 16 of them far below what a bigint holds
MAX_SESSION_PRIORITY = 1000
_MAX_HOLD_MS = 31_536_000_000  # a year, as the longest life of a session
_MAX_BURST_PACKETS = 10**6  # far longer than any group, so that a longer one would plan the same
_SHOWN_MAX = 80
# Fifteen digits at most, and not where doubles grow coarse: any such is told from its neighbours.
_EXACT_LENGTH, _EXACT_MIN = 16, 1e-290
KEY_MAX_LENGTH = 128
"""Characters of a key of any JSON object: pointers are made of them, one for each fault below."""

# The pattern that semver.org suggests.
SEMVER_PATTERN = (
    r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(-((0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(\+([0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*))?$"
)
# 32 bytes in base64url leave four bits of the last letter unused; they have to be zero, so that a key has one text.
_PUBLIC_KEY_PATTERN = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"


PATH_PATTERNS = {
    "session_id": UUID_PATTERN,
    "device_id": DEVICE_ID_PATTERN,
    "tenant": "^[^/]{1,64}$",  # a name, or an id
}
"""What the parameters of paths are."""


class RoundedNumber(float):
    """A number of a body that no double is equal to: this is the nearest. What is stored as it came must not be one."""

    text: str

    @classmethod
    def parse(cls, text: str) -> float:
        """The double that `text` denotes, or the nearest as one of these.

        A double is written with the fewest digits that tell it from its neighbours, or with 17 of them; both are exact.
        """
        value = float(text)
        mantissa = text.lower().partition("e")[0]
        if not math.isfinite(value) or (len(mantissa) <= _EXACT_LENGTH and abs(value) > _EXACT_MIN):
            return value
        if value == 0:
            is_exact = not mantissa.strip("-0.")
        else:
            sent = Decimal(text)
            is_exact = sent in (Decimal(repr(value)), Decimal(f"{value:.16e}"))
        if is_exact:
            return value
        rounded = cls(value)
        rounded.text = text
        return rounded


def shorten(value: object) -> str:
    """A value as an error shows it, however long it is."""
    text = repr(value) if isinstance(value, (str, int, float, type(None))) else type(value).__name__
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 3]}..."


def show_field(name: str) -> str:
    """The name of a field as an error shows it, whatever it holds."""
    return name if unfit_for_name(name) is None else repr(name)


def base64url(raw: bytes) -> str:
    """Bytes as answers show them, without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def render_time(value: datetime) -> str:
    """A time as answers show it."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def word_of(words: type[W]) -> Callable[[object], W]:
    """A validator that reads one of an enum's words in any case, and names them all when it is none."""
    by_text = {word.value: word for word in words}
    known = ", ".join(by_text)

    def read(value: object) -> W:
        word = by_text.get(value.lower()) if isinstance(value, str) else None
        if word is None:
            raise ValueError(f"expected one of {known}, found {shorten(value)}")
        return word

    return read


def _public_key(value: str) -> str:
    if not re.fullmatch(_PUBLIC_KEY_PATTERN, value):
        raise ValueError("expected an X25519 public key: 32 bytes as 43 letters of base64url without padding")
    if is_low_order(base64.urlsafe_b64decode(value + "=")):
        raise ValueError("expected an X25519 public key that is no point of low order, which leads to no secret")
    return value


def _metadata(value: dict[str, Any]) -> dict[str, Any]:
    rounded = next((number for number in floats_in(value) if isinstance(number, RoundedNumber)), None)
    if rounded is not None:
        found = shorten(rounded.text)
        raise ValueError(f"expected numbers that a 64-bit float holds exactly, found {found}; send it as text")
    found_bytes = metadata_bytes(value)
    if found_bytes > METADATA_MAX_BYTES:
        expected = f"at most {METADATA_MAX_BYTES} bytes of JSON with its numbers written out"
        raise ValueError(f"expected {expected}, found {found_bytes}")
    return value


def _rfc3339(value: object) -> datetime:
    if isinstance(value, str) and re.fullmatch(
        r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", value
    ):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise ValueError("expected a time as RFC 3339 has it, such as 2026-01-31T12:00:00Z")


def _whole_number(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,4}", value):
        return int(value)
    raise ValueError(f"expected a whole number, found {shorten(value)}")


def _integer(value: object) -> object:
    # JSON has one kind of number, and JSON Schema counts 5.0 as an integer. Past 2**53 a float is no exact number.
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53 else value


DeviceId = Annotated[str, StringConstraints(pattern=DEVICE_ID_PATTERN)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=NAME_MAX_LENGTH, pattern=NAME_PATTERN)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NAME_PATTERN)]
PublicKey = Annotated[
    str, AfterValidator(_public_key), WithJsonSchema({"type": "string", "pattern": _PUBLIC_KEY_PATTERN})
]
Base64Url = Annotated[str, BeforeValidator(base64url)]
Metadata = Annotated[dict[str, Any], AfterValidator(_metadata)]
Kbps = Annotated[int, Field(ge=0, le=MAX_KBPS), BeforeValidator(_integer)]
PositiveKbps = Annotated[int, Field(ge=1, le=MAX_KBPS), BeforeValidator(_integer)]
SessionPriority = Annotated[int, Field(ge=0, le=MAX_SESSION_PRIORITY), BeforeValidator(_integer)]
Seconds = Annotated[int, Field(ge=1), BeforeValidator(_integer)]
HoldMs = Annotated[int, Field(ge=0, le=_MAX_HOLD_MS), BeforeValidator(_integer)]
LossRate = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
BurstPackets = Annotated[float, Field(ge=1, le=_MAX_BURST_PACKETS)]
TimeBound = Annotated[datetime, BeforeValidator(_rfc3339), WithJsonSchema({"type": "string", "format": "date-time"})]
Time = Annotated[datetime, PlainSerializer(render_time), WithJsonSchema({"type": "string", "format": "date-time"})]
PageLimit = Annotated[int, BeforeValidator(_whole_number)]
# Opaque, so the format is a name for "what next_cursor said": no pattern could tell a good one.
CursorText = Annotated[
    str, StringConstraints(min_length=1, max_length=512), WithJsonSchema({"type": "string", "format": "cursor"})
]
