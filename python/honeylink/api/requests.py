"""What clients send. The same classes validate and make the OpenAPI document."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Context
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)

from honeylink.api import examples
from honeylink.domain.admission import Charge, plan_fec
from honeylink.domain.audit import AuditFilter, Category
from honeylink.domain.devices import DeviceRegistration
from honeylink.domain.pools import Force, PoolChange
from honeylink.domain.sessions import (
    DEFAULT_RECOVERY_TARGET,
    ExpectedLoss,
    Mode,
    Priority,
    SessionRequest,
    SessionStatus,
    StreamRequest,
)
from honeylink.errors import PlanParameterError, PlanUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from honeylink.settings import Settings

W = TypeVar("W", bound=StrEnum)

MAX_KBPS = 10**9  # a terabit a second: far above any link, and 16 of them far below what a bigint holds
MAX_SESSION_PRIORITY = 1000
MAX_HOLD_MS = 31_536_000_000  # a year, as the longest life of a session
MAX_BURST_PACKETS = 10**6  # far longer than any group, so that a longer one would plan the same

# The pattern that semver.org suggests.
SEMVER = (
    r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(-((0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(\+([0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*))?$"
)

DEVICE_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{3,63}$"
PRINTABLE = r"^[^\u0000-\u001F\u007F-\u009F]*$"
"""What every text is, as the document says it; `body` refuses the rest wherever it stands, with a better message."""

Fault = tuple[str, str]
"""A JSON pointer, and what is wrong there."""


def shorten(value: object) -> str:
    """A value as an error shows it, however long it is."""
    text = repr(value) if isinstance(value, (str, int, float, bool, type(None))) else type(value).__name__
    return text if len(text) <= 80 else f"{text[:77]}..."


class RequestModel(BaseModel):
    """A body or a query."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def cross_faults(cls, value: object, settings: Settings) -> Iterator[Fault]:
        """What is wrong between fields or by the settings; `value` may have other faults too."""
        del value, settings
        yield from ()


class _Body(RequestModel):
    model_config = ConfigDict(strict=True)


def _word_of(words: type[W]) -> Callable[[object], W]:
    """A validator that reads one of an enum's words in any case, and names them all when it is none."""

    def read(value: object) -> W:
        try:
            return words(str(value).lower())
        except ValueError:
            known = ", ".join(word.value for word in words)
            raise ValueError(f"expected one of {known}, found {shorten(value)}") from None

    return read


def _public_key(value: str) -> str:
    # 32 bytes in base64url leave four bits of the last letter unused; they have to be zero, so that a key has one text.
    if not re.fullmatch(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", value):
        raise ValueError("expected an X25519 public key: 32 bytes as 43 letters of base64url without padding")
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


DeviceId = Annotated[str, StringConstraints(pattern=DEVICE_ID)]
TimeBound = Annotated[datetime, BeforeValidator(_rfc3339), WithJsonSchema({"type": "string", "format": "date-time"})]
PublicKey = Annotated[
    str,
    AfterValidator(_public_key),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"}),
]
Word = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=PRINTABLE)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=PRINTABLE)]
Kbps = Annotated[int, Field(ge=0, le=MAX_KBPS), BeforeValidator(_integer)]
PositiveKbps = Annotated[int, Field(ge=1, le=MAX_KBPS), BeforeValidator(_integer)]
SessionPriority = Annotated[int, Field(ge=0, le=MAX_SESSION_PRIORITY), BeforeValidator(_integer)]
Seconds = Annotated[int, Field(ge=1), BeforeValidator(_integer)]
LossRate = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
BurstPackets = Annotated[float, Field(ge=1, le=MAX_BURST_PACKETS)]
# Opaque, so the format is a name for "what next_cursor said": no pattern could tell a good one.
CursorText = Annotated[
    str, StringConstraints(min_length=1, max_length=512), WithJsonSchema({"type": "string", "format": "cursor"})
]


_LOSS_FIELDS = ("loss_rate", "loss_burst", "recovery_target")
_LOSS = TypeAdapter(tuple[LossRate | None, BurstPackets | None, Share | None], config=ConfigDict(strict=True))


class Qos(_Body):
    """What a stream needs of the network, and perhaps what it expects to lose there."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["loss_rate"], "properties": {"loss_rate": {"type": "number"}}},
                {"properties": {"loss_burst": {"type": "null"}, "recovery_target": {"type": "null"}}},
            ]
        }
    )

    priority: Annotated[Priority, BeforeValidator(_word_of(Priority))] = Field(description="Read in any case.")
    bandwidth_kbps: PositiveKbps
    min_bandwidth_kbps: PositiveKbps | None = Field(
        None,
        description="What it can live with, where pools are short: at most `bandwidth_kbps`. Left out: all or nothing.",
    )
    loss_rate: LossRate | None = Field(
        None, description="Share of packets that the link loses. FEC is then planned for it, not chosen by priority."
    )
    loss_burst: BurstPackets | None = Field(
        None,
        description="Mean number of packets lost in a row, at least `loss_rate / (1 - loss_rate)`. "
        "Left out: each is lost by itself.",
    )
    recovery_target: Share | None = Field(
        None,
        description=f"Share of groups that shall come through whole. Left out: {DEFAULT_RECOVERY_TARGET}.",
    )

    def expected_loss(self) -> ExpectedLoss | None:
        """What it expects to lose, with the default target; None if it says nothing of it."""
        if self.loss_rate is None:
            return None
        return _expected_loss(self.loss_rate, self.loss_burst, self.recovery_target)


def _expected_loss(rate: float, burst: float | None, target: float | None) -> ExpectedLoss:
    return ExpectedLoss(rate, burst, DEFAULT_RECOVERY_TARGET if target is None else target)


def _loss_faults(pointer: str, qos: dict[str, object]) -> Iterator[Fault]:
    """A loss that no link has, or that no parity makes up for, where each of its fields is well-formed."""
    try:
        rate, burst, target = _LOSS.validate_python(tuple(qos.get(field) for field in _LOSS_FIELDS))
    except ValidationError:
        return
    if rate is None:
        if burst is not None or target is not None:
            beside = "recovery_target" if burst is None else "loss_burst"
            yield f"{pointer}/loss_rate", f"expected a number beside {beside}, found none"
        return
    loss = _expected_loss(rate, burst, target)
    try:
        plan_fec(loss)
    except PlanParameterError as error:
        yield f"{pointer}/loss_burst", f"expected {error.expected}, found {shorten(burst)}"
    except PlanUnreachable as error:
        best = Context(prec=4, rounding=ROUND_DOWN).create_decimal_from_float(error.best)
        found = shorten(loss.recovery_target)
        message = f"expected at most {best}, the best that parity can do at this loss, found {found}"
        yield f"{pointer}/recovery_target", f"{message}; ask for less, or plan for a smaller loss"


def _qos_faults(pointer: str, qos: dict[str, object]) -> Iterator[Fault]:
    asked, least = qos.get("bandwidth_kbps"), qos.get("min_bandwidth_kbps")
    if isinstance(asked, (int, float)) and isinstance(least, (int, float)) and least > asked:
        yield (
            f"{pointer}/min_bandwidth_kbps",
            f"expected at most bandwidth_kbps, {shorten(asked)}, found {shorten(least)}",
        )
    if not qos.keys().isdisjoint(_LOSS_FIELDS):
        yield from _loss_faults(pointer, qos)


class StreamBody(_Body):
    """One flow of a session to open."""

    name: Word
    mode: Annotated[Mode, BeforeValidator(_word_of(Mode))] = Field(description="Read in any case.")
    qos: Qos


class SessionBody(_Body):
    """A session to open."""

    model_config = ConfigDict(json_schema_extra={"example": examples.SESSION_BODY})

    device_id: DeviceId
    streams: list[StreamBody] = Field(min_length=1, description="Each with a name of its own.")
    ttl_seconds: Seconds | None = Field(None, description="The session's life; left out: the service's default.")
    setup_priority: SessionPriority | None = Field(
        None,
        description="How strong it is against sessions that are there, where pools allow pre-emption: it may take from "
        "those whose hold priority is lower. Left out: 0.",
    )
    hold_priority: SessionPriority | None = Field(
        None,
        description="How strong it is later against those that come, at least as `setup_priority`. Left out: as that.",
    )

    @classmethod
    def cross_faults(cls, value: object, settings: Settings) -> Iterator[Fault]:
        """What no field tells alone: a life or priorities out of bounds, equal names, streams that can't be."""
        if not isinstance(value, dict):
            return
        ttl = value.get("ttl_seconds")
        if isinstance(ttl, (int, float)) and ttl > settings.ttl_max_seconds:
            yield "/ttl_seconds", f"expected at most {settings.ttl_max_seconds}, found {shorten(ttl)}"
        setup, hold = value.get("setup_priority"), value.get("hold_priority")
        if isinstance(setup, (int, float)) and isinstance(hold, (int, float)) and hold < setup:
            # Two that each could take from the other would do so in turns for ever.
            yield "/hold_priority", f"expected at least setup_priority, {shorten(setup)}, found {shorten(hold)}"
        streams = value.get("streams")
        seen = set()
        for position, stream in enumerate(streams if isinstance(streams, list) else ()):
            if not isinstance(stream, dict):
                continue
            name, qos = stream.get("name"), stream.get("qos")
            if isinstance(name, str):
                if name in seen:
                    yield f"/streams/{position}/name", f"expected a name of its own, found {shorten(name)} again"
                seen.add(name)
            if isinstance(qos, dict):
                yield from _qos_faults(f"/streams/{position}/qos", qos)

    def to_domain(self, settings: Settings) -> SessionRequest:
        """The request, with the settings' defaults."""
        return SessionRequest(
            device_id=self.device_id,
            streams=tuple(
                StreamRequest(
                    stream.name,
                    stream.mode,
                    stream.qos.priority,
                    stream.qos.bandwidth_kbps,
                    stream.qos.expected_loss(),
                    stream.qos.min_bandwidth_kbps,
                )
                for stream in self.streams
            ),
            ttl_seconds=settings.ttl_default_seconds if self.ttl_seconds is None else self.ttl_seconds,
            setup_priority=self.setup_priority or 0,
            hold_priority=(self.setup_priority or 0) if self.hold_priority is None else self.hold_priority,
        )


class DeviceBody(_Body):
    """A device to register."""

    model_config = ConfigDict(json_schema_extra={"example": examples.DEVICE_BODY})

    device_id: DeviceId
    public_key: PublicKey = Field(description="X25519, 32 bytes as base64url without padding.")
    firmware_version: str = Field(max_length=64, pattern=SEMVER, description="Semantic version 2.0.0.")
    capabilities: list[Word] = Field([], max_length=64)
    metadata: dict[str, Any] = Field({}, description="Whatever the owner wants to keep with the device.")
    pool_kbps: Kbps | None = Field(None, description="Capacity of the device's pool; left out: the service's default.")

    def to_domain(self) -> DeviceRegistration:
        """The registration."""
        return DeviceRegistration(
            device_id=self.device_id,
            public_key=base64.urlsafe_b64decode(self.public_key + "="),
            firmware_version=self.firmware_version,
            capabilities=tuple(self.capabilities),
            metadata=self.metadata,
            pool_kbps=self.pool_kbps,
        )


class PoolBody(_Body):
    """What a pool shall be. What is left out is as the default says, not as it was."""

    model_config = ConfigDict(json_schema_extra={"example": examples.POOL_BODY})

    capacity_kbps: Kbps
    charge: Annotated[Charge, BeforeValidator(_word_of(Charge))] = Field(
        Charge.PAYLOAD, description="What a stream costs: what it carries, or what it sends, its parity too."
    )
    guaranteed_kbps: Kbps | None = Field(None, description="Its share of the pool around it. Left out: none.")
    borrow_limit_kbps: Kbps | None = Field(
        None, description="How far beyond its share it may go. Left out: as far as its capacity."
    )
    lend_limit_kbps: Kbps | None = Field(
        None, description="How much of its share others may use while it does not. Left out: all of it."
    )
    preemption: bool = Field(False, description="Whether sessions may lose bandwidth here to stronger ones.")
    min_hold_ms: Annotated[int, Field(ge=0, le=MAX_HOLD_MS), BeforeValidator(_integer)] = Field(
        0, description="For how long after its opening a session can't."
    )
    force: Annotated[Force, BeforeValidator(_word_of(Force))] | None = Field(
        None,
        description="How to come down to less than what is given away: `shrink` leaves sessions with less, down to "
        "their minima; `drain` lets nobody in until enough have ended. Left out: that is refused.",
    )

    def to_domain(self) -> PoolChange:
        """The change."""
        return PoolChange(**dict(self))


class PairingBody(_Body):
    """The code that a registration gave."""

    model_config = ConfigDict(json_schema_extra={"example": {"pairing_code": "K7QM-2XWD-94TB"}})

    pairing_code: Word = Field(description="Read in any case, hyphens or not.", repr=False)


class RevocationBody(_Body):
    """Why a device is revoked."""

    model_config = ConfigDict(json_schema_extra={"example": {"reason": "lost in the field"}})

    reason: Text


class PageQuery(RequestModel):
    """Which page of a list."""

    limit: Annotated[int, BeforeValidator(_whole_number)] = Field(50, ge=1, le=200)
    cursor: CursorText | None = Field(None, description="The next_cursor of the page before.")


class SessionQuery(PageQuery):
    """Which sessions to list."""

    device_id: DeviceId | None = None
    status: SessionStatus | None = None


class AuditQuery(PageQuery):
    """Which events to list."""

    device_id: DeviceId | None = None
    category: Category | None = None
    since: TimeBound | None = Field(None, description="From this moment on.")
    until: TimeBound | None = Field(None, description="Before this moment.")

    def to_domain(self) -> AuditFilter:
        """The filter."""
        return AuditFilter(self.device_id, self.category, self.since, self.until)
