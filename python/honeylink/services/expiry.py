"""Ends sessions past their time.

Any number of processes may sweep. One statement at a time expires sessions; a process that meets another's at work
leaves the rest to it until its own next sweep. Nobody is chosen for that, so nobody's death has to be noticed: the lock
is the statement's own and ends with it. Sharing the work out would not make it faster: those who sweep wait for the
database's CPU, not for each other. Sessions whose rows somebody holds locked are left to a later sweep.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
from uuid_utils.compat import uuid7

from honeylink.domain.access import SYSTEM_TENANT_ID
from honeylink.errors import DependencyUnavailable
from honeylink.services.devices import end_sessions_of
from honeylink.store import devices as device_store
from honeylink.store import sessions as session_store
from honeylink.store.database import RowLocked
from honeylink.telemetry import SESSIONS, span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from honeylink.services.locked_rows import LockedRows
    from honeylink.store.database import Database
    from honeylink.store.sessions import EndingSession

# One statement's worth: enough to keep up with any rate of creation, small enough to hold its locks only shortly.
_BATCH = 200
# That one sweep could not end, before it gives up until the next.
_LEFT_MAX = 1000

_log = structlog.get_logger(__name__)


class Expiry:
    """The sweep. Readers see a session as expired from its end on; the sweep gives the bandwidth back."""

    def __init__(self, database: Database, locked_rows: LockedRows, interval_seconds: float) -> None:
        self._database = database
        self._locked_rows = locked_rows
        self._interval_seconds = interval_seconds

    async def run(self) -> None:
        """Sweep now and after each interval, until cancelled."""
        while True:
            try:
                await self.sweep()
            except DependencyUnavailable as error:
                _log.warning("expiry.skipped", reason=str(error))
            except Exception:  # noqa: BLE001 - whatever went wrong, bandwidth has to come back: log it and go on
                _log.exception("expiry.failed")
            await asyncio.sleep(self._interval_seconds)

    async def sweep(self) -> int:
        """End all sessions past their time by the database's clock, and those that a revocation has left over.

        Returns:
            How many ended because of their time.
        """
        trace_id = uuid4().hex  # one for all that this sweep writes
        await self._locked_rows.refresh()
        total = 0
        left: set[UUID] = set()
        while len(left) < _LEFT_MAX:
            with span("expiry.sweep"):
                due, ended = await self._sweep_batch(trace_id, left)
            if due and ended is None:
                break
            total += len(ended or ())
            left |= due - (ended or set())
            if len(due) < _BATCH:
                break
        await self._drain(trace_id)
        return total

    async def _drain(self, trace_id: str) -> None:
        """End what revocations have left over, of all devices but those whose rows somebody holds."""
        rows = self._locked_rows
        left: set[tuple[UUID, str]] = set()
        while len(left) < _LEFT_MAX and SYSTEM_TENANT_ID not in rows.tenants:
            async with self._database.work() as work:
                draining = await device_store.list_draining_devices(
                    work, _BATCH, without_tenants=rows.tenants, without_devices=left.union(rows.devices)
                )
            left |= {device for device in draining if not await self._drain_device(device, trace_id)}
            if len(draining) < _BATCH:
                break

    async def _drain_device(self, device: tuple[UUID, str], trace_id: str) -> bool:
        if self._locked_rows.blocks(device):
            return False
        try:
            await end_sessions_of(self._database, *device, "system", trace_id)
        except RowLocked as error:
            await self._locked_rows.look([device], error)
            return False
        return True

    async def _sweep_batch(self, trace_id: str, left: set[UUID]) -> tuple[set[UUID], set[UUID] | None]:
        """Which were due, those that are left, and which of them ended; None if another process is at it."""
        rows = self._locked_rows
        async with self._database.work() as work:
            due = await session_store.list_due_sessions(
                work, _BATCH, without_tenants=rows.tenants, without_devices=rows.devices, without_sessions=left
            )
        if not due or SYSTEM_TENANT_ID in rows.tenants:
            return set(), set()
        ending = [session_store.EndingSession(each.tenant_id, each.session_id, uuid7()) for each in due]
        try:
            ended = await self._end(ending, trace_id)
        except RowLocked as error:
            if await rows.look({(each.tenant_id, each.device_id) for each in due}, error):
                return await self._sweep_batch(trace_id, left)  # without those that need what is held
            ended = await self._end_each(ending, trace_id)
        except DependencyUnavailable:
            raise
        except Exception:
            ended = await self._end_each(ending, trace_id)
            if not ended:
                raise  # it is nothing about one of them
        SESSIONS.labels("expired").inc(len(ended or ()))
        return {each.session_id for each in due}, ended

    async def _end(self, ending: Sequence[EndingSession], trace_id: str) -> set[UUID] | None:
        async with self._database.work() as work:
            return await session_store.expire_sessions(work, ending, trace_id=trace_id)

    async def _end_each(self, ending: Sequence[EndingSession], trace_id: str) -> set[UUID]:
        ended: set[UUID] = set()
        for each in ending:
            try:
                ended |= await self._end([each], trace_id) or set()
            except RowLocked as error:
                _log.warning("expiry.session_locked", session_id=str(each.session_id), reason=str(error))
            except DependencyUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - it must not keep the others from ending
                _log.error("expiry.session_failed", session_id=str(each.session_id), reason=repr(error))
        return ended
