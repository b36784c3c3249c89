"""Who holds the rows that sessions lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from honeylink.store.database import UnitOfWork


class LockedRow(NamedTuple):
    """A row of a device, of a whole tenant (no device), or of the node (the nil tenant), and who may hold its lock."""

    tenant_id: UUID
    device_id: str | None
    holder: str


async def find_locked_rows(
    work: UnitOfWork, devices: Collection[tuple[UUID, str]], *, tenants_too: bool
) -> set[LockedRow]:
    """The rows that can't be locked now of those that opening and ending sessions of these devices lock.

    One that is met by chance has another holder each time. Where several share a row it is there once for each
    transaction that may be one of them. Not for use in a transaction: rows are locked to find out, and free again at
    once. With `tenants_too` it looks also at the tenants' own rows and their keys', which show whether somebody has
    locked them, but not whether that keeps anybody from anything.
    """
    rows = await work.fetch(
        "find_locked_rows",
        tenant_ids=[tenant_id for tenant_id, _ in devices],
        device_ids=[device_id for _, device_id in devices],
        tenants_too=tenants_too,
    )
    return {LockedRow(*row) for row in rows}
