"""The limit on what is in progress, with a clock that the tests move and a service that takes what they say."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeylink.services.load_shedding.gate import AdmissionGate
from honeylink.services.load_shedding.limit import LoadLimit
from honeylink.services.load_shedding.states import Event

if TYPE_CHECKING:
    from honeylink.services.load_shedding.in_flight import InFlight

LIMIT_MAX = 512


class Load:
    """An admission gate and the requests whose sessions are being opened, each as good as any other."""

    def __init__(self, limit_max: int) -> None:
        self.gate = AdmissionGate(limit_max)
        self._opening: list[InFlight] = []

    @property
    def limit(self) -> int:
        return self.gate._limit.limit

    @property
    def reduced(self) -> bool:
        return self.gate._limit.reduced

    def refuses(self, now: float) -> bool:
        request = self.gate.admit(now, known=True)
        if request is not None:
            request.release()
        return request is None

    def enter(self, now: float) -> None:
        request = self.gate.arrive()
        request.move(Event.COMPLETE)
        self.gate.open(request, now)
        self._opening.append(request)

    def leave(self, entered: float, now: float) -> None:
        self.gate.opened(self._opening.pop(), entered, now)

    def give_up(self) -> None:
        self._opening.pop().move(Event.ABANDON)


@dataclass
class Simulation:
    """A service that does `per_second`, one after the other, each taking at least `least_seconds`."""

    per_second: float
    least_seconds: float = 0.002
    load: Load = field(default_factory=lambda: Load(LIMIT_MAX))
    now: float = 0.0
    free_at: float = 0.0
    under_way: list[tuple[float, float]] = field(default_factory=list)
    refused: int = 0
    took_seconds: list[float] = field(default_factory=list)

    def offer(self, per_second: float, seconds: float) -> None:
        """Requests at even distances."""
        self.refused, self.took_seconds = 0, []
        end = self.now + seconds
        while self.now < end:
            self.arrive()
            self.advance(1 / per_second)

    def arrive(self) -> None:
        if self.load.refuses(self.now):
            self.refused += 1
            return
        self.load.enter(self.now)
        self.free_at = max(self.free_at, self.now) + 1 / self.per_second
        heapq.heappush(self.under_way, (max(self.free_at, self.now + self.least_seconds), self.now))

    def advance(self, seconds: float) -> None:
        self.now += seconds
        while self.under_way and self.under_way[0][0] <= self.now:
            done, entered = heapq.heappop(self.under_way)
            self.load.leave(entered, done)
            self.took_seconds.append(done - entered)

    def slowest_ms(self, percent: float) -> float:
        return sorted(self.took_seconds)[int(len(self.took_seconds) * percent / 100)] * 1000


def test_all_are_admitted_below_capacity() -> None:
    service = Simulation(per_second=1000)
    service.offer(per_second=900, seconds=30)
    assert service.refused == 0
    assert service.load.limit == LIMIT_MAX


def test_under_overload_as_many_are_served_as_can_be_and_soon() -> None:
    service = Simulation(per_second=1000)
    service.offer(per_second=500, seconds=5)
    service.offer(per_second=3000, seconds=1200)
    assert len(service.took_seconds) > 0.95 * 1000 * 1200
    assert service.slowest_ms(99) < 50
    assert service.load.reduced


def test_it_is_over_soon_after_the_overload() -> None:
    service = Simulation(per_second=1000)
    service.offer(per_second=3000, seconds=30)
    service.offer(per_second=500, seconds=5)
    assert service.load.limit == LIMIT_MAX
    service.offer(per_second=500, seconds=5)
    assert service.refused == 0


def test_a_burst_that_drains_is_admitted() -> None:
    service = Simulation(per_second=1000)
    service.offer(per_second=100, seconds=5)
    for _ in range(400):
        service.arrive()
    assert service.refused == 0
    service.advance(5)
    for _ in range(400):
        service.arrive()
    assert service.refused == 0


def test_a_service_that_is_slow_by_itself_is_not_overloaded() -> None:
    # Such as one whose database is far away: each takes long, yet nobody queues.
    service = Simulation(per_second=10_000, least_seconds=0.2)
    service.offer(per_second=1000, seconds=30)
    assert service.refused == 0


def test_a_database_that_has_become_slower_is_not_refused_for_ever() -> None:
    service = Simulation(per_second=10_000)
    service.offer(per_second=1000, seconds=10)
    service.least_seconds = 0.05
    service.offer(per_second=1000, seconds=30 * 60)
    service.offer(per_second=1000, seconds=10)
    assert service.refused == 0


def test_fewer_than_usual_are_admitted_while_most_are_refused() -> None:
    load = Load(9)
    load.enter(0.0)
    load.leave(0.0, 0.1)
    for now in (0.1, 1.1):  # nothing less than a second in progress, and more refused than done
        while not load.refuses(now):
            load.enter(now)
        assert load.refuses(now)
        load.leave(now, now + 1)
    assert load.limit == 4


def test_what_came_to_nothing_teaches_nothing() -> None:
    # One that is refused by the database's first answer takes no commit, and a commit may take long by itself.
    service = Simulation(per_second=10_000, least_seconds=0.2)
    for _ in range(300):
        service.load.enter(service.now)
        service.load.give_up()
        service.offer(per_second=1000, seconds=0.1)
        assert service.refused == 0
    assert service.load.limit == LIMIT_MAX


def test_no_more_are_in_progress_than_the_maximum() -> None:
    load = Load(3)
    for _ in range(3):
        assert not load.refuses(0.0)
        load.enter(0.0)
    assert load.refuses(0.0)
    load.leave(0.0, 0.001)
    assert not load.refuses(0.001)


@given(steps=st.lists(st.tuples(st.booleans(), st.floats(0, 10)), max_size=200), limit_max=st.integers(1, 1000))
def test_the_limit_stays_between_its_bounds(steps: list[tuple[bool, float]], limit_max: int) -> None:
    load = Load(limit_max)
    now, opening = 0.0, []
    for begins, seconds in steps:
        now += seconds
        if begins and not load.refuses(now):
            load.enter(now)
            opening.append(now)
        elif not begins and opening:
            load.leave(opening.pop(0), now)
        assert min(4, limit_max) <= load.limit <= limit_max
        assert len(opening) <= limit_max


def test_what_it_says_of_itself() -> None:
    assert LoadLimit(7).limit == 7
    assert not LoadLimit(7).reduced
    with pytest.raises(AttributeError):
        LoadLimit(7).limit = 8  # type: ignore[misc]


def window(load: Load, began: float, *, took_seconds: float, done: int = 1) -> float:
    """A window of an eighth of a second in which so many are done, each in that time; returns its end."""
    end = began + 0.125
    for _ in range(done):
        load.enter(end - took_seconds)
    for _ in range(done):
        load.leave(end - took_seconds, end)
    return end


def at_rest(limit_max: int) -> tuple[Load, float]:
    """A limit that has seen one millisecond at rest, with one in progress that stays, and the time."""
    load = Load(limit_max)
    load.enter(0.0)
    return load, window(load, 0.0, took_seconds=0.001)


@pytest.mark.parametrize(
    ("took_seconds", "windows", "reduced"),
    # At rest one takes 1 ms, so a queue stands past 6 ms.
    [(0.0059, 5, False), (0.0062, 1, False), (0.0062, 2, True)],
)
def test_a_queue_stands_when_the_quickest_of_two_windows_was_slow(
    took_seconds: float, windows: int, reduced: bool
) -> None:
    load, now = at_rest(LIMIT_MAX)
    for _ in range(windows):
        now = window(load, now, took_seconds=took_seconds)
    assert load.reduced is reduced


def test_one_quick_one_in_between_is_no_queue() -> None:
    load, now = at_rest(LIMIT_MAX)
    for took_seconds in (0.05, 0.001, 0.05, 0.001, 0.05):
        now = window(load, now, took_seconds=took_seconds)
    assert not load.reduced


def test_the_limit_is_what_is_done_in_the_time_worth_waiting_and_never_below_32_in_calm() -> None:
    load, now = at_rest(LIMIT_MAX)
    for _ in range(2):
        now = window(load, now, took_seconds=0.05, done=1)
    assert load.limit == 32
    load, now = at_rest(4096)
    for _ in range(2):
        now = window(load, now, took_seconds=0.05, done=1000)
    assert load.limit == int(1000 / 0.125 * 0.006)


def test_the_limit_recovers_by_a_tenth_each_window() -> None:
    load, now = at_rest(LIMIT_MAX)
    for _ in range(2):
        now = window(load, now, took_seconds=0.05)
    limits = []
    for _ in range(3):
        now = window(load, now, took_seconds=0.001)
        limits.append(load.limit)
    assert limits == [35, 38, 42]


@pytest.mark.parametrize(("idle_seconds", "limit"), [(0.99, 32), (1.01, LIMIT_MAX)])
def test_after_a_second_of_nothing_the_limit_is_the_maximum_again(idle_seconds: float, limit: int) -> None:
    load, now = at_rest(LIMIT_MAX)
    for _ in range(2):
        now = window(load, now, took_seconds=0.05)
    load.give_up()
    assert not load.refuses(now + idle_seconds)
    assert load.limit == limit
