"""How long a client may take: to send what is awaited of it, and to read what it was sent."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from honeylink.errors import TooSlow

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from honeylink.settings import Settings

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


class Deadlines:
    """The time that a client has for what it is to send next, anew for each thing that is awaited; and to read.

    The timers alone refer to the connection, so that it goes as soon as they are cancelled.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, settings: Settings) -> None:
        self._loop = loop
        self._settings = settings
        self._due = 0.0
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self.awaited: tuple[Phase, int] | None = None
        """What is awaited, and of which request; None while it is not the client."""

    def wait_for(self, awaited: tuple[Phase, int] | None, expired: Callable[[], None]) -> None:
        """Let the time run for what is awaited, if it is another thing than before; `expired` is called at its end."""
        if awaited == self.awaited:
            return
        self.awaited = awaited
        if awaited is None:
            return
        self._due = self._loop.time() + self._seconds(*awaited)
        if self._reading is not None and self._reading.when() > self._due:
            self._reading.cancel()
            self._reading = None
        if self._reading is None:
            self._reading = self._loop.call_at(self._due, self._check_due, expired)

    def _check_due(self, expired: Callable[[], None]) -> None:
        """The timer of a deadline, perhaps of one that was met: setting it anew for each request would cost more."""
        self._reading = None
        if self.awaited is None:
            return
        if self._loop.time() < self._due:
            self._reading = self._loop.call_at(self._due, self._check_due, expired)
        else:
            expired()

    def _seconds(self, phase: Phase, request: int) -> float:
        if phase is Phase.BODY:
            return self._settings.body_timeout_seconds + _BODY_GRACE_SECONDS
        if phase is Phase.REQUEST and request:
            return KEEP_ALIVE_SECONDS
        return self._settings.header_timeout_seconds

    def fault(self, phase: Phase, request: int) -> TooSlow | None:
        """What to tell a client that was too slow; None if no request has begun since the last (`request` counts)."""
        if phase is Phase.BODY:
            return TooSlow("body", self._settings.body_timeout_seconds)
        if phase is Phase.REQUEST and request:
            return None
        return TooSlow("header", self._settings.header_timeout_seconds)

    def watch_writing(self, transport: asyncio.Transport, goes_on: Callable[[], bool]) -> None:
        """Abort unless the client makes room for what it was sent; and watch on after that, if it `goes_on`."""
        unsent_bytes = transport.get_write_buffer_size()
        if unsent_bytes and self._writing is None:
            seconds = self._settings.write_timeout_seconds
            self._writing = self._loop.call_later(seconds, self._check_written, transport, unsent_bytes, goes_on)

    def _check_written(self, transport: asyncio.Transport, unsent_bytes: int, goes_on: Callable[[], bool]) -> None:
        self._writing = None
        if transport.get_write_buffer_size() >= unsent_bytes:
            transport.abort()
        elif goes_on():
            self.watch_writing(transport, goes_on)

    def cancel(self) -> None:
        """Let no time run any more."""
        for timer in (self._reading, self._writing):
            if timer is not None:
                timer.cancel()
        self._reading = self._writing = None
