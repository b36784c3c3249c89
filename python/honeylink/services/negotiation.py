"""What is done about a session that finds no room: ask when there will be some, or take it from weaker ones.

A group decides by what each pool has left. Only where that is too little it matters who holds it. Reading that takes
longer, so it is done apart, for one session at a time, while groups go on. The decision is the planner's again, on one
snapshot of the path and of those that hold it.

Taking is one transaction: the locks of all pools concerned in their order, then the ends, what others keep, and the new
session, by the statements that do so for everybody. Each of them does nothing to a session or pool that is no longer as
it was read; if any did less than planned, all is rolled back and decided again.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from honeylink.domain.admission import decide
from honeylink.errors import ClientGone, DependencyUnavailable, NotFound
from honeylink.services.asking import OpenedSession, wipe, with_keys
from honeylink.services.snapshots import Snapshot
from honeylink.store import pools as pool_store
from honeylink.store import sessions as session_store
from honeylink.store.sessions import EndingSession
from honeylink.telemetry import SESSIONS, current_trace_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from honeylink.domain.admission import Admission, LiveSession, Pool
    from honeylink.keys.keyring import Keyring
    from honeylink.services.asking import Asked
    from honeylink.store.database import Database, UnitOfWork
    from honeylink.store.sessions import NewSession

__all__ = ["Negotiation"]

# Of each kind that is read. What a larger number would find is hardly worth the time it takes.
_RIVALS_MAX = 500

# At the same time. Reading who holds what costs as much as opening dozens of sessions, which go on meanwhile.
_AT_ONCE = 2

_REASON = "preempted"


class _RaceLostError(Exception):
    """Somebody was faster; nothing was done."""


class Negotiation:
    """Decides on one session by all that is known, and opens it at the cost of weaker ones where pools allow that."""

    def __init__(self, database: Database, keyring: Keyring, *, session_endpoint: str, max_streams: int) -> None:
        self._database = database
        self._keyring = keyring
        self._session_endpoint = session_endpoint
        self._max_streams = max_streams
        self._turns = asyncio.Semaphore(_AT_ONCE)

    @property
    def busy(self) -> bool:
        """Whether one more would have to wait."""
        return self._turns.locked()

    async def look(self, work: UnitOfWork, asked: Asked) -> tuple[Snapshot, Admission]:
        """Decide, and change nothing.

        Raises:
            NotFound: the tenant has no such device.
            StateConflict: the device is not paired.
            TooManyStreams: there are more than one session may have.
            BandwidthExceeded: a pool on the device's path is short; says as far as it is known when that will change.
        """
        tenant_id, device_id = asked.device
        contexts = await session_store.find_session_contexts(work, [asked.device])
        if asked.device not in contexts:
            raise NotFound("device", device_id)
        context = contexts[asked.device]
        read_at = asyncio.get_running_loop().time()
        may_take = any(pool.preemption for pool in context.path)
        weaker_than = asked.request.setup_priority if may_take else None
        path, rivals = await session_store.find_rivals(work, tenant_id, device_id, weaker_than, _RIVALS_MAX)
        admission = decide(asked.request, context.device_status, path, asked.stream_ids, self._max_streams, rivals)
        return Snapshot(replace(context, path=path), read_at), admission

    async def open(self, asked: Asked) -> OpenedSession:
        """Open a session if there is room or room can be made, when its turn has come.

        Raises:
            ClientGone: nobody waits for the answer any more.
            DependencyUnavailable: database or key provider are away or too slow, or others were faster all the time.
            ServiceError: as `look`.
        """
        try:
            async with asyncio.timeout_at(asked.deadline):
                await self._turns.acquire()
        except TimeoutError:
            raise DependencyUnavailable("its turn to look for room") from None
        try:
            return await self._open(asked)
        finally:
            self._turns.release()

    async def _open(self, asked: Asked) -> OpenedSession:
        remaining_seconds = asked.deadline - asyncio.get_running_loop().time()
        with self._database.shared_budget(remaining_seconds):
            while True:
                async with self._database.work() as work:
                    snapshot, admission = await self.look(work, asked)
                    if not asked.wanted():
                        raise ClientGone
                    new, stream_keys = await with_keys(self._keyring, asked, snapshot, admission.streams)
                    try:
                        times = await self._commit(work, new, snapshot.context.path, admission)
                    except _RaceLostError:
                        wipe(stream_keys)
                        continue
                SESSIONS.labels("terminated").inc(len(admission.evicted))
                return OpenedSession(new.session_id, *times, self._session_endpoint, new.streams, stream_keys)

    async def _commit(
        self, work: UnitOfWork, new: NewSession, path: Sequence[Pool], admission: Admission
    ) -> tuple[datetime, datetime]:
        async with work.transaction():
            victims = [*(each.session for each in admission.shrunk), *admission.evicted]
            keys = {pool.key for pool in path} | {key for session in victims for key in session.pool_keys}
            await pool_store.lock_pools(work, keys)
            if victims:
                await self._make_room(work, admission, victims)
            stored = await session_store.create_sessions(work, [new], self._session_endpoint)
            if new.session_id not in stored:
                raise _RaceLostError
            return stored[new.session_id]

    async def _make_room(self, work: UnitOfWork, admission: Admission, victims: Sequence[LiveSession]) -> None:
        told = {"reason": _REASON, "actor": "system", "trace_id": current_trace_id()}
        ending = [EndingSession(each.tenant_id, each.session_id, uuid7()) for each in admission.evicted]
        if len(await session_store.end_sessions(work, ending, **told)) < len(ending):
            raise _RaceLostError
        shrinking = [(each, uuid7()) for each in admission.shrunk]
        if await session_store.shrink_sessions(work, shrinking, **told) < len(shrinking):
            raise _RaceLostError
        await pool_store.settle(work, {session.tenant_id for session in victims})
