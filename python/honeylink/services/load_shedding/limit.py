"""How many requests may be in flight, found from how long they take.

A service that admits everything past its capacity makes everybody wait, until all have given up. So once even the
quickest request of a window waits in a standing queue, no more are admitted than are done in the time that is worth
waiting. The signal is CoDel's (Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 2012): a burst that drains is
left alone, since its last requests are quick again; a queue that stands is not. The limit is Little's law: what is done
a second times how long each may take.
"""

from __future__ import annotations

_WINDOW_SECONDS = 0.1
# In a row; one alone may be a disk that was busy for a moment.
_STANDING_WINDOWS = 2
# A queue stands when no request takes less than this many times what it takes at rest, and some more for good measure.
_PATIENCE_FACTOR = 2
_PATIENCE_SECONDS = 0.004
# At rest is the quickest of all. It grows by this each window, so that it follows a database which has become slower
# within minutes. While requests are refused it does not grow, or a long overload would pass for rest in the end; unless
# refusing was of no use for so many windows in a row: a queue gets shorter by it, a slow database no faster.
_REST_GROWTH = 1.0005
_USELESS_WINDOWS = 50
_GROWTH = 1.1
# Some may always be in flight: if the excess is small, a little wait is better for it than a refusal. Only when most
# requests are refused does the wait of the others count more.
_LIMIT_MIN_CALM = 32
_LIMIT_MIN = 4
_IDLE_SECONDS = 1.0


class LoadLimit:
    """Learns a limit from how long requests take; the clock is an argument, in seconds."""

    def __init__(self, limit_max: int) -> None:
        self._limit_max = float(limit_max)
        self._limit = self._limit_max
        self._began = 0.0
        self._done = 0
        self._refused = 0
        self._quickest = float("inf")
        self._at_rest = float("inf")
        self._standing_windows = 0
        self._mostly_refused = False

    @property
    def limit(self) -> int:
        """How many may be in flight."""
        return int(self._limit)

    @property
    def reduced(self) -> bool:
        """Whether there was more to do than can be done."""
        return self._limit < self._limit_max

    @property
    def refusing(self) -> bool:
        """Whether a request has been refused lately."""
        return self._refused > 0

    def count_refusal(self) -> None:
        """A request was refused: that says how much there is to do."""
        self._refused += 1

    def start(self, now: float) -> None:
        """The first request begins while no other is in progress: a window that has seen none yet begins with it."""
        if not self._done:
            self._began = now

    def recover_if_idle(self, now: float) -> None:
        """No request is in progress. After a while of that, what there was to do before says nothing any more."""
        if now - self._began > _IDLE_SECONDS:
            self._limit = self._limit_max

    def learn(self, took_seconds: float, now: float) -> None:
        """A request is done, which took so long. What came to nothing is not told here, as its time says nothing."""
        self._done += 1
        self._quickest = min(self._quickest, took_seconds)
        if now - self._began >= _WINDOW_SECONDS:
            self._adapt(now)

    def _adapt(self, now: float) -> None:
        if not self._refused or self._standing_windows >= _USELESS_WINDOWS:
            self._at_rest *= _REST_GROWTH
        self._at_rest = min(self._at_rest, self._quickest)
        patience_seconds = self._at_rest * _PATIENCE_FACTOR + _PATIENCE_SECONDS
        mostly_refused = self._refused > self._done
        self._standing_windows = self._standing_windows + 1 if self._quickest > patience_seconds else 0
        if self._standing_windows >= _STANDING_WINDOWS:
            in_time = self._done / (now - self._began) * patience_seconds
            least = _LIMIT_MIN if mostly_refused and self._mostly_refused else _LIMIT_MIN_CALM
            self._limit = min(self._limit, max(least, in_time))
        elif not self._standing_windows:
            self._limit = min(self._limit_max, self._limit * _GROWTH)
        self._mostly_refused = mostly_refused
        self._began, self._done, self._refused, self._quickest = now, 0, 0, float("inf")
