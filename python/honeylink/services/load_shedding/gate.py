"""The admission gate: which requests for sessions go on, and which are refused for want of time."""

from __future__ import annotations

import structlog

from honeylink.errors import Overloaded
from honeylink.services.load_shedding.in_flight import InFlight
from honeylink.services.load_shedding.limit import LoadLimit
from honeylink.services.load_shedding.states import COUNTED, Event, State
from honeylink.services.load_shedding.turns import Turns

_log = structlog.get_logger(__name__)


class AdmissionGate:
    """Counts requests in flight against a limit; the clock is an argument, in seconds.

    Example:
        >>> gate = AdmissionGate(limit_max=1)
        >>> request = gate.admit(now=0.0, known=True)
        >>> gate.admit(now=0.0, known=True) is None
        True
        >>> request.release()
        >>> gate.admit(now=0.0, known=True) is None
        False
    """

    def __init__(self, limit_max: int) -> None:
        self._limit = LoadLimit(limit_max)
        self._counts = dict.fromkeys(COUNTED, 0)
        self.turns = Turns(lambda: self._limit.refusing)

    def admit(self, now: float, *, known: bool) -> InFlight | None:
        """One more request in flight, whose token is known to be live or not; None if it is refused.

        A refused one counts as more to do, which may lower the limit; an unknown one does not, since anybody can send
        those.
        """
        counted = (State.KNOWN, State.OPENING) if known else COUNTED
        if not self._has_room(now, counted):
            if known:
                self._limit.count_refusal()
            return None
        request = self.arrive()
        request.move(Event.ADMIT_KNOWN if known else Event.ADMIT_UNKNOWN)
        return request

    def arrive(self) -> InFlight:
        """One request that nobody has decided on yet."""
        return InFlight(self._counts)

    def open(self, request: InFlight, now: float) -> None:
        """Its session is being opened from now on; `Overloaded` if there are too many already."""
        if not self._has_room(now, (State.OPENING,)):
            self._limit.count_refusal()
            raise Overloaded
        if not self._counts[State.OPENING]:
            self._limit.start(now)
        request.move(Event.OPEN)

    def opened(self, request: InFlight, started: float, now: float) -> None:
        """Its session has been opened, which began at `started`."""
        request.move(Event.OPENED)
        reduced = self._limit.reduced
        self._limit.learn(now - started, now)
        if self._limit.reduced and not reduced:
            _log.warning("opening.overloaded", limit=self._limit.limit)
        elif reduced and not self._limit.reduced:
            _log.info("opening.recovered", limit=self._limit.limit)

    @property
    def opening(self) -> int:
        """How many sessions are being opened."""
        return self._counts[State.OPENING]

    def _has_room(self, now: float, counted: tuple[State, ...]) -> bool:
        counts = self._counts
        if not counts[State.OPENING]:
            self._limit.recover_if_idle(now)
        return sum([counts[state] for state in counted]) < self._limit.limit
