"""The feed of changes that invalidate what other processes have cached: PostgreSQL's LISTEN and NOTIFY.

Notifications arrive in the order of commits. So a *heartbeat*, sent through the pool and received by the listening
connection, proves that everything committed before it has arrived too. When they stop (the server is away, the network
is cut, a pooler in between swallows notifications) nothing that is cached counts any more.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg
import structlog

from honeylink.errors import DependencyUnavailable
from honeylink.store.database import UNAVAILABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from honeylink.store.database import Database

STALE_SECONDS = 1.0
"""How old the last heartbeat may be."""

_CHANNEL = "honeylink_changes"
_HEARTBEAT_SECONDS = 0.3  # three of them within STALE_SECONDS, so that one may come late
_RETRY_SECONDS = 1.0

# A server may also refuse every connection for a while, or this user; it is asked again all the same.
_LOST = (*UNAVAILABLE, asyncpg.PostgresError)

_log = structlog.get_logger(__name__)


class Changes:
    """Listens for changes for as long as `run` runs.

    The DSN may not lead through a pooler that shares connections between transactions. `on_change` is called with each
    payload, such as a token's id; with None when some may have been missed.
    """

    def __init__(self, database: Database, dsn: str, on_change: Callable[[str | None], None]) -> None:
        self._database = database
        self._dsn = dsn
        self._on_change = on_change
        self._sent: dict[str, float] = {}
        self._current_at = float("-inf")

    def is_current(self) -> bool:
        """Whether every change that is older than `STALE_SECONDS` has arrived."""
        return asyncio.get_running_loop().time() - self._current_at < STALE_SECONDS

    async def run(self) -> None:
        """Listen, and listen again after each loss, until cancelled."""
        while True:
            try:
                connection = await asyncpg.connect(self._dsn, timeout=_RETRY_SECONDS)
            except _LOST:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            try:
                await self._listen(connection)
            except _LOST as error:
                _log.warning("changes.lost", reason=str(error) or type(error).__name__)
            finally:
                self._sent.clear()
                self._on_change(None)
                connection.terminate()
            await asyncio.sleep(_HEARTBEAT_SECONDS)

    async def _listen(self, connection: asyncpg.Connection[Any]) -> None:
        # Not `wait_for`, which until Python 3.12 may return a result to who was cancelled.
        async with asyncio.timeout(_RETRY_SECONDS):
            await connection.add_listener(_CHANNEL, self._receive)
        # Nobody listened until now, so what was cached meanwhile may have changed unnoticed.
        self._on_change(None)
        while not connection.is_closed():
            heartbeat = f"heartbeat {uuid4()}"  # no other process's: that one proves nothing about when ours was sent
            self._sent = {heartbeat: asyncio.get_running_loop().time()}
            try:
                async with self._database.work() as work:
                    await work.fetchrow("notify", channel=_CHANNEL, payload=heartbeat)
            except DependencyUnavailable:
                return
            await asyncio.sleep(_HEARTBEAT_SECONDS)

    def _receive(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        if not isinstance(payload, str) or payload.startswith("heartbeat "):
            self._current_at = max(self._current_at, self._sent.pop(str(payload), float("-inf")))
        else:
            self._on_change(payload)
