"""What clients get from `/audit/events`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import ConfigDict

from honeylink.api.audit import examples
from honeylink.api.http.models import AnswerModel
from honeylink.api.http.values import Time
from honeylink.domain.audit import Category, Outcome


class AuditEventAnswer(AnswerModel):
    """An event of the audit trail."""

    model_config = ConfigDict(json_schema_extra={"example": examples.AUDIT_EVENT})

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
