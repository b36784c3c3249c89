"""Pools in the database, as a whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from honeylink.domain.access import SYSTEM_TENANT_ID
from honeylink.domain.admission import Charge, Pool, PoolLevel
from honeylink.domain.pools import Force, Shares, settings_of
from honeylink.errors import PoolConflict
from honeylink.store.audit import event_parameters

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from honeylink.domain.audit import AuditEvent
    from honeylink.domain.pools import PoolChange
    from honeylink.store.database import UnitOfWork

    PoolBefore = tuple[datetime, PoolLevel, str] | None

_NODE_KEY = f"{SYSTEM_TENANT_ID}/{PoolLevel.NODE}/node"


@dataclass(frozen=True, slots=True)
class PoolReconciliation:
    """A pool with what sessions hold of it, and what it withholds with what its children claim.

    `capacity_kbps` is None if reservations name a pool that is gone.
    """

    tenant: str
    level: PoolLevel
    pool_id: str
    capacity_kbps: int | None
    reserved_kbps: int
    live_kbps: int
    stale_kbps: int
    withheld_kbps: int
    claimed_kbps: int

    @property
    def reconciles(self) -> bool:
        """Whether the pool exists, counts exactly what live sessions hold, and withholds exactly what is claimed."""
        return (
            self.capacity_kbps is not None
            and self.reserved_kbps == self.live_kbps
            and self.stale_kbps == 0
            and self.withheld_kbps == self.claimed_kbps
        )


async def check_pools(work: UnitOfWork) -> list[PoolReconciliation]:
    """Every pool of every tenant, in one snapshot."""
    return [PoolReconciliation(**{**row, "level": PoolLevel(row["level"])}) for row in await work.fetch("check_pools")]


async def sum_pools(work: UnitOfWork) -> dict[PoolLevel, tuple[int, int]]:
    """Capacity and reservations by level."""
    rows = await work.fetch("sum_pools")
    return {PoolLevel(row["level"]): (row["capacity_kbps"], row["reserved_kbps"]) for row in rows}


async def find_path(work: UnitOfWork, tenant_id: UUID, device_id: str | None) -> list[Pool]:
    """The pools of a device's path, or without a device those of its tenant's, from the device up."""
    rows = await work.fetch("find_path", tenant_id=tenant_id, device_id=device_id)
    return [pool_of(json.loads(row["pool"])) for row in rows]


async def find_shares(work: UnitOfWork, pool: Pool) -> Shares:
    """What is guaranteed to siblings of a path's pools, and to a pool's children; the locks of its path are held."""
    row = await work.fetchrow("find_shares", tenant_id=pool.tenant_id, level=pool.level, pool_id=pool.pool_id)
    assert row is not None  # noqa: S101 - sums have a row
    siblings_kbps = {PoolLevel.TENANT: row["other_devices_kbps"], PoolLevel.NODE: row["other_tenants_kbps"]}
    return Shares(siblings_kbps, row["children_kbps"], row["children_keep"])


async def list_pools(work: UnitOfWork, tenant_id: UUID, before: PoolBefore, limit: int) -> list[tuple[Pool, datetime]]:
    """At most `limit` pools of a tenant, and the shared one, each with when it was made, newest first."""
    at, level, pool_id = before or (None, None, None)
    rows = await work.fetch(
        "list_pools", tenant_id=tenant_id, before_at=at, before_level=level, before_id=pool_id, limit=limit
    )
    return [(pool_of(json.loads(row["pool"])), row["created_at"]) for row in rows]


async def change_pool(work: UnitOfWork, pool: Pool, change: PoolChange, event: AuditEvent) -> bool:
    """Make a pool what it shall be, with its audit event, and withhold what it claims; the path's locks are held.

    Returns:
        Whether what it has given away fits into it. If not, the transaction can only be rolled back.

    Raises:
        PoolConflict: an ancestor has not so much left to keep; likewise.
    """
    try:
        await work.fetchrow(
            "change_pool",
            **event_parameters(event) | {"tenant_id": pool.tenant_id},
            level=pool.level,
            pool_id=pool.pool_id,
            event_device_id=event.device_id,
            **settings_of(change),
            drain=change.force is not Force.SHRINK,
        )
    except asyncpg.CheckViolationError as error:
        if error.constraint_name != "pools_capacity":
            raise
        return False
    try:
        await withhold_claims(work, [pool.tenant_id])
    except asyncpg.CheckViolationError as error:
        if error.constraint_name != "pools_capacity":
            raise
        expected = "an ancestor that has left what it would keep; let others end or shrink first"
        raise PoolConflict(pool.name, expected, "too little") from None
    return True


async def ensure_node_pool(work: UnitOfWork) -> None:
    """Make the pool that all tenants share, if there is none. The table is locked for the rest of the transaction."""
    await work.execute("close_pools")
    await work.execute("make_node_pool")


async def lock_pools(work: UnitOfWork, keys: Collection[str]) -> dict[str, Pool]:
    """Lock the pools of these keys for the rest of the transaction, and the node's, which may have been made meanwhile.

    Those that exist are returned, as they now are, in the order of levels.
    """
    parts = [key.split("/", 2) for key in {*keys, _NODE_KEY}]
    rows = await work.fetch(
        "lock_pools",
        tenant_ids=[UUID(tenant_id) for tenant_id, _, _ in parts],
        levels=[int(level) for _, level, _ in parts],
        pool_ids=[pool_id for _, _, pool_id in parts],
    )
    locked = [pool_of(json.loads(row["pool"])) for row in rows]
    return {pool.key: pool for pool in locked}


async def withhold_claims(work: UnitOfWork, tenant_ids: Collection[UUID]) -> None:
    """Withhold what is claimed, after pools of these tenants have changed; the locks of theirs and the node's are held.

    Raises:
        asyncpg.CheckViolationError: of `pools_capacity`: a pool has not so much left.
    """
    await work.execute("withhold_in_tenants", tenant_ids=list(tenant_ids))
    await work.execute("withhold_in_node")


def pool_of(row: Mapping[str, Any]) -> Pool:
    """A pool as PostgreSQL writes its row as JSON."""
    return Pool(
        tenant_id=UUID(row["tenant_id"]),
        level=PoolLevel(row["level"]),
        pool_id=row["pool_id"],
        capacity_kbps=row["capacity_kbps"],
        reserved_kbps=row["reserved_kbps"],
        charge=Charge(row["charge"]),
        guaranteed_kbps=row["guaranteed_kbps"],
        borrow_limit_kbps=row["borrow_limit_kbps"],
        lend_limit_kbps=row["lend_limit_kbps"],
        preemption=row["preemption"],
        min_hold_ms=row["min_hold_ms"],
        withheld_kbps=row["withheld_kbps"],
        draining_kbps=row["draining_kbps"],
    )
