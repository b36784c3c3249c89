"""How many sessions may be in the course of opening at the same time, found from how long it takes.

Past its capacity a service that takes everything in only makes everybody wait, until all have given up. So once even
the quickest of a while waits in a standing queue, no more are let in than are done in the time that is worth waiting.
The signal is CoDel's (Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 2012): a burst that drains is left
alone, since its last ones are quick again; a queue that stands is not. The limit is Little's law: what is done a second
times how long each may take.
"""

from __future__ import annotations

__all__ = ["LoadLimit"]

_WINDOW_SECONDS = 0.1
# In a row; one alone may be a disk that was busy for a moment.
_STANDING_WINDOWS = 2
# A queue stands when nothing takes less than this many times what it takes at rest, and some more for good measure.
_PATIENCE_FACTOR = 2
_PATIENCE_SECONDS = 0.004
# At rest is the quickest of all. It grows by this each window, so that a database which has become slower is believed
# within minutes. It does not while some are refused, or a long overload would pass for rest in the end, unless for so
# many windows in a row that was no use: a queue gets shorter by it, and what is slow by itself gets no quicker.
_REST_GROWTH = 1.0005
_USELESS_WINDOWS = 50
_GROWTH = 1.1
# Some may always be in progress: while few are too many, it is better to let them wait a little than to send them away.
# Only when most are sent away does the wait of the others count more.
_LIMIT_MIN_CALM = 32
_LIMIT_MIN = 4
_IDLE_SECONDS = 1.0


class LoadLimit:
    """Counts what is in progress against a limit; the clock is an argument, in seconds.

    Args:
        limit_max: the limit while there is no overload.

    Example:
        >>> load = LoadLimit(limit_max=2)
        >>> load.enter(now=0.0)
        >>> load.enter(now=0.0)
        >>> load.refuses(now=0.0)
        True
        >>> load.leave(entered=0.0, now=0.004)
        >>> load.refuses(now=0.004)
        False
    """

    def __init__(self, limit_max: int) -> None:
        self._limit_max = float(limit_max)
        self._limit = self._limit_max
        self._in_progress = 0
        self._began = 0.0
        self._done = 0
        self._refused = 0
        self._quickest = float("inf")
        self._at_rest = float("inf")
        self._standing_windows = 0
        self._was_crowded = False

    @property
    def limit(self) -> int:
        """How many may be in progress."""
        return int(self._limit)

    @property
    def reduced(self) -> bool:
        """Whether there was more to do than can be done."""
        return self._limit < self._limit_max

    @property
    def refusing(self) -> bool:
        """Whether one was refused of late."""
        return self._refused > 0

    def refuses(self, now: float, coming: int = 0) -> bool:
        """Whether one more is to be refused, which counts: it says how much there is to do."""
        if not self.is_full(now, coming):
            return False
        self._refused += 1
        return True

    def is_full(self, now: float, coming: int = 0) -> bool:
        """Whether one more than those in progress, and those that are still to enter, would be too many."""
        if self._in_progress == 0 and now - self._began > _IDLE_SECONDS:
            self._limit = self._limit_max
        return self._in_progress + coming >= self.limit

    def enter(self, now: float) -> None:
        """Count one in."""
        if self._in_progress == 0 and self._done == 0:
            self._began = now
        self._in_progress += 1

    def leave(self, entered: float, now: float) -> None:
        """Count one out that was done, and learn from the time that it took."""
        self._in_progress -= 1
        self._done += 1
        self._quickest = min(self._quickest, now - entered)
        if now - self._began >= _WINDOW_SECONDS:
            self._adapt(now)

    def give_up(self) -> None:
        """Count one out that came to nothing. How long that took says nothing of the time that one takes."""
        self._in_progress -= 1

    def _adapt(self, now: float) -> None:
        if not self._refused or self._standing_windows >= _USELESS_WINDOWS:
            self._at_rest *= _REST_GROWTH
        self._at_rest = min(self._at_rest, self._quickest)
        patience_seconds = self._at_rest * _PATIENCE_FACTOR + _PATIENCE_SECONDS
        crowded = self._refused > self._done
        self._standing_windows = self._standing_windows + 1 if self._quickest > patience_seconds else 0
        if self._standing_windows >= _STANDING_WINDOWS:
            in_time = self._done / (now - self._began) * patience_seconds
            least = _LIMIT_MIN if crowded and self._was_crowded else _LIMIT_MIN_CALM
            self._limit = min(self._limit, max(least, in_time))
        elif not self._standing_windows:
            self._limit = min(self._limit_max, self._limit * _GROWTH)
        self._was_crowded = crowded
        self._began, self._done, self._refused, self._quickest = now, 0, 0, float("inf")
