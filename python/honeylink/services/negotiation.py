"""What is done about a session that finds no room: say when there will be some, or preempt weaker sessions.

ARCHITECTURE.md says how, under "Negotiation". Reading the sessions that hold the pools takes long, so it is done apart
from the groups, which go on.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from honeylink.domain.admission import decide
from honeylink.errors import BandwidthExceeded, ClientGone, DependencyUnavailable, NotFound
from honeylink.keys.providers import KeyProviderError
from honeylink.services.budget import within_budget
from honeylink.services.pending import OpenedSession, new_session, session_roots, wipe
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
    from honeylink.services.pending import PendingSession
    from honeylink.store.database import Database, UnitOfWork

# Of each kind that is read. What a larger number would find is hardly worth the time it takes.
_CONTENDERS_MAX = 100

# At the same time. Reading the contenders costs as much as opening dozens of sessions, which go on meanwhile.
_AT_ONCE = 2

# After a race that was lost, and after several.
_PAUSE_SECONDS = 0.005
_PAUSE_SECONDS_MAX = 0.08

_REASON = "preempted"


class _RaceLostError(Exception):
    """Another transaction was faster; nothing was done."""


class Negotiation:
    """Decides on one session by all that is known, and opens it by preempting weaker ones where pools allow that."""

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

    async def look(self, work: UnitOfWork, pending: PendingSession) -> tuple[Snapshot, Contenders, Admission]:
        """Decide, and change nothing: what was read, and what was decided on it."""
        snapshot, contenders = await self._read(work, pending)
        return snapshot, contenders, self._decide(pending, snapshot, contenders)

    async def _read(self, work: UnitOfWork, pending: PendingSession) -> tuple[Snapshot, Contenders]:
        tenant_id, device_id = pending.device
        contexts = await session_store.find_session_contexts(work, [pending.device])
        if pending.device not in contexts:
            raise NotFound("device", device_id)
        context = contexts[pending.device]
        read_at = asyncio.get_running_loop().time()
        may_take = any(pool.preemption for pool in context.path)
        weaker_than = (pending.request.setup_priority or None) if may_take else None
        # Of sessions of other devices. Those of its own device are few, and read whatever their age.
        min_hold_ms = min((pool.min_hold_ms for pool in context.path[1:] if pool.preemption), default=0)
        path, contenders = await session_store.find_contenders(
            work, tenant_id, device_id, weaker_than, min_hold_ms, _CONTENDERS_MAX
        )
        return Snapshot(replace(context, path=path), read_at), contenders

    def _decide(self, pending: PendingSession, snapshot: Snapshot, contenders: Contenders) -> Admission:
        context = snapshot.context
        return decide(
            pending.request, context.device_status, context.path, pending.stream_ids, self._max_streams, contenders
        )

    async def preview(self, pending: PendingSession) -> tuple[Snapshot, Admission | BandwidthExceeded]:
        """Look, when its turn has come: what was read, and what was decided on it, a refusal for want of room too."""
        async with self._turn(pending), self._database.work() as work:
            snapshot, contenders = await self._read(work, pending)
        try:
            return snapshot, self._decide(pending, snapshot, contenders)
        except BandwidthExceeded as refusal:
            return snapshot, refusal

    async def open(self, pending: PendingSession) -> OpenedSession:
        """Open a session if there is room or room can be made, in its turn, and again after each lost race."""
        pause_seconds = _PAUSE_SECONDS
        while True:
            async with self._turn(pending):
                opened = await self._try_open(pending)
            if opened is not None:
                return opened
            # What was in the way may be there for longer, so others have their turn first.
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _PAUSE_SECONDS_MAX)

    @asynccontextmanager
    async def _turn(self, pending: PendingSession) -> AsyncIterator[None]:
        """Wait for a turn; the units of work of the block then share what is left of the request's time."""
        try:
            async with asyncio.timeout_at(pending.deadline):
                await self._turns.acquire()
        except TimeoutError:
            raise DependencyUnavailable("its turn to look for room") from None
        try:
            with self._database.shared_budget(pending.deadline - asyncio.get_running_loop().time()):
                yield
        finally:
            self._turns.release()

    async def _try_open(self, pending: PendingSession) -> OpenedSession | None:
        """Open the session; None if others were faster."""
        made: list[Secret] = []
        try:
            admission, opened = await self._look_and_commit(pending, made)
        except _RaceLostError:
            wipe(made)
            return None
        except BaseException:
            wipe(made)
            raise
        SESSIONS.labels("terminated").inc(len(admission.evicted))
        return opened

    async def _look_and_commit(self, pending: PendingSession, made: list[Secret]) -> tuple[Admission, OpenedSession]:
        """Decide and do it; `made` is given the keys as soon as there are any."""
        async with self._database.work() as work:
            snapshot, contenders, admission = await self.look(work, pending)
        with await within_budget(
            self._database, self._keyring.unwrap_roots([session_roots(pending, snapshot)])
        ) as roots:
            if not pending.wanted():
                raise ClientGone
            [keys] = roots.session_keys()
        if isinstance(keys, KeyProviderError):
            raise keys
        made += keys.stream_keys
        async with self._database.work() as work:
            return await self._commit(work, pending, snapshot, contenders, admission, keys)

    async def _commit(
        self,
        work: UnitOfWork,
        pending: PendingSession,
        snapshot: Snapshot,
        contenders: Contenders,
        admission: Admission,
        keys: SessionKeys,
    ) -> tuple[Admission, OpenedSession]:
        async with work.transaction():
            locked = await pool_store.lock_pools(work, _pool_keys(snapshot, admission))
            if admission.victims:
                admission = self._decide_again(pending, snapshot, contenders, locked)
                await self._make_room(work, admission)
            new = new_session(pending, snapshot, admission.streams, keys.sealed)
            stored = await session_store.create_sessions(work, [new], self._session_endpoint)
            if new.session_id not in stored:
                raise _RaceLostError
        times = stored[new.session_id]
        return admission, OpenedSession(new.session_id, *times, self._session_endpoint, new.streams, keys.stream_keys)

    def _decide_again(
        self, pending: PendingSession, snapshot: Snapshot, contenders: Contenders, locked: Mapping[str, Pool]
    ) -> Admission:
        """With the pools as they are under their locks, so that no session loses what is not needed or not there."""
        path = tuple(locked[pool.key] for pool in snapshot.context.path)
        contenders = replace(contenders, pools=tuple(locked.get(pool.key, pool) for pool in contenders.pools))
        try:
            admission = self._decide(
                pending, replace(snapshot, context=replace(snapshot.context, path=path)), contenders
            )
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
    """The pools that are concerned: those of the path, and all of the sessions that lose something."""
    return {pool.key for pool in snapshot.context.path}.union(*(each.pool_keys for each in admission.victims))
