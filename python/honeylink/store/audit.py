"""The audit trail in the database."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from honeylink.domain.audit import AuditRecord

if TYPE_CHECKING:
    from datetime import datetime

    from honeylink.domain.audit import AuditEvent, AuditFilter
    from honeylink.domain.paging import Cursor
    from honeylink.store.database import UnitOfWork

_LEAST_ID = UUID(int=0)

# Between two looks at who is still writing: at first as long as most transactions take, then twice as long each time.
_POLL_SECONDS = 0.005
_POLL_SECONDS_MAX = 0.05
# Longer than any request takes: what was dated before that has been committed, or never will be.
_SETTLED = timedelta(minutes=10)


def event_parameters(event: AuditEvent) -> dict[str, object]:
    """Parameters of a statement that writes `event` with its change; tenant and device are the change's."""
    return {
        "event_id": event.event_id,
        "category": event.category.value,
        "actor": event.actor,
        "outcome": event.outcome.value,
        "details": json.dumps(event.details),
        "trace_id": event.trace_id,
    }


async def record_event(work: UnitOfWork, event: AuditEvent) -> None:
    """Write an event that goes with no change: a refused attempt."""
    await work.execute("record_event", tenant_id=event.tenant_id, device_id=event.device_id, **event_parameters(event))


async def complete_until(work: UnitOfWork, until: datetime | None = None) -> datetime:
    """The time of the call, or `until` if that is earlier; waits until every event from before it can be seen.

    An event is dated while it is written, and seen when its transaction commits. Who only read what can be seen would
    never learn of one that commits after younger ones. Nobody waits for the reader, and it only for those who were
    writing when it came.
    """
    found = await work.fetchrow("find_event_writers")
    assert found is not None  # noqa: S101 - an aggregate has a row
    at: datetime = found["at"]
    if until is not None and until < at - _SETTLED:
        return until
    writers = set(found["writers"])
    pause_seconds = _POLL_SECONDS
    while writers:
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, _POLL_SECONDS_MAX)
        found = await work.fetchrow("find_event_writers")
        assert found is not None  # noqa: S101 - likewise
        writers &= set(found["writers"])
    return min(at, until or at)


async def list_events(
    work: UnitOfWork, tenant_id: UUID, matching: AuditFilter, before: Cursor | None, limit: int
) -> list[AuditRecord]:
    """At most `limit` events, newest first, that come after the cursor."""
    before_at, before_id = _end(matching, before)
    rows = await work.fetch(
        "list_events" if matching.device_id is None else "list_device_events",
        tenant_id=tenant_id,
        device_id=matching.device_id,
        category=matching.category,
        since=matching.since,
        before_at=before_at,
        before_id=before_id,
        limit=limit,
    )
    return [AuditRecord(**{**row, "details": json.loads(row["details"])}) for row in rows]


def _end(matching: AuditFilter, before: Cursor | None) -> tuple[datetime | None, UUID]:
    """The key that all events of a page come before. One bound, since a walk of the index begins at one."""
    ends = [(before.at, before.row_uuid)] if before is not None else []
    if matching.until is not None:
        ends.append((matching.until, _LEAST_ID))
    return min(ends, default=(None, _LEAST_ID))
