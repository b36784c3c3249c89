"""How a process ends: at the first signal in order, at the second at once, and in any case in time."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_log = structlog.get_logger(__name__)


class Stopping:
    """Waits for SIGINT and SIGTERM, in the main thread of a process; elsewhere nothing is waited for.

    What a stopping process waits for has its own bounds. This one stands behind them, for what nobody has thought of:
    a process that is not gone in time is ended as it stands, which loses nothing that was acknowledged.

    `stop` is called at the first signal, and `abandon` at the second, right before the process ends.
    """

    def __init__(
        self, timeout_seconds: int, stop: Callable[[], None], abandon: Callable[[], None] = lambda: None
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._stop = stop
        self._abandon = abandon
        self._begun = False
        self._signals = threading.current_thread() is threading.main_thread()
        if self._signals:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self._signalled)

    def begin(self) -> None:
        """Stop, for another reason than a signal."""
        if self._begun:
            return
        self._begun = True
        if self._signals and sys.platform != "win32":
            signal.signal(signal.SIGALRM, self._give_up)
            signal.alarm(self._timeout_seconds)
        self._stop()

    def _signalled(self, number: int, _: FrameType | None) -> None:
        if self._begun:
            self._abandon()
            os._exit(128 + number)  # as shells tell of a program that the signal has ended
        self.begin()

    def _give_up(self, *_: object) -> None:
        _log.error("shutdown.overdue", timeout_seconds=self._timeout_seconds)
        self._abandon()
        os._exit(1)
