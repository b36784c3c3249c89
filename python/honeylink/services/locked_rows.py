"""Rows that are locked for longer than a commit takes: a request that needs one waits for it without a connection.

A statement waits for a lock as long as a few commits take, and no longer, since meanwhile it holds a connection and the
locks that it has. Then it is found out which rows can't be locked: it is tried several times, and each time the same
transaction must hold them. A request that needs one of them waits here until it is free or the request's time is over;
all others go on.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import structlog

from honeylink.domain.access import SYSTEM_TENANT_ID
from honeylink.errors import DependencyUnavailable
from honeylink.store import locks as lock_store
from honeylink.store.database import RowLocked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection
    from uuid import UUID

    from honeylink.store.database import Database
    from honeylink.store.locks import LockedRow

# A transaction that holds a row at each look is not one of the many short ones.
_LOOKS = 3
_HELD_SECONDS = 0.025
# Between two looks at rows that requests wait for.
_LOOK_SECONDS = 0.05

_log = structlog.get_logger(__name__)

_T = TypeVar("_T")


class LockedRows:
    """The rows that are known to be locked. At most `max_waiting` requests wait for one; more are refused at once."""

    def __init__(self, database: Database, max_waiting: int) -> None:
        self._database = database
        self._max_waiting = max_waiting
        self._waiting = 0
        self._held: set[LockedRow] = set()
        self._looking: asyncio.Task[None] | None = None

    @property
    def devices(self) -> list[tuple[UUID, str]]:
        """The devices that have a row of their own that is locked."""
        return [(row.tenant_id, row.device_id) for row in self._held if row.device_id is not None]

    @property
    def tenants(self) -> list[UUID]:
        """The tenants with a locked row that all their sessions need; the nil tenant is the node."""
        return [row.tenant_id for row in self._held if row.device_id is None]

    def blocks(self, device: tuple[UUID, str]) -> bool:
        """Whether sessions of a device need a locked row, as far as it is known."""
        if not self._held:
            return False
        tenant_id, device_id = device
        needed = {(tenant_id, device_id), (tenant_id, None), (SYSTEM_TENANT_ID, None)}
        return any((row.tenant_id, row.device_id) in needed for row in self._held)

    async def look(self, devices: Collection[tuple[UUID, str]], error: RowLocked) -> bool:
        """Find out whether any of the devices needs a locked row, after a statement has waited too long for one."""
        held = await self._find(devices, tenants_too=error.of_tenant)
        for _ in range(_LOOKS - 1):
            if not held:
                return False
            await asyncio.sleep(_HELD_SECONDS)
            held &= await self._find(devices, tenants_too=error.of_tenant)
        known = {(row.tenant_id, row.device_id) for row in self._held}
        for tenant_id, device_id in {(row.tenant_id, row.device_id) for row in held} - known:
            _log.warning("database.row_locked", tenant_id=str(tenant_id), device_id=device_id)
        self._held |= held
        return bool(held)

    async def refresh(self) -> None:
        """Remove the rows that have become free."""
        if not self._held:
            return
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_again())
        # One look serves all waiting requests, and none of them can cancel it: cancelling a statement takes time too.
        await asyncio.shield(self._looking)

    async def patiently(self, device: tuple[UUID, str], attempt: Callable[[], Awaitable[_T]]) -> _T:
        """Do something with a device's sessions, and again whenever a row was locked, within a request's time.

        `RowLocked` if it has been locked all the time, or too many requests wait already.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._database.remaining_seconds()
        while True:
            if self.blocks(device):
                await self._until_free(device, deadline)
            try:
                return await attempt()
            except RowLocked as error:
                if loop.time() >= deadline:
                    raise
                await self._find_out(device, error)

    async def _find_out(self, device: tuple[UUID, str], error: RowLocked) -> None:
        """Find out why a row was locked, unless that is known; if it stays unknown, wait a moment."""
        if not self.blocks(device) and not await self.look([device], error):
            await asyncio.sleep(_LOOK_SECONDS)
            self._database.spend(_LOOK_SECONDS)

    async def _until_free(self, device: tuple[UUID, str], deadline: float) -> None:
        if self._waiting >= self._max_waiting:
            raise RowLocked
        loop = asyncio.get_running_loop()
        started = loop.time()
        self._waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                while self.blocks(device):
                    await self.refresh()
        except TimeoutError:
            raise RowLocked from None
        finally:
            self._waiting -= 1
            self._database.spend(loop.time() - started)

    async def _look_again(self) -> None:
        before = set(self._held)
        with suppress(DependencyUnavailable), self._database.shared_budget():
            devices = [(row.tenant_id, row.device_id or "") for row in before]
            self._held -= before - await self._find(devices, tenants_too=True)
        if self._held:
            await asyncio.sleep(_LOOK_SECONDS)

    async def _find(self, devices: Collection[tuple[UUID, str]], *, tenants_too: bool) -> set[LockedRow]:
        async with self._database.work() as work:
            return await lock_store.find_locked_rows(work, devices, tenants_too=tenants_too)
