"""A request in flight, counted in each of its states."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

from honeylink.services.load_shedding.states import TRANSITIONS, Event, State

if TYPE_CHECKING:
    from collections.abc import Awaitable

Counts: TypeAlias = dict[State, int]
"""How many requests there are in each state that is counted."""

_T = TypeVar("_T")


class InFlight:
    """One request for a session, from its arrival until it has its answer; it moves itself from count to count."""

    __slots__ = ("_counts", "state")

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self.state = State.ARRIVED

    def move(self, event: Event) -> None:
        """Move on. That the table has no such transition is a bug."""
        state = TRANSITIONS.get((self.state, event))
        if state is None:
            expected = ", ".join(known.name for at, known in TRANSITIONS if at is self.state)
            raise RuntimeError(f"expected one of {expected} of a request that is {self.state.name}, found {event.name}")
        counts = self._counts
        if self.state in counts:
            counts[self.state] -= 1
        if state in counts:
            counts[state] += 1
        self.state = state

    async def from_client(self, client: Awaitable[_T]) -> _T:
        """Wait for what is up to the client."""
        self.move(Event.AWAIT_CLIENT)
        answer = await client
        self.move(Event.RECEIVE)
        return answer

    def release(self) -> None:
        """It has its answer, or won't get one."""
        self.move(Event.RELEASE)
