"""How long a client may take: to send what is awaited of it, and to read what it was sent."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from honeylink.errors import TooSlow

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from honeylink.settings import Settings

__all__ = ["KEEP_ALIVE_SECONDS", "Phase", "ReadDeadline", "WriteDeadline"]

KEEP_ALIVE_SECONDS = 30
# The application is given its own deadline for a body first, as it can say which one was missed.
_BODY_GRACE_SECONDS = 1


class Phase(Enum):
    """What is to come next from the client."""

    REQUEST = auto()
    HEADER = auto()
    BODY = auto()
    END = auto()
    """Nothing that is looked at any more."""


class ReadDeadline:
    """The time that a client has for what it is to send next, anew for each thing that is awaited.

    It holds no reference to its connection but in its timer, so that neither keeps the other alive.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: Settings) -> None:
        self._loop = loop
        self._settings = settings
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.awaited: tuple[Phase, int] | None = None
        """What is awaited, and of which request."""

    def wait_for(self, awaited: tuple[Phase, int] | None, expired: Callable[[], None]) -> None:
        """Let the time run if it is the client that is waited for.

        Args:
            awaited: what is awaited, and of which request; None if it is not the client.
            expired: called when the time is over.
        """
        if awaited == self.awaited:
            return
        self.awaited = awaited
        if awaited is None:
            return
        self._due = self._loop.time() + self._seconds(*awaited)
        if self._timer is not None and self._timer.when() > self._due:
            self.cancel()
        if self._timer is None:
            self._timer = self._loop.call_at(self._due, self._check, expired)

    def cancel(self) -> None:
        """Let no time run any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, expired: Callable[[], None]) -> None:
        """The timer of a deadline, perhaps of one that was met: setting it anew for each request would cost more."""
        self._timer = None
        if self.awaited is None:
            return
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._check, expired)
        else:
            expired()

    def _seconds(self, phase: Phase, request: int) -> float:
        if phase is Phase.BODY:
            return self._settings.body_timeout_seconds + _BODY_GRACE_SECONDS
        if phase is Phase.REQUEST and request:
            return KEEP_ALIVE_SECONDS
        return self._settings.header_timeout_seconds

    def fault(self, phase: Phase, request: int) -> TooSlow | None:
        """What to tell the client when the time is over; None if it is not in the middle of anything.

        Args:
            phase: what was awaited.
            request: of which request; 0 before the first.
        """
        if phase is Phase.BODY:
            return TooSlow("body", self._settings.body_timeout_seconds)
        if phase is Phase.REQUEST and request:
            return None
        return TooSlow("header", self._settings.header_timeout_seconds)


class WriteDeadline:
    """The time that a client has to make room for more of what it was sent; then its connection is aborted."""

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: Settings) -> None:
        self._loop = loop
        self._seconds = settings.write_timeout_seconds
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, transport: asyncio.Transport, go_on: Callable[[], bool]) -> None:
        """Let the time run, if there is anything unsent.

        Args:
            transport: what is written to.
            go_on: whether to watch on, once some of it has been read.
        """
        unsent_bytes = transport.get_write_buffer_size()
        if unsent_bytes and self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._check, transport, unsent_bytes, go_on)

    def cancel(self) -> None:
        """Let no time run any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, transport: asyncio.Transport, unsent_bytes: int, go_on: Callable[[], bool]) -> None:
        self._timer = None
        if transport.get_write_buffer_size() >= unsent_bytes:
            transport.abort()
        elif go_on():
            self.watch(transport, go_on)
