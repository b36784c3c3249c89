"""Rows that somebody holds, and devices whose sessions need them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import asyncpg

from honeylink.domain.access import Principal, Role
from honeylink.domain.sessions import Mode, Priority, SessionRequest, StreamRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from honeylink.services.pending import OpenedSession
    from tests.conftest import Service


# Rows that opening a session locks.
DEVICE_POOL = "SELECT FROM pools WHERE level = 0 AND pool_id = $1 FOR UPDATE"
TENANT_POOL = "SELECT FROM pools JOIN devices USING (tenant_id) WHERE level = 1 AND device_id = $1 FOR UPDATE OF pools"


@dataclass(frozen=True)
class Owned:
    """A device, and who opens its sessions."""

    caller: Principal
    device_id: str

    def request(self, kbps: int = 10, **fields: Any) -> SessionRequest:
        stream = StreamRequest("video", Mode.UNRELIABLE, Priority.BURST, kbps)
        return SessionRequest(self.device_id, (stream,), 60, **fields)


def new_device(service: Service, tenant: str = "acme") -> Owned:
    device = service.new_device(operator=service.token(Role.OPERATOR, tenant))
    [row] = service.fetch("SELECT tenant_id FROM tenants WHERE name = $1", tenant)
    return Owned(Principal(row["tenant_id"], uuid4(), "test", Role.OPERATOR), device.device_id)


def run(service: Service, work: Coroutine[Any, Any, None]) -> None:
    service.loop.run(work)
    assert all(pool.reconciles for pool in service.loop.run(service.services.operations.check_pools()))


@asynccontextmanager
async def holding(service: Service, row: str, *arguments: object) -> AsyncIterator[None]:
    """As an administrator who has gone for coffee."""
    connection = await asyncpg.connect(service.dsn)
    try:
        async with connection.transaction():
            await connection.execute(row, *arguments)
            yield
    finally:
        await connection.close()


async def open_all(service: Service, devices: list[Owned]) -> list[OpenedSession]:
    sessions = service.services.sessions
    opened = await asyncio.gather(*(sessions.open(each.caller, each.request()) for each in devices))
    for each in opened:
        each.wipe_keys()
    return opened


async def until_nobody_waits(service: Service) -> None:
    """For a lock, on a connection."""
    connection = await asyncpg.connect(service.dsn)
    try:
        while await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0)
    finally:
        await connection.close()
