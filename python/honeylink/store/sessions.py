"""Sessions in the database."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import asyncpg

from honeylink.domain.admission import Contenders, LiveSession, PoolLevel
from honeylink.domain.devices import DeviceStatus
from honeylink.domain.keys import WrappedDataKey, WrappedKey
from honeylink.domain.sessions import SessionStatus
from honeylink.store.columns import session_of, stream_of, written
from honeylink.store.database import LOCK_WAIT_MS
from honeylink.store.pools import pool_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from asyncpg import Record

    from honeylink.domain.admission import Pool, Shrunk
    from honeylink.domain.audit import AuditEvent
    from honeylink.domain.keys import SealedKey
    from honeylink.domain.sessions import Session, SessionRequest, Stream
    from honeylink.store.database import UnitOfWork

# More often no pool's capacity changes while a lock is awaited.
_TRIES = 3


@dataclass(frozen=True, slots=True)
class SessionContext:
    """A snapshot of all that deciding on a session takes. `device_master_key` is None until the device has paired."""

    device_status: DeviceStatus
    device_master_key: WrappedKey | None
    data_key: WrappedDataKey
    path: tuple[Pool, ...]
    now: datetime


class NewSession(NamedTuple):
    """A session that has been admitted and keyed, to be stored.

    `deadline` is by the database's clock; past it nothing is stored, as nobody waits for the answer any more.
    """

    session_id: UUID
    request: SessionRequest
    streams: tuple[Stream, ...]
    tenant_pool_id: str
    sealed: SealedKey
    deadline: datetime
    event: AuditEvent

    @property
    def stream_count(self) -> int:
        """How many streams it has."""
        return len(self.streams)

    @property
    def payload_kbps(self) -> int:
        """What a pool charges for it that charges payload."""
        return sum([stream.bandwidth_kbps for stream in self.streams])

    @property
    def wire_kbps(self) -> int:
        """What a pool charges for it that charges by wire."""
        return sum([stream.wire_kbps for stream in self.streams])

    @property
    def is_short(self) -> bool:
        """Whether a stream has less than it asked for."""
        return any(stream.is_short for stream in self.streams)


class DueSession(NamedTuple):
    """A session past its time that is still marked active."""

    tenant_id: UUID
    session_id: UUID
    device_id: str


class EndingSession(NamedTuple):
    """A session that is to end, with an id for its audit event."""

    tenant_id: UUID
    session_id: UUID
    event_id: UUID


async def find_session_contexts(
    work: UnitOfWork, devices: Collection[tuple[UUID, str]]
) -> dict[tuple[UUID, str], SessionContext]:
    """The snapshots for some devices, by tenant and device id; a device that does not exist has none."""
    rows = await work.fetch(
        "find_session_contexts",
        tenant_ids=[tenant_id for tenant_id, _ in devices],
        device_ids=[device_id for _, device_id in devices],
    )
    return {(row["tenant_id"], row["device_id"]): _context(row) for row in rows}


async def create_sessions(
    work: UnitOfWork, sessions: Sequence[NewSession], session_endpoint: str, lock_wait_ms: int = LOCK_WAIT_MS
) -> dict[UUID, tuple[datetime, datetime]]:
    """Store a group of sessions in one statement and one commit, each of them whole or not at all.

    One that has less than it asked for is stored only if all before it are, for they are why it has less.

    Returns:
        When each that was stored was created, and when it expires. One that is missing lost its room to somebody else,
        or its device was revoked, or its deadline has passed, or it has less because of one that is missing.
    """
    rows = await _fetch_on_pools(
        work,
        "create_session" if len(sessions) == 1 else "create_sessions",
        **written(sessions),
        session_endpoint=session_endpoint,
        lock_wait=f"{lock_wait_ms}ms",
    )
    return {row["session_id"]: (row["created_at"], row["expires_at"]) for row in rows}


async def end_sessions(
    work: UnitOfWork, sessions: Sequence[EndingSession], *, reason: str, actor: str, trace_id: str
) -> list[SessionStatus]:
    """End those of the sessions that still live, and give their bandwidth back, in one statement and one commit.

    Returns:
        For each session that ended now, what it became.
    """
    rows = await _end_sessions(work, sessions, reason, actor, trace_id)
    return [SessionStatus(row["status"]) for row in rows if row["status"] is not None]


async def expire_sessions(work: UnitOfWork, sessions: Sequence[EndingSession], *, trace_id: str) -> set[UUID] | None:
    """End those of the sessions that are past their time and still marked active, likewise.

    Returns:
        Which ended now; None if nothing was tried, since somebody else is expiring sessions at this moment.
    """
    rows = await _end_sessions(work, sessions, None, "system", trace_id)
    return {row["session_id"] for row in rows if row["status"] is not None} if rows else None


async def _end_sessions(
    work: UnitOfWork, sessions: Sequence[EndingSession], reason: str | None, actor: str, trace_id: str
) -> list[Record]:
    return await _fetch_on_pools(
        work,
        "end_sessions",
        tenant_ids=[session.tenant_id for session in sessions],
        session_ids=[session.session_id for session in sessions],
        event_ids=[session.event_id for session in sessions],
        reason=reason,
        actor=actor,
        trace_id=trace_id,
        lock_wait=f"{LOCK_WAIT_MS}ms",
    )


async def shrink_sessions(
    work: UnitOfWork, sessions: Sequence[tuple[Shrunk, UUID]], *, reason: str, actor: str, trace_id: str
) -> int:
    """Leave sessions with less, each with an id for its audit event; the caller holds their pools' locks.

    Returns:
        How many were live and still had what the plan says.
    """
    streams = [
        (each.session.session_id, position, kbps)
        for each, _ in sessions
        for position, kbps in enumerate(each.bandwidths_kbps)
    ]
    rows = await work.fetch(
        "shrink_sessions",
        tenant_ids=[each.session.tenant_id for each, _ in sessions],
        session_ids=[each.session.session_id for each, _ in sessions],
        were_kbps=[each.session.bandwidth_kbps for each, _ in sessions],
        event_ids=[event_id for _, event_id in sessions],
        stream_session_ids=[session_id for session_id, _, _ in streams],
        positions=[position for _, position, _ in streams],
        bandwidths_kbps=[kbps for _, _, kbps in streams],
        reason=reason,
        actor=actor,
        trace_id=trace_id,
    )
    return len(rows)


async def find_contenders(
    work: UnitOfWork, tenant_id: UUID, device_id: str, weaker_than: int | None, min_hold_ms: int, limit: int
) -> tuple[tuple[Pool, ...], Contenders]:
    """The pools of a device's path, and who holds them, in one snapshot; see the statement for which sessions.

    Args:
        work: where to ask.
        tenant_id: whose device.
        device_id: which.
        weaker_than: also the weakest sessions whose hold priority is below this.
        min_hold_ms: for how long those must have been open.
        limit: how many of each kind.
    """
    row = await work.fetchrow(
        "find_contenders",
        tenant_id=tenant_id,
        device_id=device_id,
        weaker_than=weaker_than,
        min_hold_ms=min_hold_ms,
        limit=limit,
    )
    assert row is not None  # noqa: S101 - a statement without FROM has a row
    pools = {pool.key: pool for pool in map(pool_of, json.loads(row["pools"]))}
    path = tuple(
        pool
        for pool in sorted(pools.values(), key=lambda pool: pool.level)
        if pool.level == PoolLevel.NODE
        or (pool.tenant_id == tenant_id and (pool.level == PoolLevel.TENANT or pool.pool_id == device_id))
    )
    others = tuple(pool for pool in pools.values() if pool not in path)
    sessions = tuple(_live_session(session) for session in json.loads(row["sessions"] or "[]"))
    return path, Contenders(sessions, others, row["now_ms"])


async def _fetch_on_pools(work: UnitOfWork, statement: str, **parameters: object) -> list[Record]:
    """Run a statement that locks pools and then changes them.

    PostgreSQL makes a table's checks with the row as it was when the statement began, before it notices that it has
    changed since. If a capacity grew while its lock was awaited, what fits now may not have fitted then.
    """
    for _ in range(_TRIES):
        try:
            return await work.fetch(statement, **parameters)
        except asyncpg.CheckViolationError as error:
            if error.constraint_name != "pools_capacity":
                raise
    return await work.fetch(statement, **parameters)


async def list_due_sessions(
    work: UnitOfWork,
    limit: int,
    *,
    without_tenants: Collection[UUID] = (),
    without_devices: Collection[tuple[UUID, str]] = (),
    without_sessions: Collection[UUID] = (),
) -> list[DueSession]:
    """At most `limit` sessions past their time, the longest overdue first, without some tenants' and devices'."""
    rows = await work.fetch(
        "list_due_sessions",
        limit=limit,
        without_tenants=list(without_tenants),
        without_device_tenants=[tenant_id for tenant_id, _ in without_devices],
        without_devices=[device_id for _, device_id in without_devices],
        without_sessions=list(without_sessions),
    )
    return [DueSession(*row) for row in rows]


async def list_live_session_ids(work: UnitOfWork, tenant_id: UUID, device_id: str, limit: int) -> list[UUID]:
    """At most `limit` sessions of a device that still hold bandwidth."""
    rows = await work.fetch("list_live_session_ids", tenant_id=tenant_id, device_id=device_id, limit=limit)
    return [row["session_id"] for row in rows]


async def find_session(work: UnitOfWork, tenant_id: UUID, session_id: UUID) -> Session | None:
    """One session, or None."""
    row = await work.fetchrow("find_session", tenant_id=tenant_id, session_id=session_id)
    return None if row is None else session_of(row)


async def list_sessions(
    work: UnitOfWork,
    tenant_id: UUID,
    device_id: str | None,
    status: SessionStatus | None,
    before_id: UUID | None,
    limit: int,
) -> list[Session]:
    """At most `limit` sessions, newest first, that come after `before_id`."""
    # Each of these walks an index of its own, so that a page costs the same however many sessions there are.
    if device_id is not None:
        statement = "list_device_sessions"
    elif status is SessionStatus.ACTIVE:
        statement = "list_live_sessions"
    else:
        statement = "list_sessions"
    rows = await work.fetch(
        statement,
        tenant_id=tenant_id,
        device_id=device_id,
        status=status,
        before_id=before_id,
        limit=limit,
    )
    return [session_of(row) for row in rows]


def _context(row: Record) -> SessionContext:
    return SessionContext(
        device_status=DeviceStatus(row["status"]),
        device_master_key=_wrapped_key(row, "dmk") if row["dmk_provider"] is not None else None,
        data_key=WrappedDataKey(row["dek_id"], _wrapped_key(row, "dek")),
        path=tuple(pool_of(pool) for pool in json.loads(row["pools"])),
        now=row["now"],
    )


def _live_session(row: dict[str, Any]) -> LiveSession:
    return LiveSession(
        tenant_id=UUID(row["tenant_id"]),
        session_id=UUID(row["session_id"]),
        device_id=row["device_id"],
        pool_keys=tuple(row["pool_keys"]),
        streams=tuple(stream_of(stream) for stream in row["streams"]),
        hold_priority=row["hold_priority"],
        opened_ms=row["opened_ms"],
        expires_ms=row["expires_ms"],
    )


def _wrapped_key(row: Record, prefix: str) -> WrappedKey:
    return WrappedKey(
        provider=row[f"{prefix}_provider"],
        key_id=row[f"{prefix}_key_id"],
        key_version=row[f"{prefix}_key_version"],
        ciphertext=row[f"{prefix}_ciphertext"],
    )
