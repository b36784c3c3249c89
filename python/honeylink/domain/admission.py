"""Whether a session may open, and with what: a pure function over the Rust planner."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Literal

from honeylink import _native
from honeylink.domain.devices import check_paired
from honeylink.domain.sessions import FEC_BY_PRIORITY, FecParameters, SessionRequest, Stream, connection_id
from honeylink.errors import BandwidthExceeded, TooManyStreams

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from honeylink.domain.devices import DeviceStatus
    from honeylink.domain.sessions import ExpectedLoss

__all__ = ["Pool", "PoolLevel", "decide", "plan_fec"]

# As for every priority. Longer groups need less parity for the same loss, and a receiver waits longer for them.
_PLANNED_DATA_SHARDS = 10


class PoolLevel(IntEnum):
    """The pools that a session reserves from, in the order of their locks: device inside tenant inside node."""

    DEVICE = 0
    TENANT = 1
    NODE = 2

    @property
    def label(self) -> Literal["device", "tenant", "node"]:
        """The level's word."""
        return _LABELS[self]


_LABELS: dict[PoolLevel, Literal["device", "tenant", "node"]] = {
    PoolLevel.DEVICE: "device",
    PoolLevel.TENANT: "tenant",
    PoolLevel.NODE: "node",
}


@dataclass(frozen=True, slots=True)
class Pool:
    """A capacity that sessions reserve from, as a snapshot saw it."""

    tenant_id: UUID
    level: PoolLevel
    pool_id: str
    capacity_kbps: int
    reserved_kbps: int

    @property
    def name(self) -> str:
        """How answers name this pool: `level:id`."""
        return f"{self.level.label}:{self.pool_id}"


def decide(
    request: SessionRequest,
    device_status: DeviceStatus,
    path: Sequence[Pool],
    stream_ids: Sequence[UUID],
    max_streams: int,
) -> tuple[Stream, ...]:
    """Admit a session's streams, all or none, in request order.

    Args:
        request: what the device asks for.
        device_status: where the device stands.
        path: the pools from the device up, as a snapshot saw them.
        stream_ids: one fresh id for each stream.
        max_streams: how many streams one session may have.

    Raises:
        StateConflict: the device is not paired.
        TooManyStreams: there are more than `max_streams`.
        BandwidthExceeded: a pool on the path is short.
        FecError: as `plan_fec`, for a stream that expects loss.
    """
    check_paired(request.device_id, device_status)
    if len(request.streams) > max_streams:
        raise TooManyStreams(len(request.streams), max_streams)
    verdict = _native.plan(
        [_native.Pool(pool.name, pool.level.label, pool.capacity_kbps, pool.reserved_kbps) for pool in path],
        _native.Request(
            [_native.StreamAsk(ask.name, ask.priority.value, ask.bandwidth_kbps) for ask in request.streams],
        ),
    )
    if isinstance(verdict, _native.Rejected):
        raise BandwidthExceeded(
            requested_kbps=verdict.requested_kbps,
            available_kbps=verdict.available_kbps,
            limiting_pool=verdict.limiting_pool.id,
            admissible_kbps=verdict.admissible_kbps,
        )
    return tuple(
        Stream(
            stream_id=stream_id,
            name=ask.name,
            mode=ask.mode,
            priority=ask.priority,
            bandwidth_kbps=allocated_kbps,
            connection_id=connection_id(position),
            fec=FEC_BY_PRIORITY[ask.priority] if ask.loss is None else plan_fec(ask.loss),
            loss=ask.loss,
        )
        for position, (ask, stream_id, allocated_kbps) in enumerate(
            zip(request.streams, stream_ids, verdict.allocations, strict=True),
        )
    )


def plan_fec(loss: ExpectedLoss) -> FecParameters:
    """The least parity that brings a stream through the loss it expects.

    Raises:
        PlanParameterError: no link loses that much in bursts that short.
        PlanUnreachable: no parity is enough.
    """
    plan = _native.plan_parity(loss.loss_rate, loss.recovery_target, _PLANNED_DATA_SHARDS, loss.loss_burst)
    return FecParameters(plan.data_shards, plan.parity_shards)
