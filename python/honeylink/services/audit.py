"""Writing and reading the audit trail."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from honeylink.domain.access import Permission
from honeylink.domain.audit import AuditEvent, Category, Outcome
from honeylink.domain.paging import Cursor, Page
from honeylink.store import audit as audit_store
from honeylink.telemetry import current_trace_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from honeylink.domain.access import Principal
    from honeylink.domain.audit import AuditFilter, AuditRecord
    from honeylink.services.access import Access
    from honeylink.store.database import Database


def event_by(
    caller: Principal,
    category: Category,
    device_id: str | None,
    details: Mapping[str, object],
    outcome: Outcome = Outcome.SUCCESS,
) -> AuditEvent:
    """An event of what `caller` does in the request at hand."""
    return AuditEvent(
        uuid7(), caller.tenant_id, category, details, current_trace_id(), caller.actor, device_id, outcome
    )


def system_event(tenant_id: UUID, category: Category, details: Mapping[str, object]) -> AuditEvent:
    """An event of what is done for a tenant without a caller: at the start, or from the command line."""
    return AuditEvent(uuid7(), tenant_id, category, details, current_trace_id())


class Audit:
    """Reads a tenant's trail."""

    def __init__(self, database: Database, access: Access) -> None:
        self._database = database
        self._access = access

    async def list(self, caller: Principal, matching: AuditFilter, cursor: str | None, limit: int) -> Page[AuditRecord]:
        """A page of events, newest first: all that were written before the call, and none that came after.

        So who asks again, with `since` at the newest event that he knows, misses none.

        Raises:
            Forbidden: the caller may not read the trail.
            ValidationFailed: the cursor is none of this list.
        """
        await self._access.require(caller, Permission.READ_AUDIT)
        before = Cursor.decode(cursor) if cursor is not None else None
        async with self._database.work() as work:
            if before is None:  # what comes after a cursor was complete when its page was read
                matching = replace(matching, until=await audit_store.complete_until(work, matching.until))
            records = await audit_store.list_events(work, caller.tenant_id, matching, before, limit + 1)
        return Page.cut(records, limit, lambda record: Cursor(record.at, str(record.event_id)))
