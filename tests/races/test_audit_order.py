"""The audit trail while it is written: its order is that of the changes, and who polls it misses nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from honeylink.domain.access import Principal, Role
from honeylink.domain.audit import AuditFilter
from honeylink.domain.pools import PoolChange
from honeylink.services.pools import set_capacity
from honeylink.services.runtime import open_services
from honeylink.store.database import UnitOfWork
from honeylink.store.sessions import EndingSession, end_sessions
from tests.races import operations as ops
from tests.races.arena import check, check_pool_events, set_scene
from tests.races.operations import State

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    import pytest

    from honeylink.services.runtime import Services
    from tests.conftest import LoopThread, Service
    from tests.races.arena import Arena


def test_a_change_of_an_older_transaction_is_dated_by_when_it_was_made(loop: LoopThread, arena: Arena) -> None:
    async def run() -> None:
        scene = await set_scene(arena, State.PAIRED, node=True)
        async with arena.second.database.work() as work, work.transaction():
            pool = await arena.first.pools.get_device_pool(scene.caller(), ops.DEVICE)
            change = PoolChange.to_capacity(pool, 2000)
            await arena.first.pools.change_device_pool(scene.caller(), ops.DEVICE, change)
            await set_capacity(work, scene.caller(), ops.DEVICE, 3000)
        await check_pool_events(arena, scene)

    loop.run(run())


def test_no_session_is_created_after_its_device_was_revoked(loop: LoopThread, arena: Arena) -> None:
    """The session holds its device's pool and awaits its tenant's; the revocation awaits that of the device."""

    async def run() -> None:
        scene = await set_scene(arena, State.PAIRED, node=False)
        async with arena.owner.transaction():
            await arena.owner.execute(
                "SELECT FROM pools WHERE tenant_id = $1 AND level = 1 FOR NO KEY UPDATE", scene.tenant_id
            )
            opening = asyncio.ensure_future(ops.open_session(arena.first, scene, 1))
            await arena.until_stuck(arena.first, opening)
            revoking = asyncio.ensure_future(ops.revoke(arena.second, scene, 2))
            await arena.until_stuck(arena.second, revoking)
            assert not opening.done()
        await opening
        await check(arena, scene, {ops.revoke: await revoking})

    loop.run(run())


def test_no_session_ends_before_it_began(loop: LoopThread, arena: Arena) -> None:
    """One that ends for a stronger one may be younger than the transaction that ends it."""

    async def run() -> None:
        scene = await set_scene(arena, State.PAIRED, node=False)
        await ops.end_session(arena.first, scene, 1)
        async with arena.second.database.work() as work, work.transaction():
            opened = await arena.first.sessions.open(scene.caller(), ops.request(ops.DEVICE, 100))
            ending = EndingSession(scene.tenant_id, opened.session_id, uuid7())
            await end_sessions(work, [ending], reason="test", actor="test", trace_id="")
        ended = await arena.first.sessions.get(scene.caller(), opened.session_id)
        assert ended.ended_at is not None
        assert ended.ended_at > ended.created_at

    loop.run(run())


def test_a_page_has_what_is_still_being_committed(
    loop: LoopThread,
    arena: Arena,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An event that can't be seen yet is older than one that can: the page waits for it."""
    looks = asyncio.Semaphore(0)
    fetchrow = UnitOfWork.fetchrow

    async def counting(self: UnitOfWork, statement: str, **parameters: object) -> object:
        if statement == "find_event_writers":
            looks.release()
        return await fetchrow(self, statement, **parameters)

    async def run() -> None:
        scene = await set_scene(arena, State.ABSENT, node=False)
        pages = []

        async def read() -> None:
            await ops.create_tenant(arena.second, scene, 2)
            await ops.revoke_token(arena.second, scene, 2)
            page = arena.second.audit.list(scene.caller(Role.AUDITOR), AuditFilter(), None, 50)
            reading = asyncio.ensure_future(page)
            for _ in range(3):  # it has seen that somebody writes, and looks again
                await asyncio.wait(
                    [reading, looking := asyncio.ensure_future(looks.acquire())], return_when=asyncio.FIRST_COMPLETED
                )
                looking.cancel()
            pages.append(reading)

        await arena.race(ops.register(arena.first, scene, 1), read())
        [reading] = pages
        found = [event.category for event in (await reading).items]
        assert found[:2] == ["token-revocation", "device-registration"]

    monkeypatch.setattr(UnitOfWork, "fetchrow", counting)
    loop.run(run())


def test_a_poller_misses_nothing(service: Service) -> None:
    """It asks for what came since the newest event that it knows, while others write."""

    async def write(services: Services, number: int) -> None:
        operator = Principal(tenant_id, uuid7(), "operator", Role.OPERATOR)
        for _ in range(25):
            await services.devices.register(operator, ops.registration(f"device-{number % 3}", None))

    async def poll(services: Services, writers: asyncio.Future[list[None]]) -> dict[UUID, datetime]:
        auditor = Principal(tenant_id, uuid7(), "auditor", Role.AUDITOR)
        found: dict[UUID, datetime] = {}
        while True:
            last = writers.done()
            matching = AuditFilter(since=max(found.values(), default=None))
            cursor = None
            while True:
                page = await services.audit.list(auditor, matching, cursor, 5)
                found |= {event.event_id: event.at for event in page.items}
                cursor = page.next_cursor
                if cursor is None:
                    break
            if last:
                return found

    async def run() -> set[UUID]:
        async with open_services(service.settings) as one, open_services(service.settings) as other:
            writers = asyncio.gather(*(write(services, n) for n in range(4) for services in (one, other)))
            found = await poll(service.services, writers)
            await writers
            return set(found)

    tenant_id = service.loop.run(service.services.tenants.create_token("polled", Role.ADMIN, "first")).tenant_id
    found = service.loop.run(run())
    stored = service.fetch("SELECT event_id FROM audit_events WHERE tenant_id = $1", tenant_id)
    assert {row["event_id"] for row in stored} - found == set()
    assert len(stored) == 202
