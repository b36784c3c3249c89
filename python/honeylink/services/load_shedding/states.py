"""The states of a request for a session, and its transitions.

=========  =======  ===================================================================================
state      counted  meaning
=========  =======  ===================================================================================
ARRIVED    no       not admitted yet
UNKNOWN    yes      admitted; its token is still to be looked up
KNOWN      yes      admitted; its token is live, and it is the service that it waits for
RECEIVING  no       it waits for its client, who may take long
READY      no       complete; about to be opened, or it waits for a row that somebody holds locked
OPENING    yes      in a group on its way, or in negotiation
RELEASED   no       it has its answer, or never will
=========  =======  ===================================================================================

Rules:

- Requests with a known token have room while fewer than the limit are KNOWN or OPENING.
- Unknown ones have only what those leave: anybody can send them, and they must not keep out anybody who is known.
  Their bodies are asked for once their tokens have been found live, and that makes them known.
- A READY request has room while fewer than the limit are OPENING: those that are KNOWN come after it.
- A refused request stays as it is: ARRIVED, and nothing remains of it; or READY, until it has its answer.
- A transition that is not in the table is a bug, and raises.
"""

from __future__ import annotations

from enum import IntEnum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(IntEnum):
    """Where a request is. An `IntEnum`, since its hash costs nothing."""

    ARRIVED = auto()
    UNKNOWN = auto()
    KNOWN = auto()
    RECEIVING = auto()
    READY = auto()
    OPENING = auto()
    RELEASED = auto()


class Event(IntEnum):
    """What happens to it."""

    ADMIT_UNKNOWN = auto()
    ADMIT_KNOWN = auto()
    AWAIT_CLIENT = auto()
    RECEIVE = auto()
    COMPLETE = auto()
    OPEN = auto()
    ABANDON = auto()
    OPENED = auto()
    RELEASE = auto()


COUNTED = (State.UNKNOWN, State.KNOWN, State.OPENING)
"""The states whose requests are counted."""

TRANSITIONS: Mapping[tuple[State, Event], State] = {
    (State.ARRIVED, Event.ADMIT_UNKNOWN): State.UNKNOWN,
    (State.ARRIVED, Event.ADMIT_KNOWN): State.KNOWN,
    (State.ARRIVED, Event.COMPLETE): State.READY,  # a caller in this process, who has sent all of it
    #
    (State.UNKNOWN, Event.AWAIT_CLIENT): State.RECEIVING,
    (State.KNOWN, Event.AWAIT_CLIENT): State.RECEIVING,
    (State.RECEIVING, Event.RECEIVE): State.KNOWN,
    (State.RECEIVING, Event.AWAIT_CLIENT): State.RECEIVING,  # the last wait was cut short
    #
    (State.KNOWN, Event.COMPLETE): State.READY,
    (State.READY, Event.OPEN): State.OPENING,
    (State.OPENING, Event.ABANDON): State.READY,  # refused, or to be tried again once a row is free
    (State.OPENING, Event.OPENED): State.RELEASED,
    #
    (State.UNKNOWN, Event.RELEASE): State.RELEASED,
    (State.KNOWN, Event.RELEASE): State.RELEASED,
    (State.RECEIVING, Event.RELEASE): State.RELEASED,
    (State.READY, Event.RELEASE): State.RELEASED,
    #
    (State.RELEASED, Event.RELEASE): State.RELEASED,
    (State.RELEASED, Event.AWAIT_CLIENT): State.RELEASED,  # the application may look whether the client is there still
    (State.RELEASED, Event.RECEIVE): State.RELEASED,
}
"""All that may happen, and to what it leads."""
