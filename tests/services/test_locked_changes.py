"""Somebody holds a row: what ends or changes something waits for it alone, and leaves the rest to go on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from honeylink.domain.admission import Charge
from honeylink.domain.pools import Force, PoolChange
from honeylink.domain.sessions import SessionStatus
from honeylink.services import expiry
from tests.conftest import run_service
from tests.services.held_rows import (
    DEVICE_POOL,
    TENANT_POOL,
    Owned,
    holding,
    new_device,
    open_all,
    run,
    until_nobody_waits,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from honeylink.settings import Settings
    from tests.conftest import Service


PAST_END = "UPDATE sessions SET expires_at = now() - interval '1 s' WHERE status = 'active'"


@pytest.fixture(scope="module")
def service(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    with run_service(make_settings(expiry_interval_seconds=3600, database_pool_size=4)) as running:
        yield running


@pytest.fixture(scope="module")
def others(service: Service) -> list[Owned]:
    return [new_device(service, "other") for _ in range(10)]


def test_an_end_waits_for_its_pool_and_for_its_own_row(service: Service) -> None:
    stuck, other = new_device(service, "stuck"), new_device(service, "other")
    own_row = "SELECT FROM sessions WHERE session_id = $1 FOR UPDATE"

    async def meet() -> None:
        sessions = service.services.sessions

        async def end(owner: Owned, session_id: UUID) -> None:
            ended = await sessions.end(owner.caller, session_id)
            assert ended.status is SessionStatus.TERMINATED

        for row, by_session in ((DEVICE_POOL, False), (TENANT_POOL, False), (own_row, True)):
            first, second = await open_all(service, [stuck, other])
            async with holding(service, row, first.session_id if by_session else stuck.device_id):
                waiting = [asyncio.create_task(end(stuck, first.session_id)) for _ in range(6)]
                await asyncio.sleep(0)
                await end(other, second.session_id)
                # Nobody holds a pool while he waits for the session's own row.
                if by_session:
                    await open_all(service, [stuck])
                assert not any(task.done() for task in waiting)
            await asyncio.gather(*waiting)

    run(service, meet())


def test_a_sweep_and_a_drain_leave_what_is_held_and_end_the_rest(service: Service) -> None:
    held, revoked = new_device(service, "stuck"), new_device(service, "other")
    others = [new_device(service, "other") for _ in range(3)]
    own_row = "SELECT FROM sessions WHERE device_id = $1 FOR UPDATE"

    async def meet() -> None:
        connection = await asyncpg.connect(service.dsn)
        try:
            await connection.execute(PAST_END)  # what other tests have left
            await service.services.expiry.sweep()
            for row in (DEVICE_POOL, TENANT_POOL, own_row):
                await open_all(service, [held, held, *others])
                await connection.execute(PAST_END)
                async with holding(service, row, held.device_id):
                    assert await service.services.expiry.sweep() == 3
                    assert await service.services.expiry.sweep() == 0
                assert await service.services.expiry.sweep() == 2
            await open_all(service, [revoked, *others])
            await connection.execute(PAST_END)
            async with holding(service, own_row, revoked.device_id):
                await service.services.devices.revoke(revoked.caller, revoked.device_id, "lost")
                assert await service.services.expiry.sweep() == 3
            # Either as one that is past its time, or as one of a revoked device.
            await service.services.expiry.sweep()
            assert not await connection.fetchval("SELECT count(*) FROM sessions WHERE status = 'active'")
            assert await connection.fetchval("SELECT drained_at FROM devices WHERE device_id = $1", revoked.device_id)
        finally:
            await connection.close()

    run(service, meet())


@pytest.mark.parametrize("row", [DEVICE_POOL, "SELECT FROM sessions WHERE device_id = $1 FOR UPDATE"])
def test_a_drain_goes_on_behind_those_that_are_held(
    service: Service, row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many they are, and however long ago they were revoked."""
    held, free = [new_device(service, "stuck") for _ in range(2)], new_device(service, "other")
    monkeypatch.setattr(expiry, "_BATCH", 1)

    async def meet() -> None:
        connection = await asyncpg.connect(service.dsn)
        try:
            await open_all(service, [*held, free])
            for each in (*held, free):
                await connection.execute(
                    "UPDATE devices SET status = 'revoked', revoked_at = now(), revoke_reason = 'lost'"
                    " WHERE device_id = $1",
                    each.device_id,
                )
            async with holding(service, row, held[0].device_id), holding(service, row, held[1].device_id):
                await service.services.expiry.sweep()
                left = await connection.fetch("SELECT device_id FROM sessions WHERE status = 'active'")
                assert {each.device_id for each in held} <= {each["device_id"] for each in left}
                assert free.device_id not in {each["device_id"] for each in left}
            await service.services.expiry.sweep()
            draining = "SELECT count(*) FROM devices WHERE status = 'revoked' AND drained_at IS NULL"
            assert not await connection.fetchval(draining)
        finally:
            await connection.close()

    run(service, meet())


def test_a_change_of_a_pool_waits_for_it_and_others_change_theirs(service: Service) -> None:
    stuck, other = new_device(service, "stuck"), new_device(service, "other")
    change = PoolChange(500, Charge.PAYLOAD, None, None, None, False, 0, Force.DRAIN)

    async def meet() -> None:
        pools = service.services.pools
        async with holding(service, DEVICE_POOL, stuck.device_id):
            waiting = [
                asyncio.create_task(pools.change_device_pool(stuck.caller, stuck.device_id, change)) for _ in range(8)
            ]
            await asyncio.sleep(0)
            assert (await pools.change_device_pool(other.caller, other.device_id, change)).capacity_kbps == 500
            await until_nobody_waits(service)
            assert not any(task.done() for task in waiting)
        assert {pool.capacity_kbps for pool in await asyncio.gather(*waiting)} == {500}

    run(service, meet())
