"""One timer for many deadlines: each future fails at its own, and none that is removed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import uvloop
from hypothesis import given
from hypothesis import strategies as st

from honeylink.services.deadlines import Deadlines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextvars import Context

STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "answer"]), st.integers(0, 5), st.integers(0, 9)), max_size=25
)


class Late(Exception):
    """A deadline has passed."""


class Clock:
    """A loop of which only the time and the timers are used, as `Deadlines` does."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[asyncio.TimerHandle, Callable[[], object]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object], *, context: Context) -> asyncio.TimerHandle:
        loop: Any = self
        handle = asyncio.TimerHandle(when, callback, (), loop, context)
        self.timers.append((handle, callback))
        return handle

    def get_debug(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.timers = [each for each in self.timers if each[0] is not handle]

    def advance(self, to: float) -> None:
        """Let time pass, and run what is due in order."""
        while due := [each for each in self.timers if each[0].when() <= to]:
            first = min(due, key=lambda each: each[0].when())
            self.timers.remove(first)
            self.now = max(self.now, first[0].when())
            first[1]()
        self.now = to


def late(futures: Sequence[asyncio.Future[Any]]) -> list[bool]:
    return [each.done() and isinstance(each.exception(), Late) for each in futures]


@given(STEPS)
def test_each_fails_at_its_own_deadline_with_one_timer_at_most(steps: list[tuple[str, int, int]]) -> None:
    loop = uvloop.new_event_loop()
    clock = Clock()
    try:
        asyncio.events._set_running_loop(clock)  # type: ignore[arg-type]
        deadlines = Deadlines(Late)
        futures = [loop.create_future() for _ in range(6)]
        at: dict[int, float] = {}
        failed: set[int] = set()
        for now, (step, number, after) in enumerate(steps):
            clock.advance(now)
            failed |= {each for each, deadline in at.items() if deadline <= now and not is_answered(futures[each])}
            if step == "add" and number not in at:
                at[number] = now + after
                deadlines.add(futures[number], now + after)
            elif step == "remove":
                if number not in failed:
                    at[number] = float("inf")
                deadlines.remove(futures[number])
            elif step == "answer" and not futures[number].done():
                futures[number].set_result(None)
            assert len(clock.timers) <= 1
        clock.advance(100)
        failed |= {each for each, deadline in at.items() if deadline <= 100 and not is_answered(futures[each])}
        assert [number in failed for number in range(6)] == late(futures)
        assert not clock.timers
    finally:
        asyncio.events._set_running_loop(None)
        loop.close()


def is_answered(future: asyncio.Future[Any]) -> bool:
    return future.done() and future.exception() is None


def test_on_a_real_loop_what_waits_is_told() -> None:
    async def run() -> list[BaseException | None]:
        deadlines, loop = Deadlines(Late), asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(3)]
        for future, seconds in zip(futures, (60, 0.05, -1), strict=True):
            deadlines.add(future, loop.time() + seconds)
        await asyncio.wait(futures, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(futures[1:], timeout=30)
        deadlines.remove(futures[0])
        return [each.exception() if each.done() else None for each in futures]

    first, *others = uvloop.run(run())
    assert first is None
    assert [type(each) for each in others] == [Late, Late]
