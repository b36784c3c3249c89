"""The rate limiter under a clock that the test moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeylink.errors import RateLimited
from honeylink.services import rate_limit
from honeylink.services.rate_limit import RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def admitted(limiter: RateLimiter, caller: str = "caller") -> bool:
    try:
        limiter.admit(caller)
    except RateLimited:
        return False
    return True


@pytest.mark.parametrize("per_second", [1, 2, 3, 7, 1000])
def test_a_burst_is_a_seconds_worth(per_second: int) -> None:
    limiter = RateLimiter(per_second, Clock())
    assert [admitted(limiter) for _ in range(per_second + 1)] == [True] * per_second + [False]


def test_room_comes_back_at_the_rate() -> None:
    clock = Clock()
    limiter = RateLimiter(4, clock)
    assert all(admitted(limiter) for _ in range(4))
    for _ in range(10):
        clock.now += 0.2
        assert not admitted(limiter)
        clock.now += 0.05
        assert admitted(limiter)
        assert not admitted(limiter)


def test_a_refused_call_costs_nothing() -> None:
    clock = Clock()
    limiter = RateLimiter(1, clock)
    assert admitted(limiter)
    for _ in range(100):
        assert not admitted(limiter)
    clock.now += 1
    assert admitted(limiter)


def test_idle_time_saves_up_one_burst_at_most() -> None:
    clock = Clock()
    limiter = RateLimiter(3, clock)
    admitted(limiter)
    clock.now += 3600
    assert [admitted(limiter) for _ in range(4)] == [True, True, True, False]


def test_callers_do_not_share() -> None:
    limiter = RateLimiter(1, Clock())
    assert admitted(limiter, "one")
    assert admitted(limiter, "other")
    assert not admitted(limiter, "one")


def test_no_rate_lets_everybody_through() -> None:
    limiter = RateLimiter(0, Clock())
    assert all(admitted(limiter) for _ in range(10_000))


def test_the_refusal_says_when_to_come_back() -> None:
    limiter = RateLimiter(1, Clock())
    limiter.admit("caller")
    with pytest.raises(RateLimited, match="retry in 1 s") as caught:
        limiter.admit("caller")
    assert caught.value.retry_after_seconds == 1


@given(st.integers(1, 50), st.lists(st.floats(0, 0.5), max_size=200))
def test_no_window_holds_more_than_a_burst_and_the_rate(per_second: int, gaps: list[float]) -> None:
    clock = Clock()
    limiter = RateLimiter(per_second, clock)
    times = []
    for gap in gaps:
        clock.now += gap
        if admitted(limiter):
            times.append(clock.now)
    for first, start in enumerate(times):
        for count, end in enumerate(times[first:], 1):
            assert count <= per_second + (end - start) * per_second + 1e-3


def test_memory_is_bounded_and_the_longest_idle_goes_first() -> None:
    limiter = RateLimiter(1, Clock())
    assert admitted(limiter, "first")
    assert admitted(limiter, "second")
    for number in range(rate_limit._MAX_CALLERS - 1):
        limiter.admit(number)
    assert admitted(limiter, "first"), "expected the longest idle to be dropped"
    assert len(limiter._next) == rate_limit._MAX_CALLERS
    assert not admitted(limiter, rate_limit._MAX_CALLERS - 2)  # type: ignore[arg-type]
