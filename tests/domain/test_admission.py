"""Deciding on a session: all streams or none, within every pool of the path."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeylink.domain.admission import (
    Contenders,
    LiveSession,
    Pool,
    PoolLevel,
    Shrunk,
    decide,
    plan_shrink,
)
from honeylink.domain.devices import DeviceStatus
from honeylink.domain.sessions import (
    ExpectedLoss,
    FecParameters,
    FecRule,
    Mode,
    Priority,
    SessionRequest,
    Stream,
    StreamRequest,
)
from honeylink.errors import BandwidthExceeded, PlanParameterError, PlanUnreachable, StateConflict, TooManyStreams

TENANT = UUID(int=1)


def request(*asks: tuple[Priority, int]) -> SessionRequest:
    streams = tuple(
        StreamRequest(f"stream-{position}", Mode.RELIABLE, priority, kbps)
        for position, (priority, kbps) in enumerate(asks)
    )
    return SessionRequest("device-1", streams, 60)


def path(*pools: tuple[int, int]) -> list[Pool]:
    names = ("device-1", "acme", "node")
    return [
        Pool(TENANT, PoolLevel(level), names[level], capacity, reserved)
        for level, (capacity, reserved) in enumerate(pools)
    ]


def ids(count: int) -> list[UUID]:
    return [UUID(int=number) for number in range(count)]


ASKS = st.lists(st.tuples(st.sampled_from(Priority), st.integers(1, 1000)), min_size=1, max_size=16)
POOLS = st.lists(
    st.integers(0, 20_000).flatmap(lambda capacity: st.tuples(st.just(capacity), st.integers(0, capacity))),
    min_size=1,
    max_size=3,
)


@given(ASKS, POOLS)
def test_a_session_opens_if_and_only_if_every_pool_has_room(
    asks: list[tuple[Priority, int]], pools: list[tuple[int, int]]
) -> None:
    asked = request(*asks)
    rooms = [capacity - reserved for capacity, reserved in pools]
    total = sum(kbps for _, kbps in asks)
    assert asked.total_bandwidth_kbps == total
    if total > min(rooms):
        with pytest.raises(BandwidthExceeded) as caught:
            decide(asked, DeviceStatus.PAIRED, path(*pools), ids(len(asks)), 16)
        refusal = caught.value
        short = next(index for index, room in enumerate(rooms) if room < total)
        assert refusal.limiting_pool == path(*pools)[short].name
        assert (refusal.requested_kbps, refusal.available_kbps) == (total, rooms[short])
        assert refusal.admissible_kbps == min(rooms)
        if refusal.admissible_kbps:
            smaller = request((Priority.NORMAL, refusal.admissible_kbps))
            decide(smaller, DeviceStatus.PAIRED, path(*pools), ids(1), 16)
    else:
        streams = decide(asked, DeviceStatus.PAIRED, path(*pools), ids(len(asks)), 16).streams
        assert [(stream.name, stream.priority, stream.bandwidth_kbps) for stream in streams] == [
            (ask.name, ask.priority, ask.bandwidth_kbps) for ask in asked.streams
        ]
        assert [stream.stream_id for stream in streams] == ids(len(asks))
        assert [stream.connection_id for stream in streams] == [f"conn-{n + 1:03d}" for n in range(len(asks))]


CHARGES = st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 20_000)), min_size=3, max_size=3)


@given(ASKS, POOLS, CHARGES)
def test_what_others_have_taken_since_counts_as_if_the_pools_had_been_read_after(
    asks: list[tuple[Priority, int]], pools: list[tuple[int, int]], charges: list[tuple[int, int]]
) -> None:
    before = [replace(each, withheld_kbps=500) for each in path(*pools)]
    taken = charges[: len(before)]
    after = [each.with_charge(*charge) for each, charge in zip(before, taken, strict=True)]

    def decided(pools: list[Pool], **named: Any) -> object:
        try:
            return decide(request(*asks), DeviceStatus.PAIRED, pools, ids(len(asks)), 16, **named)
        except BandwidthExceeded as refusal:
            return vars(refusal)

    assert decided(before, taken=taken) == decided(after)


@pytest.mark.parametrize(("priority", "parity"), [(Priority.LATENCY, 1), (Priority.NORMAL, 2), (Priority.BURST, 5)])
def test_a_priority_has_its_fec(priority: Priority, parity: int) -> None:
    [stream] = decide(request((priority, 1)), DeviceStatus.PAIRED, path((1, 0)), ids(1), 16).streams
    assert stream.fec == FecParameters(10, parity)
    assert stream.fec_rule is FecRule.PRIORITY


def expecting(loss: ExpectedLoss) -> SessionRequest:
    return SessionRequest("device-1", (StreamRequest("video", Mode.UNRELIABLE, Priority.BURST, 1, loss),), 60)


@pytest.mark.parametrize(
    ("loss", "parity"),
    [
        (ExpectedLoss(0.05), 4),
        (ExpectedLoss(0.03, 4.0, 0.99), 9),
        (ExpectedLoss(0.0), 0),
        (ExpectedLoss(0.05, None, 0.5), 0),
    ],
)
def test_an_expected_loss_is_planned_for(loss: ExpectedLoss, parity: int) -> None:
    [stream] = decide(expecting(loss), DeviceStatus.PAIRED, path((1, 0)), ids(1), 16).streams
    assert stream.fec == FecParameters(10, parity)
    assert (stream.loss, stream.fec_rule) == (loss, FecRule.PLANNED)


def test_a_loss_without_a_plan() -> None:
    for loss, error in ((ExpectedLoss(0.95), PlanUnreachable), (ExpectedLoss(0.75, 2.0), PlanParameterError)):
        with pytest.raises(error):
            decide(expecting(loss), DeviceStatus.PAIRED, path((1, 0)), ids(1), 16)


@pytest.mark.parametrize("status", [DeviceStatus.PENDING, DeviceStatus.REVOKED])
def test_a_device_that_is_not_paired_comes_before_all_else(status: DeviceStatus) -> None:
    with pytest.raises(StateConflict):
        decide(request(*[(Priority.NORMAL, 1)] * 3), status, path((0, 0)), ids(3), 2)


def test_too_many_streams_come_before_bandwidth() -> None:
    with pytest.raises(TooManyStreams) as caught:
        decide(request(*[(Priority.NORMAL, 1)] * 3), DeviceStatus.PAIRED, path((0, 0)), ids(3), 2)
    assert (caught.value.requested_streams, caught.value.max_streams) == (3, 2)


def test_the_names_of_pools() -> None:
    assert [pool.name for pool in path((1, 0), (1, 0), (1, 0))] == ["device:device-1", "tenant:acme", "node:node"]
    assert sorted(PoolLevel) == [PoolLevel.DEVICE, PoolLevel.TENANT, PoolLevel.NODE]


def pool(level: PoolLevel, capacity_kbps: int, reserved_kbps: int = 0, **fields: Any) -> Pool:
    return Pool(TENANT, level, level.label, capacity_kbps, reserved_kbps, **fields)


def stream(kbps: int, *, min_kbps: int | None = None, parity_shards: int = 5) -> Stream:
    return Stream(
        UUID(int=1),
        "video",
        Mode.RELIABLE,
        Priority.BURST,
        kbps,
        kbps,
        min_kbps,
        "conn-001",
        FecParameters(10, parity_shards),
    )


def live(
    number: int, kbps: int, pools: tuple[Pool, ...], *, min_kbps: int | None = None, priority: int = 0
) -> LiveSession:
    keys = tuple(each.key for each in pools)
    return LiveSession(
        TENANT, UUID(int=number), f"device-{number}", keys, (stream(kbps, min_kbps=min_kbps),), priority, 1_000, 61_000
    )


def test_a_stronger_session_takes_what_weaker_ones_can_spare_and_then_the_weakest() -> None:
    tenant = pool(PoolLevel.TENANT, 1000, 1000, preemption=True)
    weak, weaker = live(2, 500, (tenant,), min_kbps=400, priority=1), live(1, 500, (tenant,))
    contenders = Contenders((weak, weaker), (), 60_000)
    asked = SessionRequest("device-9", (StreamRequest("video", Mode.RELIABLE, Priority.BURST, 80),), 60, 9, 9)

    admission = decide(asked, DeviceStatus.PAIRED, [tenant], ids(1), 16, contenders)

    assert admission.shrunk == (Shrunk(weak, (420,)),)
    assert admission.evicted == ()
    assert admission.victims == (weak,)
    assert admission.headroom_kbps == (0,)
    more = replace(asked, streams=(replace(asked.streams[0], bandwidth_kbps=300),))
    admission = decide(more, DeviceStatus.PAIRED, [tenant], ids(1), 16, contenders)
    assert weaker in admission.evicted
    assert set(admission.victims) == {*(each.session for each in admission.shrunk), *admission.evicted}


def test_a_session_that_has_just_come_is_left_alone() -> None:
    tenant = pool(PoolLevel.TENANT, 1000, 1000, preemption=True, min_hold_ms=5_000)
    asked = SessionRequest("device-9", (StreamRequest("video", Mode.RELIABLE, Priority.BURST, 80),), 60, 9, 9)
    sessions = (live(1, 1000, (tenant,)),)
    with pytest.raises(BandwidthExceeded):
        decide(asked, DeviceStatus.PAIRED, [tenant], ids(1), 16, Contenders(sessions, (), 5_999))
    assert decide(asked, DeviceStatus.PAIRED, [tenant], ids(1), 16, Contenders(sessions, (), 6_000)).evicted == sessions


def test_a_session_that_a_sibling_is_guaranteed_is_left_alone() -> None:
    sibling = Pool(TENANT, PoolLevel.DEVICE, "device-1", 1000, 400, guaranteed_kbps=400)
    device = Pool(TENANT, PoolLevel.DEVICE, "device-9", 1000, 0)
    tenant = pool(PoolLevel.TENANT, 1000, 1000, preemption=True)
    guaranteed, other = live(1, 400, (sibling, tenant)), live(2, 600, (tenant,))
    asked = SessionRequest("device-9", (StreamRequest("video", Mode.RELIABLE, Priority.BURST, 700),), 60, 9, 9)
    contenders = Contenders((guaranteed, other), (sibling,), 60_000)
    with pytest.raises(BandwidthExceeded):
        decide(asked, DeviceStatus.PAIRED, [device, tenant], ids(1), 16, contenders)
    smaller = replace(asked, streams=(replace(asked.streams[0], bandwidth_kbps=600),))
    admission = decide(smaller, DeviceStatus.PAIRED, [device, tenant], ids(1), 16, contenders)
    assert admission.evicted == (other,)


def test_a_refusal_tells_what_would_fit_and_when_there_is_room() -> None:
    tenant = pool(PoolLevel.TENANT, 1000, 700)
    asked = SessionRequest(
        "device-9",
        (
            StreamRequest("video", Mode.RELIABLE, Priority.BURST, 800),
            StreamRequest("control", Mode.RELIABLE, Priority.LATENCY, 100),
        ),
        60,
    )
    with pytest.raises(BandwidthExceeded) as caught:
        decide(asked, DeviceStatus.PAIRED, [tenant], ids(2), 16, Contenders((live(1, 700, (tenant,)),), (), 60_000))
    refusal = caught.value
    assert (refusal.requested_kbps, refusal.available_kbps, refusal.admissible_kbps) == (900, 300, 300)
    assert refusal.counter_offer == {"video": 200, "control": 100}
    assert refusal.free_at == datetime(1970, 1, 1, 0, 1, 1, tzinfo=UTC)
    assert refusal.preemption is False
    nobody = Contenders()
    with pytest.raises(BandwidthExceeded) as caught:
        decide(asked, DeviceStatus.PAIRED, [replace(tenant, preemption=True)], ids(2), 16, nobody)
    assert (caught.value.free_at, caught.value.preemption) == (None, True)


def test_a_stream_may_get_less_than_it_asked_for() -> None:
    ask = StreamRequest("video", Mode.UNRELIABLE, Priority.BURST, 800, min_bandwidth_kbps=400)
    [given] = decide(SessionRequest("device-1", (ask,), 60), DeviceStatus.PAIRED, path((500, 0)), ids(1), 16).streams
    assert (given.bandwidth_kbps, given.asked_bandwidth_kbps, given.min_bandwidth_kbps) == (500, 800, 400)
    assert (given.mode, given.is_short) == (Mode.UNRELIABLE, True)


def test_as_many_streams_as_may_be_are_admitted() -> None:
    assert len(decide(request(*[(Priority.NORMAL, 1)] * 3), DeviceStatus.PAIRED, path((3, 0)), ids(3), 3).streams) == 3


def test_a_pool_that_is_not_over_its_ceiling_costs_nobody_anything() -> None:
    tenant = pool(PoolLevel.TENANT, 700, 700)
    assert plan_shrink(tenant, Contenders((live(1, 700, (tenant,), min_kbps=1),), (), 60_000)) == ()


@pytest.mark.parametrize("ceiling", [{"capacity_kbps": 500}, {"guaranteed_kbps": 0, "borrow_limit_kbps": 500}])
def test_sessions_shrink_until_a_pool_is_within_its_ceiling(ceiling: dict[str, Any]) -> None:
    tenant = replace(pool(PoolLevel.TENANT, 700, 700, min_hold_ms=3_600_000), **ceiling)
    sessions = (live(1, 400, (tenant,), min_kbps=100), live(2, 300, (tenant,), min_kbps=100, priority=1))
    assert plan_shrink(tenant, Contenders(sessions, (), 60_000)) == (Shrunk(sessions[0], (200,)),)
    strongest = tuple(replace(each, hold_priority=2**63 - 2) for each in sessions)
    planned = plan_shrink(tenant, Contenders(strongest, (), 60_000))
    assert planned is not None
    assert (
        sum(sum(each.bandwidths_kbps) for each in planned)
        + sum(each.bandwidth_kbps for each in strongest if each not in {shrunk.session for shrunk in planned})
        == 500
    )


def test_nobody_is_shrunk_where_that_is_not_enough() -> None:
    tenant = pool(PoolLevel.TENANT, 500, 700)
    assert plan_shrink(tenant, Contenders((live(1, 700, (tenant,), min_kbps=501),), (), 60_000)) is None
    assert plan_shrink(tenant, Contenders((live(1, 700, (tenant,)),), (), 60_000)) is None
