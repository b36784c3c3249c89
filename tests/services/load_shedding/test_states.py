"""The states of a request for a session: every transition, by the table and by a model that knows no table."""

from __future__ import annotations

from collections import defaultdict
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeylink.errors import Overloaded
from honeylink.services.load_shedding import states
from honeylink.services.load_shedding.gate import AdmissionGate
from honeylink.services.load_shedding.in_flight import InFlight
from honeylink.services.load_shedding.states import COUNTED, TRANSITIONS, Event, State

LIMIT = 3


def request_at(state: State) -> tuple[InFlight, dict[State, int]]:
    """A request in a state, and the counts that it is in."""
    counts = dict.fromkeys(COUNTED, 0)
    request = InFlight(counts)
    request.state = state
    if state in counts:
        counts[state] += 1
    return request, counts


@pytest.mark.parametrize(("start", "event"), list(TRANSITIONS))
def test_every_transition_of_the_table_moves_the_count(start: State, event: Event) -> None:
    request, counts = request_at(start)
    request.move(event)
    assert request.state is TRANSITIONS[start, event]
    assert counts == {state: int(state is request.state) for state in COUNTED}


@pytest.mark.parametrize(("start", "event"), sorted(set(product(State, Event)) - set(TRANSITIONS)))
def test_every_other_is_refused_and_changes_nothing(start: State, event: Event) -> None:
    request, counts = request_at(start)
    before = dict(counts)
    with pytest.raises(RuntimeError, match=f"{start.name}, found {event.name}$"):
        request.move(event)
    assert (request.state, counts) == (start, before)


def test_every_state_is_reached_and_can_be_released() -> None:
    reached, released = {State.ARRIVED}, {State.RELEASED}
    for _ in State:
        reached |= {end for (start, _), end in TRANSITIONS.items() if start in reached}
        released |= {start for (start, _), end in TRANSITIONS.items() if end in released}
    assert reached == released == set(State)


def test_the_docstring_s_table_is_that_of_the_states() -> None:
    assert states.__doc__ is not None
    words = [line.split() for line in states.__doc__.splitlines()]
    told = {State[line[0]]: line[1] == "yes" for line in words if line and line[0] in State.__members__}
    assert told == {state: state in COUNTED for state in State}


# Where a request comes from, and where it is afterwards, for what needs no room.
MOVES = {
    Event.AWAIT_CLIENT: (("known", "unknown"), "waiting"),
    Event.RECEIVE: (("waiting",), "known"),
    Event.COMPLETE: (("known",), "ready"),
    Event.ABANDON: (("opening",), "ready"),
    Event.RELEASE: (("known", "unknown", "waiting", "ready"), "released"),
}


class Model:
    """What is promised, by lists of requests: who counts, and who has room."""

    def __init__(self) -> None:
        self.at: dict[str, list[InFlight]] = defaultdict(list)

    def counts(self) -> dict[State, int]:
        return {state: len(self.at[state.name.lower()]) for state in COUNTED}

    def take(self, places: tuple[str, ...], which: int) -> InFlight | None:
        requests = self.at[places[which % len(places)]]
        return requests.pop(which % len(requests)) if requests else None

    def check(self, gate: AdmissionGate, event: Event, which: int) -> None:
        known, unknown, opening = (len(self.at[place]) for place in ("known", "unknown", "opening"))
        if event in MOVES:
            places, place = MOVES[event]
            if request := self.take(places, which):
                request.move(event)
                self.at[place].append(request)
        elif event is Event.ADMIT_KNOWN:
            self.check_admitted(gate.admit(0.0, known=True), "known", known + opening)
        elif event is Event.ADMIT_UNKNOWN:
            self.check_admitted(gate.admit(0.0, known=False), "unknown", known + opening + unknown)
        elif event is Event.OPEN and (request := self.take(("ready",), which)):
            is_open = opened(gate, request)
            assert is_open == (opening < LIMIT)
            self.at["opening" if is_open else "ready"].append(request)
        elif event is Event.OPENED and (request := self.take(("opening",), which)):
            gate.opened(request, 0.0, 0.0)

    def check_admitted(self, request: InFlight | None, place: str, ahead: int) -> None:
        assert (request is not None) == (ahead < LIMIT)
        if request is not None:
            self.at[place].append(request)


def opened(gate: AdmissionGate, request: InFlight) -> bool:
    try:
        gate.open(request, 0.0)
    except Overloaded:
        return False
    return True


@given(st.lists(st.tuples(st.sampled_from(Event), st.integers(0, 11)), max_size=100))
def test_counts_and_room_are_those_of_a_naive_model(steps: list[tuple[Event, int]]) -> None:
    gate, model = AdmissionGate(LIMIT), Model()
    for event, which in steps:
        model.check(gate, event, which)
        assert gate._counts == model.counts()


@pytest.mark.parametrize("known", [True, False])
def test_only_the_refusal_of_a_known_token_says_how_much_there_is_to_do(*, known: bool) -> None:
    gate = AdmissionGate(1)
    assert gate.admit(0.0, known=known) is not None
    assert gate.admit(0.0, known=known) is None
    assert gate._limit.refusing is known
