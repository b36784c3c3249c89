"""What the audit trail records."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID


class Category(StrEnum):
    """The kind of change, or of attempt, that an event records."""

    DEVICE_REGISTRATION = "device-registration"
    DEVICE_PAIRING = "device-pairing"
    DEVICE_REVOCATION = "device-revocation"
    SESSION_CREATION = "session-creation"
    SESSION_TERMINATION = "session-termination"
    SESSION_EXPIRY = "session-expiry"
    SESSION_SHRINK = "session-shrink"
    POOL_CHANGE = "pool-change"
    ACCESS_DENIED = "access-denied"
    TENANT_CREATION = "tenant-creation"
    TOKEN_CREATION = "token-creation"  # noqa: S105 - a category's name, no secret
    TOKEN_REVOCATION = "token-revocation"  # noqa: S105 - likewise


class Outcome(StrEnum):
    """Whether the change was made."""

    SUCCESS = "success"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """An event to be written with the change it records; the database adds its clock."""

    event_id: UUID
    tenant_id: UUID
    category: Category
    details: Mapping[str, object]
    trace_id: str
    actor: str = "system"
    device_id: str | None = None
    outcome: Outcome = Outcome.SUCCESS


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An event as it was stored."""

    event_id: UUID
    at: datetime
    category: str
    actor: str
    device_id: str | None
    outcome: str
    details: Mapping[str, object]
    trace_id: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events to list: all that match every given field; `since` inclusive, `until` exclusive."""

    device_id: str | None = None
    category: Category | None = None
    since: datetime | None = None
    until: datetime | None = None
