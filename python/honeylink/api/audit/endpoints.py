"""`/audit/events`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeylink.api.audit.answers import AuditEventAnswer, AuditPage
from honeylink.api.audit.requests import AuditQuery
from honeylink.api.http.endpoint import Endpoint
from honeylink.api.http.pages import answer_page

if TYPE_CHECKING:
    from honeylink.api.http.endpoint import Answer, Call


async def list_events(call: Call) -> Answer:
    """Read the audit trail, newest first."""
    query = call.input
    page = await call.services.audit.list(call.caller, query.to_domain(), query.cursor, query.limit)
    return await answer_page(page, AuditEventAnswer.model_validate)


ENDPOINTS = (Endpoint("GET", "/audit/events", "Read the audit trail", list_events, AuditPage, query=AuditQuery),)
