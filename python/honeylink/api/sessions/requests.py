"""What clients send to `/sessions`."""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, Context
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from honeylink import _native
from honeylink.api.http.body import parse_body
from honeylink.api.http.models import BodyModel
from honeylink.api.http.pages import PageQuery
from honeylink.api.http.values import (
    MAX_KBPS,
    MAX_SESSION_PRIORITY,
    NAME_MAX_LENGTH,
    BurstPackets,
    DeviceId,
    LossRate,
    Name,
    PositiveKbps,
    Seconds,
    SessionPriority,
    Share,
    shorten,
    show_field,
    word_of,
)
from honeylink.api.sessions import examples
from honeylink.domain.admission import plan_fec
from honeylink.domain.devices import DEVICE_ID_PATTERN
from honeylink.domain.sessions import (
    DEFAULT_RECOVERY_TARGET,
    ExpectedLoss,
    Mode,
    Priority,
    SessionRequest,
    SessionStatus,
    StreamRequest,
)
from honeylink.domain.text import unfit_for_name
from honeylink.errors import PlanParameterError, PlanUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from honeylink.api.http.models import Fault
    from honeylink.settings import Settings

MAX_STREAMS = 255
"""More are not even looked at; up to here it is the service's setting that refuses them, which may be as much."""

_LOSS_FIELDS = ("loss_rate", "loss_burst", "recovery_target")
_LOSS = TypeAdapter(tuple[LossRate | None, BurstPackets | None, Share | None], config=ConfigDict(strict=True))


class Qos(BodyModel):
    """What a stream needs of the network, and perhaps what it expects to lose there."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["loss_rate"], "properties": {"loss_rate": {"type": "number"}}},
                {"properties": {"loss_burst": {"type": "null"}, "recovery_target": {"type": "null"}}},
            ]
        }
    )

    priority: Annotated[Priority, BeforeValidator(word_of(Priority))] = Field(description="Read in any case.")
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
            partner = "recovery_target" if burst is None else "loss_burst"
            yield f"{pointer}/loss_rate", f"expected a number beside {partner}, found none"
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


class StreamBody(BodyModel):
    """One flow of a session to open."""

    name: Name
    mode: Annotated[Mode, BeforeValidator(word_of(Mode))] = Field(description="Read in any case.")
    qos: Qos


class SessionBody(BodyModel):
    """A session to open."""

    model_config = ConfigDict(json_schema_extra={"example": examples.SESSION_BODY})

    device_id: DeviceId
    streams: list[StreamBody] = Field(min_length=1, max_length=MAX_STREAMS, description="Each with a name of its own.")
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
        for position, stream in enumerate(streams if isinstance(streams, list) and len(streams) <= MAX_STREAMS else ()):
            if not isinstance(stream, dict):
                continue
            name, qos = stream.get("name"), stream.get("qos")
            if isinstance(name, str):
                if name in seen:
                    yield f"/streams/{position}/name", f"expected a name of its own, found {shorten(name)} again"
                seen.add(name)
            if isinstance(qos, dict):
                yield from _qos_faults(f"/streams/{position}/qos", qos)

    @classmethod
    def place_of(cls, steps: list[str], value: object) -> str:
        """A fault of a stream is told with the stream's name."""
        match steps, value:
            case ["streams", position, *inner], {"streams": list(streams)}:
                field = f", {show_field(inner[-1])}" if inner else ""
                return f"stream {_stream_name(streams, int(position))}{field}"
        return super().place_of(steps, value)

    @classmethod
    def complete_schemas(cls, schemas: dict[str, Any], settings: Settings) -> None:
        """Name the settings' limits."""
        fields = schemas["SessionBody"]["properties"]
        fields["ttl_seconds"]["default"] = settings.ttl_default_seconds
        fields["ttl_seconds"]["anyOf"][0]["maximum"] = settings.ttl_max_seconds
        fields["streams"]["description"] += f" More than {settings.max_streams} are a conflict."

    def to_domain(self, settings: Settings) -> SessionRequest:
        """The request, with the settings' defaults."""
        streams = tuple(
            StreamRequest(
                stream.name,
                stream.mode,
                stream.qos.priority,
                stream.qos.bandwidth_kbps,
                stream.qos.expected_loss(),
                stream.qos.min_bandwidth_kbps,
            )
            for stream in self.streams
        )
        return _request(self.device_id, streams, self.ttl_seconds, self.setup_priority, self.hold_priority, settings)


def _request(
    device_id: str,
    streams: tuple[StreamRequest, ...],
    ttl_seconds: int | None,
    setup_priority: int | None,
    hold_priority: int | None,
    settings: Settings,
) -> SessionRequest:
    """The request, with the settings' defaults for what is None."""
    setup_priority = setup_priority or 0
    return SessionRequest(
        device_id,
        streams,
        settings.ttl_default_seconds if ttl_seconds is None else ttl_seconds,
        setup_priority,
        setup_priority if hold_priority is None else hold_priority,
    )


_MODES, _PRIORITIES = tuple(Mode), tuple(Priority)
_DEVICE_ID = re.compile(DEVICE_ID_PATTERN)
_usual_body = _native.SessionBodyReader(
    modes=_MODES,
    priorities=_PRIORITIES,
    streams_max=MAX_STREAMS,
    name_max_length=NAME_MAX_LENGTH,
    kbps_max=MAX_KBPS,
    priority_max=MAX_SESSION_PRIORITY,
)


def read_session(raw: bytes, settings: Settings) -> SessionRequest:
    """The request in a body: `parse_body` as `SessionBody` has the same result, and a usual body takes a shorter way.

    Raises:
        ValidationFailed: as `parse_body`.
    """
    body = _usual_body.read(raw, settings.ttl_max_seconds)
    if body is None or _DEVICE_ID.fullmatch(body[0]) is None:
        return parse_body(raw, settings, SessionBody).to_domain(settings)
    device_id, found, ttl_seconds, setup_priority, hold_priority = body
    streams = tuple(
        StreamRequest(name, _MODES[mode], _PRIORITIES[priority], bandwidth_kbps, None, min_bandwidth_kbps)
        for name, mode, priority, bandwidth_kbps, min_bandwidth_kbps in found
    )
    return _request(device_id, streams, ttl_seconds, setup_priority, hold_priority, settings)


def _stream_name(streams: list[object], position: int) -> str:
    match streams[position]:
        case {"name": str(name)} if unfit_for_name(name) is None:
            return repr(name[:64])
    return f"#{position + 1}"


class SessionQuery(PageQuery):
    """Which sessions to list."""

    device_id: DeviceId | None = None
    status: SessionStatus | None = None
