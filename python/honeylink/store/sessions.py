"""Sessions in the database."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from honeylink.domain.admission import Pool, PoolLevel
from honeylink.domain.devices import DeviceStatus
from honeylink.domain.keys import WrappedDataKey, WrappedKey
from honeylink.domain.sessions import FecParameters, Mode, Priority, Session, SessionStatus, Stream
from honeylink.store.audit import event_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from asyncpg import Record

    from honeylink.domain.audit import AuditEvent
    from honeylink.domain.keys import SealedKey
    from honeylink.domain.sessions import SessionRequest
    from honeylink.store.database import UnitOfWork

__all__ = [
    "SessionContext",
    "create_session",
    "end_sessions",
    "find_session",
    "find_session_context",
    "list_due_sessions",
    "list_live_session_ids",
    "list_sessions",
]


@dataclass(frozen=True, slots=True)
class SessionContext:
    """A snapshot of all that deciding on a session takes. `device_master_key` is None until the device has paired."""

    device_status: DeviceStatus
    device_master_key: WrappedKey | None
    data_key: WrappedDataKey
    path: tuple[Pool, ...]
    now: datetime


async def find_session_context(work: UnitOfWork, tenant_id: UUID, device_id: str) -> SessionContext | None:
    """The snapshot for one device; None if there is no such device."""
    row = await work.fetchrow("find_session_context", tenant_id=tenant_id, device_id=device_id)
    if row is None:
        return None
    return SessionContext(
        device_status=DeviceStatus(row["status"]),
        device_master_key=_wrapped_key(row, "dmk") if row["dmk_provider"] is not None else None,
        data_key=WrappedDataKey(row["dek_id"], _wrapped_key(row, "dek")),
        path=tuple(
            Pool(tenant, PoolLevel(level), pool_id, capacity_kbps, reserved_kbps)
            for tenant, level, pool_id, capacity_kbps, reserved_kbps in zip(
                row["tenant_ids"],
                row["levels"],
                row["pool_ids"],
                row["capacities_kbps"],
                row["reserved_kbps"],
                strict=True,
            )
        ),
        now=row["now"],
    )


async def create_session(
    work: UnitOfWork,
    tenant_id: UUID,
    session_id: UUID,
    request: SessionRequest,
    streams: Sequence[Stream],
    path: Sequence[Pool],
    sealed: SealedKey,
    session_endpoint: str,
    deadline: datetime,
    event: AuditEvent,
) -> tuple[datetime, datetime] | None:
    """Store an admitted session, all of it or nothing.

    Args:
        deadline: by the database's clock; past it nothing is stored, as nobody waits for the answer any more.

    Returns:
        When it was created and when it expires; None if the pools have no room for it any more, the device has been
        revoked meanwhile, or the deadline has passed.
    """
    row = await work.fetchrow(
        "create_session",
        tenant_id=tenant_id,
        session_id=session_id,
        device_id=request.device_id,
        ttl_seconds=request.ttl_seconds,
        total_kbps=sum(stream.bandwidth_kbps for stream in streams),
        session_endpoint=session_endpoint,
        dek_id=sealed.dek_id,
        key_nonce=sealed.nonce,
        key_ciphertext=sealed.ciphertext,
        deadline=deadline,
        pool_tenant_ids=[pool.tenant_id for pool in path],
        levels=[pool.level for pool in path],
        pool_ids=[pool.pool_id for pool in path],
        stream_ids=[stream.stream_id for stream in streams],
        names=[stream.name for stream in streams],
        modes=[stream.mode for stream in streams],
        priorities=[stream.priority for stream in streams],
        bandwidths_kbps=[stream.bandwidth_kbps for stream in streams],
        connection_ids=[stream.connection_id for stream in streams],
        data_shards=[stream.fec.data_shards for stream in streams],
        parity_shards=[stream.fec.parity_shards for stream in streams],
        **event_parameters(event),
    )
    return None if row is None else (row["created_at"], row["expires_at"])


async def end_sessions(
    work: UnitOfWork,
    tenant_id: UUID,
    event_ids: Mapping[UUID, UUID],
    *,
    reason: str | None,
    actor: str,
    trace_id: str,
) -> list[SessionStatus]:
    """End those of the sessions that still live, and give their bandwidth back.

    Args:
        event_ids: for each session an id for its audit event.
        reason: why they end; None ends only those past their time.

    Returns:
        For each session that ended now, what it became.
    """
    rows = await work.fetch(
        "end_sessions",
        tenant_id=tenant_id,
        session_ids=list(event_ids),
        event_ids=list(event_ids.values()),
        reason=reason,
        actor=actor,
        trace_id=trace_id,
    )
    return [SessionStatus(row["status"]) for row in rows]


async def list_due_sessions(work: UnitOfWork, limit: int) -> list[tuple[UUID, UUID]]:
    """Tenant and session ids of at most `limit` sessions past their time, the longest overdue first."""
    return [(row["tenant_id"], row["session_id"]) for row in await work.fetch("list_due_sessions", limit=limit)]


async def list_live_session_ids(work: UnitOfWork, tenant_id: UUID, device_id: str) -> list[UUID]:
    """The sessions of a device that still hold bandwidth."""
    rows = await work.fetch("list_live_session_ids", tenant_id=tenant_id, device_id=device_id)
    return [row["session_id"] for row in rows]


async def find_session(work: UnitOfWork, tenant_id: UUID, session_id: UUID) -> Session | None:
    """One session, or None."""
    row = await work.fetchrow("find_session", tenant_id=tenant_id, session_id=session_id)
    return None if row is None else _session(row)


async def list_sessions(
    work: UnitOfWork,
    tenant_id: UUID,
    device_id: str | None,
    status: SessionStatus | None,
    before_id: UUID | None,
    limit: int,
) -> list[Session]:
    """At most `limit` sessions, newest first, that come after `before_id`."""
    rows = await work.fetch(
        "list_sessions",
        tenant_id=tenant_id,
        device_id=device_id,
        status=status,
        before_id=before_id,
        limit=limit,
    )
    return [_session(row) for row in rows]


def _session(row: Record) -> Session:
    return Session(
        session_id=row["session_id"],
        device_id=row["device_id"],
        status=SessionStatus(row["status"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        ended_at=row["ended_at"],
        end_reason=row["end_reason"],
        session_endpoint=row["session_endpoint"],
        streams=tuple(_stream(stream) for stream in json.loads(row["streams"])),
    )


def _stream(row: dict[str, Any]) -> Stream:
    return Stream(
        stream_id=UUID(row["stream_id"]),
        name=row["name"],
        mode=Mode(row["mode"]),
        priority=Priority(row["priority"]),
        bandwidth_kbps=row["bandwidth_kbps"],
        connection_id=row["connection_id"],
        fec=FecParameters(row["data_shards"], row["parity_shards"]),
    )


def _wrapped_key(row: Record, prefix: str) -> WrappedKey:
    return WrappedKey(
        provider=row[f"{prefix}_provider"],
        key_id=row[f"{prefix}_key_id"],
        key_version=row[f"{prefix}_key_version"],
        ciphertext=row[f"{prefix}_ciphertext"],
    )
