"""Admission, held against an oracle that grants one kbps at a time."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeylink.errors import PlannerError, SchedulerError
from honeylink.scheduler import Admitted, Pool, Rejected, Request, StreamAsk, plan

LEVELS = ("device", "tenant", "node")
PRIORITIES = ("latency", "normal", "burst")
MAX = 2**64 - 1


@st.composite
def paths(draw: st.DrawFn) -> list[Pool]:
    """One to three pools, small so that fits are often exact, reserved sometimes above capacity."""
    levels = draw(
        st.lists(st.sampled_from(LEVELS), min_size=1, unique=True).map(lambda some: sorted(some, key=LEVELS.index))
    )
    kbps = st.integers(0, 40)
    return [Pool("same id", level, draw(kbps), draw(kbps)) for level in levels]  # type: ignore[arg-type]


asks = st.builds(StreamAsk, st.text("abc"), st.sampled_from(PRIORITIES), st.integers(1, 12))
requests = st.lists(asks, min_size=1, max_size=6).map(Request)


def has_room(pool: Pool, kbps: int) -> bool:
    return kbps == 0 or pool.reserved_kbps + kbps <= pool.capacity_kbps


def plan_by_brute_force(path: list[Pool], request: Request) -> Admitted | Rejected:
    def takes(kbps: int) -> bool:
        return all(has_room(pool, kbps) for pool in path)

    def largest(fits: Any) -> int:
        return max(kbps for kbps in range(100) if fits(kbps))

    total = sum(stream.bandwidth_kbps for stream in request.streams)
    if takes(total):
        left = [largest(lambda more, pool=pool: has_room(pool, total + more)) for pool in path]
        return Admitted([stream.bandwidth_kbps for stream in request.streams], left)
    limiting = next(pool for pool in path if not has_room(pool, total))
    available, admissible = largest(lambda kbps: has_room(limiting, kbps)), largest(takes)
    return Rejected(limiting, total, available, offer(request, admissible), None, admissible)


def offer(request: Request, kbps: int) -> list[int] | None:
    """1 kbps for each, and the rest one by one, to the most urgent first and then to who has least of what he asks."""
    shares = [1] * len(request.streams)
    if sum(shares) > kbps:
        return None
    for priority in PRIORITIES:
        members = [index for index, stream in enumerate(request.streams) if stream.priority == priority]
        asked = sum(request.streams[index].bandwidth_kbps for index in members)
        room = kbps - sum(shares) + len(members)
        if asked <= room:
            for index in members:
                shares[index] = request.streams[index].bandwidth_kbps
        else:
            fill([request.streams[index].bandwidth_kbps for index in members], members, shares, room)
    return shares


def fill(asks: list[int], members: list[int], shares: list[int], room: int) -> None:
    at_least_one = list(range(len(asks)))  # who has no more than that one
    while True:
        level = Fraction(room - (len(asks) - len(at_least_one)), sum(asks[index] for index in at_least_one))
        below = [index for index in at_least_one if level * asks[index] < 1]
        if not below:
            break
        at_least_one = [index for index in at_least_one if index not in below]
    parts = {index: level * asks[index] for index in at_least_one}
    for index, part in parts.items():
        shares[members[index]] = int(part)
    rest = room - sum(shares[member] for member in members)
    for index in sorted(parts, key=lambda index: (int(parts[index]) - parts[index], index))[:rest]:
        shares[members[index]] += 1


@given(paths(), requests)
def test_answers_are_those_of_brute_force(path: list[Pool], request: Request) -> None:
    answer = plan(path, request)
    assert answer == plan_by_brute_force(path, request)
    assert answer == plan(tuple(path), request)
    if isinstance(answer, Rejected):
        assert any(answer.limiting_pool is pool for pool in path)


@given(paths(), st.lists(requests, max_size=12))
def test_no_pool_is_ever_over_committed(path: list[Pool], many: list[Request]) -> None:
    allowed = [max(pool.capacity_kbps, pool.reserved_kbps) for pool in path]
    for request in many:
        match plan(path, request):
            case Admitted(allocations=allocations, headroom_kbps=headroom):
                path = [
                    Pool(pool.id, pool.level, pool.capacity_kbps, pool.reserved_kbps + sum(allocations))
                    for pool in path
                ]
                assert headroom == tuple(pool.capacity_kbps - pool.reserved_kbps for pool in path)
            case Rejected(counter_offer=offer):
                assert offer is None or sum(offer) < sum(stream.bandwidth_kbps for stream in request.streams)
    assert all(pool.reserved_kbps <= limit for pool, limit in zip(path, allowed, strict=True))


def device(capacity_kbps: int, reserved_kbps: int = 0) -> Pool:
    return Pool("d", "device", capacity_kbps, reserved_kbps)


def ask(*bandwidths_kbps: int) -> Request:
    return Request([StreamAsk(f"s{i}", "normal", kbps) for i, kbps in enumerate(bandwidths_kbps)])


def test_a_lowered_capacity_leaves_no_room() -> None:
    assert plan([device(10, 20)], ask(1)) == Rejected(device(10, 20), 1, 0)


def test_the_largest_numbers_fit() -> None:
    assert plan([device(MAX)], ask(MAX - 1, 1)) == Admitted([MAX - 1, 1], [0])


@pytest.mark.parametrize(
    ("path", "request_", "field"),
    [
        ([], ask(1), "path"),
        ([device(1)], ask(), "streams"),
        ([device(1)], ask(1, 0), "streams[1].bandwidth_kbps"),
        ([device(1)], Request([StreamAsk("a", "burst", 1, 2)]), "streams[0].min_bandwidth_kbps"),
        ([device(1)], Request([StreamAsk("a", "burst", 1, data_shards=0)]), "streams[0].data_shards"),
        ([device(1)], Request([StreamAsk("a", "burst", 1, parity_shards=250)]), "streams[0].parity_shards"),
        ([device(MAX)], ask(MAX, 1), "streams"),
        ([device(1), device(2)], ask(1), "path[1].id"),
        ([Pool("t", "tenant", 1, 0), device(1)], ask(1), "path[1].level"),
        ([Pool("n", "node", 1, 0), Pool("t", "tenant", 1, 0)], ask(1), "path[1].level"),
    ],
)
def test_what_no_path_or_request_can_be(path: list[Pool], request_: Request, field: str) -> None:
    with pytest.raises(PlannerError) as error:
        plan(path, request_)
    assert error.value.field == field
    assert isinstance(error.value, SchedulerError)
    assert isinstance(error.value, ValueError)


def test_the_same_id_at_two_levels_is_two_pools() -> None:
    path = [device(5), Pool("d", "tenant", 9, 0)]
    assert plan(path, ask(4)) == Admitted([4], [1, 5])


@pytest.mark.parametrize("path", [None, 1, "device", [1], [None], device(1), {device(1)}])
def test_a_path_is_a_sequence_of_pools(path: Any) -> None:
    with pytest.raises(TypeError):
        plan(path, ask(1))


@pytest.mark.parametrize("request_", [None, [], (StreamAsk("a", "burst", 1),)])
def test_a_request_is_a_request(request_: Any) -> None:
    with pytest.raises(TypeError):
        plan([device(1)], request_)
