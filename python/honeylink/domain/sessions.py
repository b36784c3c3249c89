"""Sessions, their streams, and the FEC that each priority gets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

__all__ = [
    "FEC_BY_PRIORITY",
    "FecParameters",
    "Mode",
    "Priority",
    "Session",
    "SessionRequest",
    "SessionStatus",
    "Stream",
    "StreamRequest",
    "connection_id",
]


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


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """One flow that a device asks for."""

    name: str
    mode: Mode
    priority: Priority
    bandwidth_kbps: int


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What `POST /sessions` asks for, once it is known to be well-formed."""

    device_id: str
    streams: tuple[StreamRequest, ...]
    ttl_seconds: int

    @property
    def total_bandwidth_kbps(self) -> int:
        """What the whole session asks of each pool on its path."""
        return sum(stream.bandwidth_kbps for stream in self.streams)


@dataclass(frozen=True, slots=True)
class Stream:
    """One flow of an admitted session."""

    stream_id: UUID
    name: str
    mode: Mode
    priority: Priority
    bandwidth_kbps: int
    connection_id: str
    fec: FecParameters


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
    streams: tuple[Stream, ...]


def connection_id(position: int) -> str:
    """The connection id of the stream at `position` (from 0).

    Example:
        >>> connection_id(0)
        'conn-001'
    """
    return f"conn-{position + 1:03d}"
