"""Who holds the rows that sessions lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from honeylink.store.database import UnitOfWork

__all__ = ["LockedRow", "find_locked_rows"]


class LockedRow(NamedTuple):
    """A row of a device, of a whole tenant (no device), or of the node (the nil tenant), and who holds its lock."""

    tenant_id: UUID
    device_id: str | None
    holder: str


async def find_locked_rows(work: UnitOfWork, devices: Collection[tuple[UUID, str]]) -> set[LockedRow]:
    """The rows that some transaction holds of those that opening and ending sessions of these devices lock."""
    rows = await work.fetch(
        "find_locked_rows",
        tenant_ids=[tenant_id for tenant_id, _ in devices],
        device_ids=[device_id for _, device_id in devices],
    )
    return {LockedRow(*row) for row in rows}
