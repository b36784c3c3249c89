"""What is done about a session that finds no room: ask when there will be some, or take it from weaker ones.

A group decides by what each pool has left. Only where that is too little it matters who holds it. Reading that takes
longer, so it is done apart, for one session at a time, while groups go on. The decision is the planner's again, on one
snapshot of the path and of those that hold it.

Taking is one transaction: the locks of all pools concerned in their order, then the ends, what others keep, and the new
session, by the statements that do so for everybody. Under the locks it is decided once more, since room may have come
free, or a pool may give nothing away any more. And each statement does nothing to a session that is no longer as it was
read; if any did less than planned, all is rolled back and decided again from the start.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from honeylink.domain.admission import decide
from honeylink.errors import BandwidthExceeded, ClientGone, DependencyUnavailable, NotFound
from honeylink.services.asking import OpenedSession, new_session, session_roots, wipe
from honeylink.services.budget import within_budget
from honeylink.services.snapshots import Snapshot
from honeylink.store import pools as pool_store
from honeylink.store import sessions as session_store
from honeylink.store.sessions import EndingSession
from honeylink.telemetry import SESSIONS, current_trace_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from honeylink.domain.admission import Admission, Contenders, Pool
    from honeylink.keys.keyring import Keyring, SessionKeys
    from honeylink.keys.secret import Secret
    from honeylink.services.asking import Asked
    from honeylink.store.database import Database, UnitOfWork

__all__ = ["Negotiation"]

# Of each kind that is read. What a larger number would find is hardly worth the time it takes.
_RIVALS_MAX = 100

# At the same time. Reading who holds what costs as much as opening dozens of sessions, which go on meanwhile.
_AT_ONCE = 2

# After a race that was lost, and after several.
_PAUSE_SECONDS = 0.005
_PAUSE_SECONDS_MAX = 0.08

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

    async def look(self, work: UnitOfWork, asked: Asked) -> tuple[Snapshot, Contenders, Admission]:
        """Decide, and change nothing.

        Returns:
            What was read, and what was decided on it.

        Raises:
            NotFound: the tenant has no such device.
            StateConflict: the device is not paired.
            TooManyStreams: there are more than one session may have.
            BandwidthExceeded: a pool on the device's path is short; says as far as it is known when that will change.
        """
        snapshot, rivals = await self._read(work, asked)
        return snapshot, rivals, self._decide(asked, snapshot, rivals)

    async def _read(self, work: UnitOfWork, asked: Asked) -> tuple[Snapshot, Contenders]:
        tenant_id, device_id = asked.device
        contexts = await session_store.find_session_contexts(work, [asked.device])
        if asked.device not in contexts:
            raise NotFound("device", device_id)
        context = contexts[asked.device]
        read_at = asyncio.get_running_loop().time()
        may_take = any(pool.preemption for pool in context.path)
        weaker_than = (asked.request.setup_priority or None) if may_take else None
        # Of sessions of other devices. Those of its own are few, and read whatever their age.
        min_hold_ms = min((pool.min_hold_ms for pool in context.path[1:] if pool.preemption), default=0)
        path, rivals = await session_store.find_contenders(
            work, tenant_id, device_id, weaker_than, min_hold_ms, _RIVALS_MAX
        )
        return Snapshot(replace(context, path=path), read_at), rivals

    def _decide(self, asked: Asked, snapshot: Snapshot, rivals: Contenders) -> Admission:
        context = snapshot.context
        return decide(asked.request, context.device_status, context.path, asked.stream_ids, self._max_streams, rivals)

    async def preview(self, asked: Asked) -> tuple[Snapshot, Admission | BandwidthExceeded]:
        """Look, when its turn has come.

        Returns:
            What was read, and what was decided on it, a refusal for want of room too.

        Raises:
            DependencyUnavailable: the database is away or too slow, or its turn did not come in time.
            ServiceError: as `look`.
        """
        async with self._turn(asked), self._database.work() as work:
            snapshot, rivals = await self._read(work, asked)
        try:
            return snapshot, self._decide(asked, snapshot, rivals)
        except BandwidthExceeded as refusal:
            return snapshot, refusal

    async def open(self, asked: Asked) -> OpenedSession:
        """Open a session if there is room or room can be made, when its turn has come, and again after each lost race.

        Raises:
            RowLocked: a row of the path, or of those who would have to give way, is held by somebody else.
            ClientGone: nobody waits for the answer any more.
            DependencyUnavailable: database or key provider are away or too slow, or others were faster all the time.
            ServiceError: as `look`.
        """
        pause_seconds = _PAUSE_SECONDS
        while True:
            async with self._turn(asked):
                opened = await self._try_open(asked)
            if opened is not None:
                return opened
            # What was in the way may be there for longer, so others have their turn first.
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _PAUSE_SECONDS_MAX)

    @asynccontextmanager
    async def _turn(self, asked: Asked) -> AsyncIterator[None]:
        """Wait for a turn; the units of work of the block then share what is left of the request's time."""
        try:
            async with asyncio.timeout_at(asked.deadline):
                await self._turns.acquire()
        except TimeoutError:
            raise DependencyUnavailable("its turn to look for room") from None
        try:
            with self._database.shared_budget(asked.deadline - asyncio.get_running_loop().time()):
                yield
        finally:
            self._turns.release()

    async def _try_open(self, asked: Asked) -> OpenedSession | None:
        """Open the session; None if others were faster."""
        made: list[Secret] = []
        try:
            admission, opened = await self._look_and_commit(asked, made)
        except _RaceLostError:
            wipe(made)
            return None
        except BaseException:
            wipe(made)
            raise
        SESSIONS.labels("terminated").inc(len(admission.evicted))
        return opened

    async def _look_and_commit(self, asked: Asked, made: list[Secret]) -> tuple[Admission, OpenedSession]:
        """Decide and do it; `made` is given the keys as soon as there are any."""
        async with self._database.work() as work:
            snapshot, rivals, admission = await self.look(work, asked)
        with await within_budget(self._database, self._keyring.unwrap_roots([session_roots(asked, snapshot)])) as roots:
            if not asked.wanted():
                raise ClientGone
            keys = roots.session_keys(0)
        made += keys.stream_keys
        async with self._database.work() as work:
            return await self._commit(work, asked, snapshot, rivals, admission, keys)

    async def _commit(
        self,
        work: UnitOfWork,
        asked: Asked,
        snapshot: Snapshot,
        rivals: Contenders,
        admission: Admission,
        keys: SessionKeys,
    ) -> tuple[Admission, OpenedSession]:
        async with work.transaction():
            locked = await pool_store.lock_pools(work, _pool_keys(snapshot, admission))
            if admission.victims:
                admission = self._decide_again(asked, snapshot, rivals, locked)
                await self._make_room(work, admission)
            new = new_session(asked, snapshot, admission.streams, keys.sealed)
            stored = await session_store.create_sessions(work, [new], self._session_endpoint)
            if new.session_id not in stored:
                raise _RaceLostError
        times = stored[new.session_id]
        return admission, OpenedSession(new.session_id, *times, self._session_endpoint, new.streams, keys.stream_keys)

    def _decide_again(
        self, asked: Asked, snapshot: Snapshot, rivals: Contenders, locked: Mapping[str, Pool]
    ) -> Admission:
        """With the pools as they are under their locks, so that nobody loses what is not needed or not to be had."""
        context = snapshot.context
        path = [locked[pool.key] for pool in context.path]
        rivals = replace(rivals, pools=tuple(locked.get(pool.key, pool) for pool in rivals.pools))
        try:
            admission = decide(asked.request, context.device_status, path, asked.stream_ids, self._max_streams, rivals)
        except BandwidthExceeded:
            raise _RaceLostError from None
        if not _pool_keys(snapshot, admission) <= locked.keys():
            raise _RaceLostError
        return admission

    async def _make_room(self, work: UnitOfWork, admission: Admission) -> None:
        told = {"reason": _REASON, "actor": "system", "trace_id": current_trace_id()}
        ending = [EndingSession(each.tenant_id, each.session_id, uuid7()) for each in admission.evicted]
        if len(await session_store.end_sessions(work, ending, **told)) < len(ending):
            raise _RaceLostError
        shrinking = [(each, uuid7()) for each in admission.shrunk]
        if await session_store.shrink_sessions(work, shrinking, **told) < len(shrinking):
            raise _RaceLostError
        await pool_store.withhold_claims(work, {session.tenant_id for session in admission.victims})


def _pool_keys(snapshot: Snapshot, admission: Admission) -> set[str]:
    """The pools that are concerned: those of the path, and all of those who lose something."""
    return {pool.key for pool in snapshot.context.path}.union(*(each.pool_keys for each in admission.victims))
