"""How much is done in one pass of the event loop, so that nobody waits long for it.

Hundreds of requests that arrive together would all begin in one pass, and whoever comes meanwhile, a refusal too, would
wait for the last of them. So each pass begins a few of them, and the network is looked at in between; and a group of
sessions that has been stored is settled likewise. Refusals wait a little and leave together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

# Some milliseconds of work, and a quarter of that while others wait to be refused. Fewer at all times would spread what
# comes together, so that fewer share a commit: 4 cost 8 % of the sessions that can be opened a second.
_PER_PASS = 16
_PER_PASS_REFUSING = 4
# Sent together, refusals cost both sides less; and a client that asks again at once is slowed down a little.
_REFUSAL_DELAY_SECONDS = 0.005

_log = structlog.get_logger(__name__)


class Turns:
    """Spreads work over passes of the event loop. `refusing` tells whether a request has been refused lately."""

    def __init__(self, refusing: Callable[[], bool]) -> None:
        self._refusing = refusing
        self._begun = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._refusals: list[Callable[[], None]] = []

    async def begin(self) -> None:
        """Wait for a turn to begin. Turns come in the order of the calls."""
        loop = asyncio.get_running_loop()
        if self._waiting or self._begun >= self._begun_max():
            turn = loop.create_future()
            self._waiting.append(turn)
            await turn
        else:
            if not self._begun:
                loop.call_soon(self._next_pass)
            self._begun += 1

    def _begun_max(self) -> int:
        return _PER_PASS_REFUSING if self._refusals else _PER_PASS

    def _next_pass(self) -> None:
        self._begun = min(self._begun_max(), len(self._waiting))
        for _ in range(self._begun):
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
        if self._begun:
            asyncio.get_running_loop().call_soon(self._next_pass)

    async def yield_after(self, index: int) -> None:
        """Yield to the event loop after every few members of a group; `index` is the member's place."""
        settled_max = _PER_PASS_REFUSING if self._refusing() else _PER_PASS
        if index % settled_max == settled_max - 1:
            await asyncio.sleep(0)

    def refuse_later(self, send: Callable[[], None]) -> None:
        """Call `send` when it is time to answer."""
        if not self._refusals:
            asyncio.get_running_loop().call_later(_REFUSAL_DELAY_SECONDS, self._send_refusals)
        self._refusals.append(send)

    def _send_refusals(self) -> None:
        refusals, self._refusals = self._refusals, []
        for send in refusals:
            try:
                send()
            except Exception:  # noqa: BLE001 - whatever it is, the others have nothing to do with it
                _log.exception("refusal.failed")
