"""Deciding on a session: all streams or none, within every pool of the path."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeylink.domain.admission import Pool, PoolLevel, decide
from honeylink.domain.devices import DeviceStatus
from honeylink.domain.sessions import (
    ExpectedLoss,
    FecParameters,
    FecRule,
    Mode,
    Priority,
    SessionRequest,
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
