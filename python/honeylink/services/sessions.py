"""Opening, reading and ending sessions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from honeylink.domain.access import Permission, Role
from honeylink.domain.admission import PoolLevel
from honeylink.domain.audit import Category, Outcome
from honeylink.domain.paging import Cursor, Page
from honeylink.domain.sessions import SessionStatus
from honeylink.errors import BandwidthExceeded, Forbidden, NotFound, StateConflict, TooManyStreams
from honeylink.services.audit import event_by
from honeylink.services.pending import PendingSession
from honeylink.store import audit as audit_store
from honeylink.store import sessions as session_store
from honeylink.store.database import RowLocked
from honeylink.telemetry import ADMISSION_REFUSALS, SESSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from honeylink.domain.access import Principal
    from honeylink.domain.admission import LiveSession, Pool
    from honeylink.domain.sessions import Session, SessionRequest, Stream
    from honeylink.services.access import Access
    from honeylink.services.load_shedding.in_flight import InFlight
    from honeylink.services.locked_rows import LockedRows
    from honeylink.services.negotiation import Negotiation
    from honeylink.services.opening import Opening
    from honeylink.services.pending import OpenedSession
    from honeylink.store.database import Database, UnitOfWork

_OPENED = SESSIONS.labels("opened")
_REFUSALS = (NotFound, StateConflict, TooManyStreams, BandwidthExceeded)


@dataclass(frozen=True, slots=True)
class Victim:
    """A session that would have less, or nothing. Its ids are None where they are not for the caller to know."""

    session_id: UUID | None
    device_id: str | None
    bandwidth_kbps: int
    left_kbps: int

    @classmethod
    def seen_by(cls, caller: Principal, session: LiveSession, left_kbps: int) -> Victim:
        """As the caller may know it: its own tenant's, and a device its own."""
        known = session.tenant_id == caller.tenant_id and caller.device_id in {None, session.device_id}
        return cls(
            session_id=session.session_id if known else None,
            device_id=session.device_id if known else None,
            bandwidth_kbps=session.bandwidth_kbps,
            left_kbps=left_kbps,
        )


@dataclass(frozen=True, slots=True)
class Preview:
    """What would come of a request now: streams, what each pool then has left and whom it costs; or a refusal."""

    streams: tuple[Stream, ...] = ()
    path: tuple[Pool, ...] = ()
    headroom_kbps: tuple[int | None, ...] = ()
    """None where it is not for the caller to know."""
    victims: tuple[Victim, ...] = ()
    refusal: BandwidthExceeded | None = None


class Sessions:
    """The sessions of a tenant."""

    def __init__(
        self,
        database: Database,
        access: Access,
        opening: Opening,
        negotiation: Negotiation,
        locked_rows: LockedRows,
        *,
        device_priority_max: int,
    ) -> None:
        self._database = database
        self._access = access
        self._opening = opening
        self._negotiation = negotiation
        self._locked_rows = locked_rows
        self._device_priority_max = device_priority_max

    async def open(
        self,
        caller: Principal,
        request: SessionRequest,
        wanted: Callable[[], bool] = lambda: True,
        in_flight: InFlight | None = None,
    ) -> OpenedSession:
        """Admit, key and store a session with its audit event, all or nothing.

        `wanted` tells whether somebody still waits for the answer; `in_flight` is the request, if it has passed the
        admission gate.

        Raises:
            ClientGone: nobody waits for the answer any more, and nothing was stored.
            Forbidden: the caller may not open sessions for this device, or not of this priority.
            NotFound: the tenant has no such device.
            StateConflict: the device is not paired.
            TooManyStreams: there are more than one session may have.
            BandwidthExceeded: a pool on the device's path is short.
            Overloaded: there are too many in progress.
            DependencyUnavailable: database or key provider are away or too slow.
        """
        await self._access.require(caller, Permission.OPEN_SESSION, request.device_id)
        await self._check_priorities(caller, request)
        try:
            opened = await self._opening.open(caller, request, wanted, in_flight)
        except _REFUSALS as refusal:
            async with self._database.work() as work:
                await self._record_refused(work, caller, request, refusal)
            raise
        _OPENED.inc()
        return opened

    async def preview(self, caller: Principal, request: SessionRequest) -> Preview:
        """What `open` would do now, on one snapshot; nothing is stored, not even an event. It raises as that does.

        But a short pool is no error here, and too many that look for room are a `DependencyUnavailable`.
        """
        await self._access.require(caller, Permission.OPEN_SESSION, request.device_id)
        await self._check_priorities(caller, request)
        deadline = asyncio.get_running_loop().time() + self._database.remaining_seconds()
        pending = PendingSession.now(caller, request, deadline, lambda: True)
        snapshot, admission = await self._negotiation.preview(pending)
        path = snapshot.context.path
        if isinstance(admission, BandwidthExceeded):
            left_kbps = [pool.free_kbps for pool in path]
            told = _headroom_of_own(path, left_kbps, admission.limiting_pool)
            return Preview(path=path, headroom_kbps=told, refusal=admission)
        victims = [
            Victim.seen_by(caller, shrunk.session, sum(shrunk.bandwidths_kbps)) for shrunk in admission.shrunk
        ] + [Victim.seen_by(caller, session, 0) for session in admission.evicted]
        return Preview(admission.streams, path, _headroom_of_own(path, admission.headroom_kbps), tuple(victims))

    async def get(self, caller: Principal, session_id: UUID) -> Session:
        """One session, without keys.

        Raises:
            Forbidden: the caller may not read sessions.
            NotFound: the caller can see no such session.
        """
        await self._access.require(caller, Permission.READ_SESSION)
        async with self._database.work() as work:
            return await self._visible(work, caller, session_id)

    async def list(
        self,
        caller: Principal,
        device_id: str | None,
        status: SessionStatus | None,
        cursor: str | None,
        limit: int,
    ) -> Page[Session]:
        """A page of sessions, newest first. A device sees its own only.

        Raises:
            Forbidden: the caller may not read sessions, or not those of this device.
            ValidationFailed: the cursor is none of this list.
        """
        if caller.role is Role.DEVICE and device_id is None:
            device_id = caller.device_id
        await self._access.require(caller, Permission.READ_SESSION, device_id)
        before_id = Cursor.decode(cursor).row_uuid if cursor is not None else None
        async with self._database.work() as work:
            sessions = await session_store.list_sessions(
                work, caller.tenant_id, device_id, status, before_id, limit + 1
            )
        return Page.cut(sessions, limit, lambda session: Cursor(session.created_at, str(session.session_id)))

    async def end(self, caller: Principal, session_id: UUID) -> Session:
        """End a session and give its bandwidth back. Doing so again changes nothing and answers the same.

        Raises:
            Forbidden: the caller may not end sessions.
            NotFound: the caller can see no such session.
            RowLocked: somebody holds a row of it, or of its pools.
        """
        await self._access.require(caller, Permission.END_SESSION)
        try:
            session = await self.get(caller, session_id)
        except NotFound as refusal:
            await self._access.record_denied(caller, Permission.END_SESSION, None, refusal)
            raise
        device = caller.tenant_id, session.device_id
        return await self._locked_rows.patiently(device, lambda: self._end(caller, session_id))

    async def _end(self, caller: Principal, session_id: UUID) -> Session:
        event = event_by(caller, Category.SESSION_TERMINATION, None, {})
        async with self._database.work() as work:
            ended = await session_store.end_sessions(
                work,
                [session_store.EndingSession(caller.tenant_id, session_id, event.event_id)],
                reason="requested",
                actor=event.actor,
                trace_id=event.trace_id,
            )
            for status in ended:
                SESSIONS.labels(status.value).inc()
            session = await self._visible(work, caller, session_id)
        if session.status is SessionStatus.ACTIVE:
            raise RowLocked  # its own, which nobody waits for while he holds pools
        return session

    async def _check_priorities(self, caller: Principal, request: SessionRequest) -> None:
        """Or a device could take from all others, and keep what it has from them, by saying so."""
        found = max(request.setup_priority, request.hold_priority)
        if caller.role is Role.DEVICE and found > self._device_priority_max:
            refusal = Forbidden(
                f"expected priorities of at most {self._device_priority_max} with a device's token, found {found}"
            )
            await self._access.record_denied(caller, Permission.OPEN_SESSION, request.device_id, refusal)
            raise refusal

    async def _visible(self, work: UnitOfWork, caller: Principal, session_id: UUID) -> Session:
        session = await session_store.find_session(work, caller.tenant_id, session_id)
        # To a device another one's session does not exist: its id is not for the device to know.
        if session is None or (caller.role is Role.DEVICE and session.device_id != caller.device_id):
            raise NotFound("session", str(session_id))
        return session

    async def _record_refused(
        self, work: UnitOfWork, caller: Principal, request: SessionRequest, refusal: Exception
    ) -> None:
        SESSIONS.labels("refused").inc()
        details: dict[str, object] = {
            "stream_count": len(request.streams),
            "total_bandwidth_kbps": request.total_bandwidth_kbps,
            "ttl_seconds": request.ttl_seconds,
            "message": str(refusal),
        }
        if isinstance(refusal, BandwidthExceeded):
            ADMISSION_REFUSALS.labels(refusal.limiting_pool.partition(":")[0]).inc()
        event = event_by(caller, Category.SESSION_CREATION, request.device_id, details, Outcome.REFUSED)
        await audit_store.record_event(work, event)


def _headroom_of_own(
    path: Sequence[Pool], headroom_kbps: Sequence[int], limiting_pool: str | None = None
) -> tuple[int | None, ...]:
    """What the pools of a path have left; of the node's, which tells of other tenants, only where that one refuses."""
    return tuple(
        None if pool.level is PoolLevel.NODE and pool.name != limiting_pool else kbps
        for pool, kbps in zip(path, headroom_kbps, strict=True)
    )
