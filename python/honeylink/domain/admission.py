"""Whether a session may open, and with what: a pure function over the Rust planner."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

from honeylink import _native
from honeylink.domain.devices import check_paired
from honeylink.domain.sessions import FEC_BY_PRIORITY, FecParameters, SessionRequest, Stream, connection_id
from honeylink.errors import BandwidthExceeded, TooManyStreams

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from honeylink.domain.devices import DeviceStatus
    from honeylink.domain.sessions import ExpectedLoss, StreamRequest

# As for every priority. Longer groups need less parity for the same loss, and a receiver waits longer for them.
_PLANNED_DATA_SHARDS = 10


class PoolLevel(IntEnum):
    """The pools that a session reserves from, each the child of the next, in the order of their locks."""

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


class Charge(StrEnum):
    """What a stream costs a pool: what it carries, or what it sends, its parity too."""

    PAYLOAD = "payload"
    WIRE = "wire"


@dataclass(frozen=True, slots=True)
class Pool:
    """A capacity that sessions reserve from, as a snapshot saw it. `docs/admission.md` tells what its numbers do."""

    tenant_id: UUID
    level: PoolLevel
    pool_id: str
    capacity_kbps: int
    reserved_kbps: int
    charge: Charge = Charge.PAYLOAD
    guaranteed_kbps: int | None = None
    borrow_limit_kbps: int | None = None
    lend_limit_kbps: int | None = None
    preemption: bool = False
    min_hold_ms: int = 0
    withheld_kbps: int = 0
    draining_kbps: int = 0
    key: str = field(init=False, repr=False, compare=False)
    """Its name among the pools of all tenants. Made once, as `native` is: each session of the path needs both."""
    native: _native.Pool = field(init=False, repr=False, compare=False)
    """As the planner takes it."""

    def __post_init__(self) -> None:
        key = f"{self.tenant_id}/{self.level}/{self.pool_id}"
        native = _native.Pool(
            key,
            self.level.label,
            self.capacity_kbps,
            self.reserved_kbps,
            self.charge.value,
            self.guaranteed_kbps,
            self.borrow_limit_kbps,
            self.lend_limit_kbps,
            self.preemption,
            self.min_hold_ms,
            self.withheld_kbps,
        )
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "native", native)

    @property
    def name(self) -> str:
        """How answers name this pool: `level:id`."""
        return f"{self.level.label}:{self.pool_id}"

    @property
    def share_kbps(self) -> int:
        """What it is guaranteed of its parent."""
        return self.native.share_kbps

    @property
    def kept_kbps(self) -> int:
        """The part of its share that others can't have."""
        return self.native.kept_kbps

    @property
    def claim_kbps(self) -> int:
        """What its parent keeps free for it, if that charges alike."""
        return self.native.claim_kbps

    @property
    def ceiling_kbps(self) -> int:
        """What reserved and withheld together may come to: the capacity, or less where it may borrow little."""
        return self.native.ceiling_kbps

    @property
    def committed_kbps(self) -> int:
        """What is reserved or withheld."""
        return self.native.committed_kbps

    @property
    def free_kbps(self) -> int:
        """What is left up to its ceiling."""
        return self.native.free_kbps

    def charged_kbps(self, streams: Sequence[Stream]) -> int:
        """What streams reserve here with what they have."""
        asks = [_native_ask(stream, stream.fec) for stream in streams]
        return self.native.charged_kbps(asks, [stream.bandwidth_kbps for stream in streams])

    def with_charge(self, reserved_kbps: int, used_kbps: int) -> Pool:
        """The same with so much more reserved, and less withheld: one of `Admission.charges`, or several added up."""
        charged = self.native.with_charge(reserved_kbps, used_kbps)
        return replace(self, reserved_kbps=charged.reserved_kbps, withheld_kbps=charged.withheld_kbps)


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that holds bandwidth, as a snapshot saw it."""

    tenant_id: UUID
    session_id: UUID
    device_id: str
    pool_keys: tuple[str, ...]
    streams: tuple[Stream, ...]
    hold_priority: int
    opened_ms: int
    expires_ms: int

    @property
    def bandwidth_kbps(self) -> int:
        """What its streams have."""
        return sum(stream.bandwidth_kbps for stream in self.streams)

    def native(self) -> _native.ActiveSession:
        """As the planner takes it."""
        streams = [_native_ask(stream, stream.fec) for stream in self.streams]
        return _native.ActiveSession(
            str(self.session_id), self.pool_keys, streams, self.hold_priority, self.opened_ms, self.expires_ms
        )


@dataclass(frozen=True, slots=True)
class Contenders:
    """What deciding takes besides the path, where that is short: who holds its pools, and what else those are in.

    No session is touched that is not given, and none that is guaranteed what it has by one of those other pools.
    """

    sessions: tuple[LiveSession, ...] = ()
    pools: tuple[Pool, ...] = ()
    now_ms: int = 0


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A live session that has to do with less, and what its streams keep."""

    session: LiveSession
    bandwidths_kbps: tuple[int, ...]


class Admission(NamedTuple):
    """What a session gets, what each pool of its path then has left, and what it costs others, the weakest first.

    `charges` says for each pool of the path how much more it then has reserved, and how much less it withholds.
    """

    streams: tuple[Stream, ...]
    headroom_kbps: tuple[int, ...]
    charges: tuple[tuple[int, int], ...]
    shrunk: tuple[Shrunk, ...] = ()
    evicted: tuple[LiveSession, ...] = ()

    @property
    def victims(self) -> tuple[LiveSession, ...]:
        """All sessions that it costs something."""
        return tuple(each.session for each in self.shrunk) + self.evicted


_NOBODY = Contenders()


def decide(
    request: SessionRequest,
    device_status: DeviceStatus,
    path: Sequence[Pool],
    stream_ids: Sequence[UUID],
    max_streams: int,
    contenders: Contenders = _NOBODY,
    taken: Sequence[tuple[int, int]] | None = None,
) -> Admission:
    """Admit a session's streams, all or none, in request order.

    Args:
        request: what the device asks for.
        device_status: where the device stands.
        path: the pools from the device up, as a snapshot saw them.
        stream_ids: one fresh id for each stream.
        max_streams: how many streams one session may have.
        contenders: who may have to give way, and whose ends are known.
        taken: what others have been admitted to since the snapshot, as the `charges` of each pool; None is nothing.

    Raises:
        StateConflict: the device is not paired.
        TooManyStreams: there are more than `max_streams`.
        BandwidthExceeded: a pool on the path is short even of the streams' minima.
        FecError: as `plan_fec`, for a stream that expects loss.
    """
    check_paired(request.device_id, device_status)
    if len(request.streams) > max_streams:
        raise TooManyStreams(len(request.streams), max_streams)
    fecs = [FEC_BY_PRIORITY[ask.priority] if ask.loss is None else plan_fec(ask.loss) for ask in request.streams]
    pools = [pool.native for pool in path]
    if taken is not None:
        pools = [pool.with_charge(*charge) for pool, charge in zip(pools, taken, strict=True)]
    asks = list(map(_native_ask, request.streams, fecs))
    verdict = _native.plan(
        pools,
        _native.Request(asks, request.setup_priority),
        [session.native() for session in contenders.sessions],
        contenders.now_ms,
        [pool.native for pool in contenders.pools],
    )
    if isinstance(verdict, _native.Rejected):
        short = next(pool for pool, native in zip(path, pools, strict=True) if native is verdict.limiting_pool)
        raise _refusal(request, short, verdict)
    streams = tuple(
        [
            Stream(
                stream_id=stream_id,
                name=ask.name,
                mode=ask.mode,
                priority=ask.priority,
                bandwidth_kbps=allocated_kbps,
                asked_bandwidth_kbps=ask.bandwidth_kbps,
                min_bandwidth_kbps=ask.min_bandwidth_kbps,
                connection_id=connection_id(position),
                fec=fec,
                loss=ask.loss,
            )
            for position, (ask, fec, stream_id, allocated_kbps) in enumerate(
                zip(request.streams, fecs, stream_ids, verdict.allocations, strict=True),
            )
        ]
    )
    shrunk, evicted = _victims(contenders, verdict)
    charges = _native.charge_path(pools, asks, verdict.allocations)
    return Admission(streams, verdict.headroom_kbps, charges, shrunk, evicted)


def plan_shrink(pool: Pool, contenders: Contenders) -> tuple[Shrunk, ...] | None:
    """Which sessions have to do with less, and how much, so that a pool that is over its ceiling no longer is.

    Returns:
        The weakest first; None if all of them at their minima are too much.

    Example:
        >>> from uuid import UUID
        >>> plan_shrink(Pool(UUID(int=1), PoolLevel.TENANT, "acme", capacity_kbps=5, reserved_kbps=5), Contenders())
        ()
    """
    # As if a stream came that is stronger than all, for which there would be just room.
    wider = replace(pool, capacity_kbps=pool.capacity_kbps + 1, preemption=True, min_hold_ms=0)
    if pool.borrow_limit_kbps is not None:
        wider = replace(wider, borrow_limit_kbps=pool.borrow_limit_kbps + 1)
    one = _native.Request([_native.StreamAsk("", "latency", 1)], _STRONGEST)
    sessions = [session.native() for session in contenders.sessions]
    others = [other.native for other in contenders.pools]
    verdict = _native.plan([wider.native], one, sessions, contenders.now_ms, others)
    if isinstance(verdict, _native.Rejected) or verdict.evicted:
        return None
    return _victims(contenders, verdict)[0]


_STRONGEST = 2**63 - 1


def _refusal(request: SessionRequest, short: Pool, verdict: _native.Rejected) -> BandwidthExceeded:
    offer, free_at_ms = verdict.counter_offer, verdict.free_at_ms
    names = [ask.name for ask in request.streams]
    return BandwidthExceeded(
        requested_kbps=verdict.requested_kbps,
        available_kbps=verdict.available_kbps,
        limiting_pool=short.name,
        admissible_kbps=verdict.admissible_kbps,
        counter_offer=None if offer is None else dict(zip(names, offer, strict=True)),
        free_at=None if free_at_ms is None else datetime.fromtimestamp(free_at_ms / 1000, UTC),
        preemption=short.preemption,
    )


def _victims(contenders: Contenders, verdict: _native.Admitted) -> tuple[tuple[Shrunk, ...], tuple[LiveSession, ...]]:
    if not contenders.sessions:
        return (), ()
    by_id = {str(session.session_id): session for session in contenders.sessions}
    shrunk = tuple(Shrunk(by_id[name], kbps) for name, kbps in verdict.shrunk)
    return shrunk, tuple(by_id[name] for name in verdict.evicted)


def path_emptied(path: Sequence[Pool]) -> tuple[Pool, ...]:
    """The pools of a path as if no session had reserved anything, and none of their siblings kept anything."""
    withheld = _native.withheld_when_empty([pool.native for pool in path])
    return tuple(replace(pool, reserved_kbps=0, withheld_kbps=kbps) for pool, kbps in zip(path, withheld, strict=True))


def _native_ask(ask: StreamRequest | Stream, fec: FecParameters) -> _native.StreamAsk:
    return _native.StreamAsk(
        ask.name,
        ask.priority.value,
        ask.bandwidth_kbps,
        ask.min_bandwidth_kbps,
        fec.data_shards,
        fec.parity_shards,
    )


def plan_fec(loss: ExpectedLoss) -> FecParameters:
    """The least parity that brings a stream through the loss it expects.

    Raises:
        PlanParameterError: no link loses that much in bursts that short.
        PlanUnreachable: no parity is enough.
    """
    plan = _native.plan_parity(loss.loss_rate, loss.recovery_target, _PLANNED_DATA_SHARDS, loss.loss_burst)
    return FecParameters(plan.data_shards, plan.parity_shards)
