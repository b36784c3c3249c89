"""Sessions, their streams, and the FEC that each priority gets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from honeylink import _native

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class Mode(StrEnum):
    """How a stream is delivered."""

    RELIABLE = "reliable"
    UNRELIABLE = "unreliable"


class Priority(StrEnum):
    """What a stream is for: control, telemetry or video."""

    LATENCY = "latency"
    NORMAL = "normal"
    BURST = "burst"


class SessionStatus(StrEnum):
    """Where a session stands."""

    ACTIVE = "active"
    EXPIRED = "expired"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class FecParameters:
    """Shards of one group: any `data_shards` of them bring back the rest."""

    data_shards: int
    parity_shards: int


FEC_BY_PRIORITY = {
    Priority.BURST: FecParameters(10, 5),  # video loses in bursts: 50 % parity
    Priority.NORMAL: FecParameters(10, 2),
    Priority.LATENCY: FecParameters(10, 1),  # control is small; what is lost is sent again before more parity helps
}


class FecRule(StrEnum):
    """What chose a stream's FEC: its priority, or a plan for the loss that it expects."""

    PRIORITY = "priority"
    PLANNED = "planned"


DEFAULT_RECOVERY_TARGET = 0.999  # so at most one packet of a thousand stays lost


@dataclass(frozen=True, slots=True)
class ExpectedLoss:
    """What a stream's link is expected to lose, and how many of its groups shall come through whole.

    `loss_burst` is the mean number of packets lost in a row; None if each is lost by itself.
    """

    loss_rate: float
    loss_burst: float | None = None
    recovery_target: float = DEFAULT_RECOVERY_TARGET


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """One flow that a device asks for."""

    name: str
    mode: Mode
    priority: Priority
    bandwidth_kbps: int
    loss: ExpectedLoss | None = None
    min_bandwidth_kbps: int | None = None


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What `POST /sessions` asks for, once it is known to be well-formed.

    Larger priorities are stronger: the setup priority against sessions that are there, the hold priority against those
    that come.
    """

    device_id: str
    streams: tuple[StreamRequest, ...]
    ttl_seconds: int
    setup_priority: int = 0
    hold_priority: int = 0

    @property
    def total_bandwidth_kbps(self) -> int:
        """What the whole session asks of each pool on its path."""
        return sum(stream.bandwidth_kbps for stream in self.streams)


class Stream(NamedTuple):
    """One flow of an admitted session. `bandwidth_kbps` is what it has, which may be less than it asked for."""

    stream_id: UUID
    name: str
    mode: Mode
    priority: Priority
    bandwidth_kbps: int
    asked_bandwidth_kbps: int
    min_bandwidth_kbps: int | None
    connection_id: str
    fec: FecParameters
    loss: ExpectedLoss | None = None

    @property
    def is_short(self) -> bool:
        """Whether it has less than it asked for."""
        return self.bandwidth_kbps < self.asked_bandwidth_kbps

    @property
    def unmet_bandwidth_kbps(self) -> int | None:
        """What it asked for, if it has less."""
        return self.asked_bandwidth_kbps if self.is_short else None

    @property
    def wire_kbps(self) -> int:
        """What it sends, with its parity, rounded up: what a pool charges that charges `wire`."""
        return _native.wire_kbps(self.bandwidth_kbps, self.fec.data_shards, self.fec.parity_shards)

    @property
    def fec_rule(self) -> FecRule:
        """What chose its FEC."""
        return FecRule.PRIORITY if self.loss is None else FecRule.PLANNED


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it is stored. No key is part of it."""

    session_id: UUID
    device_id: str
    status: SessionStatus
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    end_reason: str | None
    session_endpoint: str
    setup_priority: int
    hold_priority: int
    streams: tuple[Stream, ...]


def connection_id(position: int) -> str:
    """The connection id of the stream at `position` (from 0).

    Example:
        >>> connection_id(0)
        'conn-001'
    """
    return f"conn-{position + 1:03d}"
