"""Tenants, their data keys and the shared pool in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeylink.domain.access import Tenant
from honeylink.domain.keys import WrappedDataKey, WrappedKey
from honeylink.store.audit import event_parameters

if TYPE_CHECKING:
    from uuid import UUID

    from asyncpg import Record

    from honeylink.domain.audit import AuditEvent
    from honeylink.store.database import UnitOfWork


async def create_tenant(
    work: UnitOfWork, name: str, pool_kbps: int, data_key: WrappedDataKey, event: AuditEvent
) -> None:
    """Make the tenant of `event` with its pool and first data key; does nothing if one of that name is there."""
    await work.fetchrow(
        "create_tenant",
        tenant_id=event.tenant_id,
        name=name,
        pool_kbps=pool_kbps,
        dek_id=data_key.dek_id,
        provider=data_key.wrapped.provider,
        key_id=data_key.wrapped.key_id,
        key_version=data_key.wrapped.key_version,
        ciphertext=data_key.wrapped.ciphertext,
        **event_parameters(event),
    )


async def find_tenant_id(work: UnitOfWork, name: str) -> UUID | None:
    """The id of the tenant of that name, or None."""
    row = await work.fetchrow("find_tenant_by_name", name=name)
    return None if row is None else row["tenant_id"]


async def list_tenants(work: UnitOfWork) -> list[Tenant]:
    """All tenants, by name."""
    return [Tenant(**row) for row in await work.fetch("list_tenants")]


async def find_data_key(work: UnitOfWork, tenant_id: UUID) -> WrappedDataKey | None:
    """The tenant's newest data key; None if there is no such tenant."""
    row = await work.fetchrow("find_data_key", tenant_id=tenant_id)
    return None if row is None else _data_key(row)


async def list_sample_data_keys(work: UnitOfWork) -> list[tuple[UUID, WrappedDataKey]]:
    """For each key that wraps data keys one of those, with its tenant."""
    return [(row["tenant_id"], _data_key(row)) for row in await work.fetch("list_sample_data_keys")]


def _data_key(row: Record) -> WrappedDataKey:
    wrapped = WrappedKey(row["provider"], row["key_id"], row["key_version"], row["ciphertext"])
    return WrappedDataKey(row["dek_id"], wrapped)
