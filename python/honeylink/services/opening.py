"""Group commit: sessions that are opened at the same moment share one snapshot, one statement and one commit.

A commit costs a write to the disk, whether it holds one session or fifty. So while groups are on their way, those that
come are collected, and leave together when one is back. Nobody waits for company: a request that finds no group on its
way leaves at once, alone.

The planner sees what the group has been admitted before, so a group never competes with itself. It may lose to another
process between snapshot and commit; what was lost is decided again with the next group.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from uuid_utils.compat import uuid7

from honeylink.domain.admission import decide
from honeylink.domain.audit import Category
from honeylink.errors import DependencyUnavailable, NotFound, ServiceError
from honeylink.services.audit import event_by
from honeylink.store import sessions as session_store
from honeylink.store.sessions import NewSession

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from honeylink.domain.access import Principal
    from honeylink.domain.admission import Pool
    from honeylink.domain.sessions import SessionRequest, Stream
    from honeylink.keys.keyring import Keyring
    from honeylink.keys.secret import Secret
    from honeylink.store.database import Database
    from honeylink.store.sessions import SessionContext

__all__ = ["OpenedSession", "Opening"]

# More than one, so that Python prepares a group while PostgreSQL commits another; more than two gain nothing.
_GROUPS_IN_FLIGHT = 2
# What fits a commit's time at full load. A larger group would only make its first member wait for its last.
_GROUP_MAX = 64

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session that has just been opened, with the keys of its streams; they are shown this once."""

    session_id: UUID
    created_at: datetime
    expires_at: datetime
    session_endpoint: str
    streams: tuple[Stream, ...]
    stream_keys: tuple[Secret, ...]

    def wipe_keys(self) -> None:
        """Overwrite the keys, once they have been shown."""
        for key in self.stream_keys:
            key.wipe()


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request that waits to be opened."""

    caller: Principal
    request: SessionRequest
    deadline: float
    session_id: UUID
    stream_ids: list[UUID]
    result: asyncio.Future[OpenedSession]
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    @property
    def device(self) -> tuple[UUID, str]:
        return self.caller.tenant_id, self.request.device_id


class Opening:
    """Opens sessions in groups.

    Args:
        max_waiting: how many requests may wait; beyond, one is refused at once, for it would only wait to be too late.
    """

    def __init__(
        self, database: Database, keyring: Keyring, session_endpoint: str, max_streams: int, max_waiting: int
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._session_endpoint = session_endpoint
        self._max_streams = max_streams
        self._max_waiting = max_waiting
        self._waiting: deque[_Waiting] = deque()
        self._groups: set[asyncio.Task[None]] = set()

    async def open(self, caller: Principal, request: SessionRequest) -> OpenedSession:
        """Open a session with the next group.

        Raises:
            NotFound: the tenant has no such device.
            StateConflict: the device is not paired.
            TooManyStreams: there are more than one session may have.
            BandwidthExceeded: a pool on the device's path is short.
            DependencyUnavailable: database or key provider are away or too slow, or too many are waiting.
        """
        if len(self._waiting) >= self._max_waiting:
            raise DependencyUnavailable("room for another waiting request")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(
            caller=caller,
            request=request,
            deadline=loop.time() + self._database.remaining_seconds(),
            session_id=uuid7(),
            stream_ids=[uuid7() for _ in request.streams],
            result=loop.create_future(),
        )
        self._waiting.append(waiting)
        self._dispatch()
        try:
            async with asyncio.timeout_at(waiting.deadline):
                return await waiting.result
        except TimeoutError:
            raise DependencyUnavailable("the database") from None

    def _dispatch(self) -> None:
        """Send groups on their way while there is room for one and somebody to go."""
        while self._waiting and len(self._groups) < _GROUPS_IN_FLIGHT:
            group = [self._waiting.popleft() for _ in range(min(_GROUP_MAX, len(self._waiting)))]
            # Spans of the group's statements belong to its first member's trace.
            task = asyncio.get_running_loop().create_task(self._open_group(group), context=group[0].context.copy())
            self._groups.add(task)
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._groups.discard(task)
        self._dispatch()

    async def _open_group(self, group: list[_Waiting]) -> None:
        try:
            with self._database.shared_budget():
                lost = await self._try_group(group)
        except DependencyUnavailable as error:
            _refuse(group, error)
        except Exception as error:  # noqa: BLE001 - it goes to the request it belongs to
            if len(group) == 1:
                _refuse(group, error)
                return
            # One of them has something that the database can't take. Alone, it fails nobody else.
            _log.exception("opening.group_failed", sessions=len(group))
            for each in group:
                await self._open_group([each])
        else:
            self._waiting.extendleft(reversed(lost))

    async def _try_group(self, group: list[_Waiting]) -> list[_Waiting]:
        """Open those that can be opened and refuse those that can't; returns those that lost a race."""
        now = asyncio.get_running_loop().time()
        live = [each for each in group if not each.result.done() and each.deadline > now]
        if not live:
            return []
        async with self._database.work() as work:
            contexts = await session_store.find_session_contexts(work, {each.device for each in live})
            admitted: dict[_Waiting, tuple[NewSession, tuple[Secret, ...]]] = {}
            taken_kbps: Counter[str] = Counter()
            for each in live:
                try:
                    admitted[each] = await self._admit(each, contexts, taken_kbps)
                except ServiceError as refusal:
                    _refuse([each], refusal)
            if not admitted:
                return []
            stored = await session_store.create_sessions(
                work, [new for new, _ in admitted.values()], self._session_endpoint
            )
        for each, (new, stream_keys) in admitted.items():
            times = stored.get(each.session_id)
            if times is not None and not each.result.done():
                each.result.set_result(
                    OpenedSession(each.session_id, *times, self._session_endpoint, new.streams, stream_keys)
                )
        return [each for each in admitted if each.session_id not in stored]

    async def _admit(
        self,
        waiting: _Waiting,
        contexts: Mapping[tuple[UUID, str], SessionContext],
        taken_kbps: Counter[str],
    ) -> tuple[NewSession, tuple[Secret, ...]]:
        """Decide on one and derive its keys; `taken_kbps` is what the group has of each pool."""
        request = waiting.request
        context = contexts.get(waiting.device)
        if context is None:
            raise NotFound("device", request.device_id)
        path = tuple(_after(pool, taken_kbps) for pool in context.path)
        streams = decide(request, context.device_status, path, waiting.stream_ids, self._max_streams)
        assert context.device_master_key is not None  # noqa: S101 - a paired device has one, by constraint
        keys = await self._keyring.session_keys(
            context.device_master_key,
            context.data_key,
            waiting.caller.tenant_id,
            request.device_id,
            waiting.session_id,
            waiting.stream_ids,
        )
        total_kbps = sum(stream.bandwidth_kbps for stream in streams)
        taken_kbps.update({_key(pool): total_kbps for pool in path})
        details = {
            "session_id": str(waiting.session_id),
            "stream_count": len(streams),
            "total_bandwidth_kbps": total_kbps,
            "ttl_seconds": request.ttl_seconds,
        }
        remaining = timedelta(seconds=waiting.deadline - asyncio.get_running_loop().time())
        event = waiting.context.run(event_by, waiting.caller, Category.SESSION_CREATION, request.device_id, details)
        new = NewSession(waiting.session_id, request, streams, path, keys.sealed, context.now + remaining, event)
        return new, keys.stream_keys


def _refuse(group: list[_Waiting], reason: Exception) -> None:
    for each in group:
        if not each.result.done():
            each.result.set_exception(reason)


def _key(pool: Pool) -> str:
    return f"{pool.tenant_id}/{pool.level}/{pool.pool_id}"


def _after(pool: Pool, taken_kbps: Counter[str]) -> Pool:
    taken = taken_kbps[_key(pool)]
    return replace(pool, reserved_kbps=pool.reserved_kbps + taken) if taken else pool
