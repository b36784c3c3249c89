"""`/audit/events`: what clients send, what they get, and the endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from honeylink.api.http.endpoint import Endpoint
from honeylink.api.http.examples import DEVICE_ID, SESSION_ID, TRACE_ID
from honeylink.api.http.models import AnswerModel
from honeylink.api.http.pages import PageQuery, answer_page
from honeylink.api.http.values import DeviceId, Time, TimeBound
from honeylink.domain.audit import AuditFilter, Category, Outcome

if TYPE_CHECKING:
    from pydantic.config import JsonDict

    from honeylink.api.http.endpoint import Answer, Call

_EXAMPLE: JsonDict = {
    "event_id": "01999e2c-6a00-7000-8000-000000000004",
    "at": "2025-10-02T10:00:00Z",
    "category": "session-creation",
    "actor": "device:device-12345",
    "device_id": DEVICE_ID,
    "outcome": "success",
    "details": {
        "session_id": SESSION_ID,
        "stream_count": 2,
        "total_bandwidth_kbps": 5100,
        "ttl_seconds": 3600,
    },
    "trace_id": TRACE_ID,
}


class AuditQuery(PageQuery):
    """Which events to list."""

    device_id: DeviceId | None = None
    category: Category | None = None
    since: TimeBound | None = Field(None, description="From this moment on.")
    until: TimeBound | None = Field(None, description="Before this moment.")

    def to_domain(self) -> AuditFilter:
        """The filter."""
        return AuditFilter(self.device_id, self.category, self.since, self.until)


class AuditEventAnswer(AnswerModel):
    """An event of the audit trail."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    event_id: UUID
    at: Time
    category: Category
    actor: str
    device_id: str | None
    outcome: Outcome
    details: dict[str, Any]
    trace_id: str


class AuditPage(AnswerModel):
    """Some events, newest first."""

    items: list[AuditEventAnswer]
    next_cursor: str | None


async def list_events(call: Call) -> Answer:
    """Read the audit trail, newest first."""
    query = call.input
    page = await call.services.audit.list(call.caller, query.to_domain(), query.cursor, query.limit)
    return await answer_page(page, AuditEventAnswer.model_validate)


ENDPOINTS = (Endpoint("GET", "/audit/events", "Read the audit trail", list_events, AuditPage, query=AuditQuery),)
