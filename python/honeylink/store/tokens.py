"""Tokens in the database: their SHA-256, never the token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from honeylink.domain.access import Role
from honeylink.store.audit import event_parameters

if TYPE_CHECKING:
    from uuid import UUID

    from honeylink.domain.audit import AuditEvent
    from honeylink.domain.tokens import BearerToken
    from honeylink.store.database import UnitOfWork


@dataclass(frozen=True, slots=True)
class StoredToken:
    """What is known of a token."""

    tenant_id: UUID
    name: str
    role: Role
    device_id: str | None
    sha256: bytes
    revoked: bool


async def find_token(work: UnitOfWork, tenant_id: UUID, token_id: UUID) -> tuple[bool, StoredToken | None]:
    """Whether the tenant exists, and its token of that id if there is one."""
    row = await work.fetchrow("find_token", tenant_id=tenant_id, token_id=token_id)
    if row is None:
        return False, None
    if row["sha256"] is None:
        return True, None
    return True, StoredToken(
        tenant_id, row["name"], Role(row["role"]), row["device_id"], row["sha256"], row["revoked_at"] is not None
    )


async def create_token(work: UnitOfWork, token: BearerToken, name: str, role: Role, event: AuditEvent) -> bool:
    """Store a token; False if a live one of the tenant has that name."""
    row = await work.fetchrow(
        "create_token",
        tenant_id=token.tenant_id,
        token_id=token.token_id,
        name=name,
        role=role,
        sha256=token.sha256(),
        **event_parameters(event),
    )
    return row is not None


async def revoke_token(work: UnitOfWork, tenant_id: UUID, name: str, event: AuditEvent) -> bool:
    """Revoke the live token of that name; False if there is none."""
    row = await work.fetchrow("revoke_token", tenant_id=tenant_id, name=name, **event_parameters(event))
    return row is not None
