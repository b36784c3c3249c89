"""Reading pools, and changing what they are.

A change is one transaction that holds the locks of the pool and of its ancestors. So no two concurrent changes
can promise the same bandwidth, and no session comes between what is checked and what is done.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from honeylink.domain.access import SYSTEM_TENANT_ID, Permission
from honeylink.domain.admission import PoolLevel, plan_shrink
from honeylink.domain.audit import Category, Outcome
from honeylink.domain.paging import Cursor, Page
from honeylink.domain.pools import Force, PoolChange, check_change, settings_of
from honeylink.errors import NotFound, PoolConflict, ValidationFailed
from honeylink.services.audit import event_by, system_event
from honeylink.store import audit as audit_store
from honeylink.store import pools as pool_store
from honeylink.store import sessions as session_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from honeylink.domain.access import Principal
    from honeylink.domain.admission import Pool, Shrunk
    from honeylink.domain.audit import AuditEvent
    from honeylink.services.access import Access
    from honeylink.services.locked_rows import LockedRows
    from honeylink.store.database import Database, UnitOfWork

# Sessions that one change shrinks at most: what a transaction does in well under its time.
_SHRINK_MAX = 2000
_STRONGER_THAN_ALL = 2**31 - 1


class _RaceLostError(Exception):
    """Sessions were not as they were read; nothing was done."""


class Pools:
    """The pools of a tenant. Each use case raises `Forbidden` if the caller may not do that."""

    def __init__(self, database: Database, access: Access, locked_rows: LockedRows) -> None:
        self._database = database
        self._access = access
        self._locked_rows = locked_rows

    async def get_device_pool(self, caller: Principal, device_id: str) -> Pool:
        """A device's pool.

        Raises:
            NotFound: the tenant has no such device.
        """
        await self._access.require(caller, Permission.READ_POOL, device_id)
        async with self._database.work() as work:
            return await _find_pool(work, caller, device_id, None)

    async def get_tenant_pool(self, caller: Principal, tenant: str) -> Pool:
        """The pool of the caller's tenant, by its name or its id.

        Raises:
            NotFound: it is another tenant, or none.
        """
        await self._access.require(caller, Permission.READ_POOLS)
        async with self._database.work() as work:
            return await _find_pool(work, caller, None, tenant)

    async def list(self, caller: Principal, cursor: str | None, limit: int) -> Page[Pool]:
        """A page of the tenant's pools and of the one that all tenants share, newest first.

        Raises:
            ValidationFailed: the cursor is none of this list.
        """
        await self._access.require(caller, Permission.READ_POOLS)
        before = None if cursor is None else _position(Cursor.decode(cursor))
        async with self._database.work() as work:
            found = await pool_store.list_pools(work, caller.tenant_id, before, limit + 1)
        page = Page.cut(found, limit, lambda row: Cursor(row[1], row[0].name))
        return Page([pool for pool, _ in page.items], page.cursors, page.has_more)

    async def change_device_pool(self, caller: Principal, device_id: str, change: PoolChange) -> Pool:
        """Make a device's pool what it shall be.

        Raises:
            NotFound: the tenant has no such device.
            PoolConflict: that would break a promise.
        """
        await self._access.require(caller, Permission.CHANGE_DEVICE_POOL, device_id)
        device = caller.tenant_id, device_id
        return await self._locked_rows.patiently(device, lambda: self._change(caller, device_id, None, change))

    async def change_tenant_pool(self, caller: Principal, tenant: str, change: PoolChange) -> Pool:
        """Make the pool of the caller's tenant what it shall be.

        Raises:
            NotFound: it is another tenant, or none.
            PoolConflict: that would break a promise.
        """
        await self._access.require(caller, Permission.CHANGE_TENANT_POOL)
        no_device = caller.tenant_id, ""
        return await self._locked_rows.patiently(no_device, lambda: self._change(caller, None, tenant, change))

    async def _change(self, caller: Principal, device_id: str | None, tenant: str | None, change: PoolChange) -> Pool:
        try:
            async with self._database.work() as work:
                pool = await _find_pool(work, caller, device_id, tenant)
                return await _apply(work, pool, change, event_by(caller, Category.POOL_CHANGE, device_id, {}))
        except (NotFound, PoolConflict) as refusal:
            details = {"message": str(refusal)}
            async with self._database.work() as work:
                refused = event_by(caller, Category.POOL_CHANGE, device_id, details, Outcome.REFUSED)
                await audit_store.record_event(work, refused)
            raise


async def set_capacity(work: UnitOfWork, caller: Principal, device_id: str, capacity_kbps: int) -> None:
    """Give a device's pool another capacity, in the transaction at hand."""
    path = await _lock_path(work, caller.tenant_id, device_id)
    if path[0].capacity_kbps == capacity_kbps:
        return
    change = PoolChange.to_capacity(path[0], capacity_kbps)
    await _change_locked(work, path, change, event_by(caller, Category.POOL_CHANGE, device_id, {}))


async def set_node_pool(database: Database, change: PoolChange) -> None:
    """Make the pool that all tenants share what it shall be, and make it if there is none."""
    event = system_event(SYSTEM_TENANT_ID, Category.POOL_CHANGE, {})
    async with database.work() as work:
        path = await pool_store.find_path(work, SYSTEM_TENANT_ID, None)
        if path:
            if change.of(path[0]) != path[0]:
                await _apply(work, path[0], change, event)
            return
        # Made and changed at once: an empty pool that stayed behind a refused change would let nobody in.
        async with work.transaction():
            await pool_store.ensure_node_pool(work)
            path = await pool_store.find_path(work, SYSTEM_TENANT_ID, None)
            if change.of(path[0]) != path[0]:
                await _change_locked(work, path, change, event)


async def _apply(work: UnitOfWork, pool: Pool, change: PoolChange, event: AuditEvent) -> Pool:
    """Change a pool, once nobody is faster."""
    device_id = pool.pool_id if pool.level is PoolLevel.DEVICE else None
    while True:
        shrunk = await _plan_shrink(work, pool, change)
        try:
            async with work.transaction():
                path = await _lock_path(work, pool.tenant_id, device_id, shrunk)
                return await _change_locked(work, path, change, event, shrunk)
        except _RaceLostError:
            await asyncio.sleep(0)
        pool = (await pool_store.find_path(work, pool.tenant_id, device_id))[0]


async def _lock_path(
    work: UnitOfWork, tenant_id: UUID, device_id: str | None, shrunk: Sequence[Shrunk] = ()
) -> list[Pool]:
    """Lock a device's path, or without a device its tenant's, and the pools of sessions that shall shrink."""
    keys = {pool.key for pool in await pool_store.find_path(work, tenant_id, device_id)}
    keys |= {key for each in shrunk for key in each.session.pool_keys}
    await pool_store.lock_pools(work, keys)
    # As it is now that nobody else can change it: the node's pool may have been made while the locks were awaited.
    return await pool_store.find_path(work, tenant_id, device_id)


async def _change_locked(
    work: UnitOfWork, path: Sequence[Pool], change: PoolChange, event: AuditEvent, shrunk: Sequence[Shrunk] = ()
) -> Pool:
    """Change the innermost pool of a path whose locks are held; `event` is told from what to what."""
    pool, *ancestors = path
    check_change(pool, change, ancestors, await pool_store.find_shares(work, pool))
    if shrunk:
        told = {"reason": "pool lowered", "actor": event.actor, "trace_id": event.trace_id}
        if await session_store.shrink_sessions(work, [(each, uuid7()) for each in shrunk], **told) < len(shrunk):
            raise _RaceLostError
        await pool_store.withhold_claims(work, {each.session.tenant_id for each in shrunk})
    details = {"pool": pool.name, **asdict(change), "was": settings_of(pool)}
    if not await pool_store.change_pool(work, pool, change, replace(event, details=details)):
        raise _RaceLostError  # others came in after it was planned who is to shrink
    device_id = pool.pool_id if pool.level is PoolLevel.DEVICE else None
    return (await pool_store.find_path(work, pool.tenant_id, device_id))[0]


async def _plan_shrink(work: UnitOfWork, pool: Pool, change: PoolChange) -> tuple[Shrunk, ...]:
    """Whom it takes to come down to the new ceiling; nobody if that is not asked for or not needed."""
    after = change.of(pool)
    if change.force is not Force.SHRINK or pool.committed_kbps <= after.ceiling_kbps:
        return ()
    device_id = pool.pool_id if pool.level is PoolLevel.DEVICE else ""
    _, contenders = await session_store.find_contenders(
        work, pool.tenant_id, device_id, _STRONGER_THAN_ALL, 0, _SHRINK_MAX
    )
    shrunk = plan_shrink(after, contenders)
    if shrunk is not None:
        return shrunk
    read_kbps = sum(pool.charged_kbps(each.streams) for each in contenders.sessions if pool.key in each.pool_keys)
    if read_kbps < pool.reserved_kbps:
        raise PoolConflict(
            pool.name,
            f"a smaller step, since one looks at some {_SHRINK_MAX} sessions of each kind; or force: drain",
            f"{pool.committed_kbps} kbps given away, and minima of those that are too much",
        )
    raise PoolConflict(
        pool.name,
        f"sessions that can do with {after.ceiling_kbps} kbps in all, or force: drain",
        f"{pool.committed_kbps} kbps given away, and minima that are too much",
    )


async def _find_pool(work: UnitOfWork, caller: Principal, device_id: str | None, tenant: str | None) -> Pool:
    """The pool of a device, or that of the caller's tenant, which is named by its name or its id."""
    pool = (await pool_store.find_path(work, caller.tenant_id, device_id))[0]
    if device_id is not None and pool.level is not PoolLevel.DEVICE:
        raise NotFound("device", device_id)
    if tenant is not None and tenant not in {pool.pool_id, str(pool.tenant_id)}:
        raise NotFound("tenant", tenant[:64])
    return pool


def _position(cursor: Cursor) -> tuple[datetime, PoolLevel, str]:
    label, _, pool_id = cursor.row_id.partition(":")
    levels = [level for level in PoolLevel if level.label == label]
    if not levels:
        raise ValidationFailed([("/cursor", "cursor: expected one from this list")])
    return cursor.at, levels[0], pool_id
