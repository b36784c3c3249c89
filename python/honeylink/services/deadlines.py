"""Deadlines of requests that wait for somebody else's work: one timer for all of them.

A timer for each would cost more than the waiting, since nearly all are answered long before their time is over.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# The loop's timers have the resolution of a millisecond, and one may come that much early.
_EARLY_SECONDS = 0.001


class Deadlines:
    """Fails futures that are not done by their deadlines; those are by the loop's clock.

    Args:
        error: makes the exception that a future then has.
    """

    def __init__(self, error: Callable[[], Exception]) -> None:
        self._error = error
        self._waiting: dict[asyncio.Future[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, future: asyncio.Future[Any], deadline: float) -> None:
        """Fail a future at its deadline, unless it is removed before."""
        self._waiting[future] = deadline
        if self._timer is None or deadline < self._timer.when():
            self._set_timer(deadline)

    def remove(self, future: asyncio.Future[Any]) -> None:
        """Nobody waits for it any more."""
        self._waiting.pop(future, None)

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(at, self._expire, context=Context())

    def _expire(self) -> None:
        self._timer = None
        due = asyncio.get_running_loop().time() + _EARLY_SECONDS
        for future in [each for each, deadline in self._waiting.items() if deadline <= due]:
            del self._waiting[future]
            if not future.done():
                future.set_exception(self._error())
        if self._waiting:
            self._set_timer(min(self._waiting.values()))
