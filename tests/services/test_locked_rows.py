"""Somebody holds a row, and does not let go: of those who open sessions, who needs it waits alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from honeylink.errors import DependencyUnavailable, Overloaded
from honeylink.services.load_shedding.states import Event
from honeylink.store.database import RowLocked
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

    from honeylink.settings import Settings
    from tests.conftest import Service


DEVICE_POOL_CHANGED = "UPDATE pools SET capacity_kbps = capacity_kbps + 1 WHERE level = 0 AND pool_id = $1"
DEVICE = "SELECT FROM devices WHERE device_id = $1 FOR UPDATE"
TENANT = "SELECT FROM tenants JOIN devices USING (tenant_id) WHERE device_id = $1 FOR UPDATE OF tenants"
DATA_KEY = "SELECT FROM data_keys JOIN devices USING (tenant_id) WHERE device_id = $1 FOR UPDATE OF data_keys"
ROWS = {
    "device-pool": DEVICE_POOL,
    "device-pool-changed": DEVICE_POOL_CHANGED,
    "device": DEVICE,
    "tenant-pool": TENANT_POOL,
    "tenant": TENANT,
    "data-key": DATA_KEY,
}


@pytest.fixture(scope="module")
def service(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    with run_service(make_settings(expiry_interval_seconds=3600, database_pool_size=4)) as running:
        yield running


@pytest.fixture(scope="module")
def others(service: Service) -> list[Owned]:
    return [new_device(service, "other") for _ in range(10)]


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_others_go_on_and_who_needs_it_has_his_answer_when_it_is_free(
    service: Service, others: list[Owned], row: str
) -> None:
    stuck, new = new_device(service, "stuck"), [new_device(service, "other")]
    new += [new_device(service, "stuck")] if row in {DEVICE_POOL, DEVICE_POOL_CHANGED, DEVICE} else []

    async def meet() -> None:
        await open_all(service, [stuck, *others])
        async with holding(service, row, stuck.device_id):
            waiting = [asyncio.create_task(open_all(service, [stuck])) for _ in range(8)]
            await open_all(service, [*others, *new])
            await until_nobody_waits(service)
            for _ in range(5):
                await open_all(service, [*others, *new])
            assert not any(task.done() for task in waiting)
        await asyncio.gather(*waiting)

    run(service, meet())


def test_who_needs_it_waits_as_long_as_he_has_time(service: Service) -> None:
    stuck, other = new_device(service, "stuck"), new_device(service, "other")

    async def meet() -> None:
        database = service.services.database
        async with holding(service, DEVICE_POOL, stuck.device_id):
            with database.shared_budget(0.7):
                with pytest.raises(DependencyUnavailable):
                    await open_all(service, [stuck])
                assert database.remaining_seconds() <= 0.01
            device = stuck.caller.tenant_id, stuck.device_id
            while not service.services.sessions._locked_rows.blocks(device):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0)
            with database.shared_budget(0.2), pytest.raises(RowLocked):
                await open_all(service, [stuck])
            await open_all(service, [other])
        await open_all(service, [stuck])

    run(service, meet())


def test_no_more_wait_than_may_be_in_progress(make_settings: Callable[..., Settings]) -> None:
    with run_service(make_settings(max_opening_sessions=3)) as service:
        stuck, other = new_device(service, "stuck"), new_device(service, "other")

        async def meet() -> None:
            async with holding(service, DEVICE_POOL, stuck.device_id):
                waiting = [asyncio.create_task(open_all(service, [stuck])) for _ in range(3)]
                while service.services.sessions._locked_rows._waiting < len(waiting):  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0)
                with pytest.raises(RowLocked):
                    await open_all(service, [stuck])
                # Those who wait take nobody's place.
                await open_all(service, [other] * 3)
            await asyncio.gather(*waiting)

        run(service, meet())


def test_no_more_come_back_when_it_is_free_than_may_be_in_progress(
    make_settings: Callable[..., Settings],
) -> None:
    with run_service(make_settings(max_opening_sessions=2)) as service:
        stuck = new_device(service, "stuck")

        async def meet() -> None:
            sessions, gate = service.services.sessions, service.services.gate
            async with holding(service, DEVICE_POOL, stuck.device_id):
                waiting = [asyncio.create_task(open_all(service, [stuck])) for _ in range(2)]
                while sessions._locked_rows._waiting < len(waiting):  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0)
                other = gate.arrive()
                other.move(Event.COMPLETE)
                gate.open(other, asyncio.get_running_loop().time())
            opened, refused = await asyncio.gather(*waiting, return_exceptions=True)
            assert isinstance(opened, list)
            assert isinstance(refused, Overloaded)
            other.move(Event.ABANDON)
            await open_all(service, [stuck] * 2)

        run(service, meet())


def test_what_nobody_can_tell_is_waited_for_apart_from_all_others(make_settings: Callable[..., Settings]) -> None:
    with run_service(make_settings(expiry_interval_seconds=3600, database_timeout_seconds=5)) as service:
        stuck, other = new_device(service, "stuck"), new_device(service, "other")
        service.fetch(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END'"
        )
        service.fetch(
            "CREATE TRIGGER wait BEFORE INSERT ON sessions FOR EACH ROW"
            f" WHEN (NEW.device_id = '{stuck.device_id}') EXECUTE FUNCTION wait()"
        )

        async def meet() -> None:
            connection = await asyncpg.connect(service.dsn)

            async def until_waiters(number: int) -> None:
                waiters = "SELECT count(*) FROM pg_locks WHERE NOT granted"
                while await connection.fetchval(waiters) != number:  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0)

            async with holding(service, "SELECT pg_advisory_xact_lock(4711)"):
                waiting = asyncio.create_task(open_all(service, [stuck]))
                for number in (1, 0, 1):  # once as long as commits take, then for longer
                    await until_waiters(number)
                await open_all(service, [other])
                assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1
            await waiting
            await connection.close()

        run(service, meet())


def test_everybody_waits_for_the_node(make_settings: Callable[..., Settings]) -> None:
    with run_service(make_settings(node_pool_kbps=10**6)) as service:
        devices = [new_device(service, tenant) for tenant in ("one", "two")]

        async def meet() -> None:
            async with holding(service, "SELECT FROM pools WHERE level = 2 FOR UPDATE"):
                waiting = asyncio.create_task(open_all(service, devices))
                await asyncio.sleep(0)
                while not service.services.expiry._locked_rows.tenants:  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0)
                assert not waiting.done()
            await waiting

        run(service, meet())


def test_a_lock_that_two_share_holds_up_who_needs_it_and_nobody_else(service: Service, others: list[Owned]) -> None:
    """They hide behind a number that is neither's."""
    stuck = new_device(service, "stuck")
    shared = "SELECT FROM pools WHERE level = 0 AND pool_id = $1 FOR SHARE"

    async def meet() -> None:
        async with holding(service, shared, stuck.device_id), holding(service, shared, stuck.device_id):
            waiting = [asyncio.create_task(open_all(service, [stuck])) for _ in range(8)]
            while service.services.sessions._locked_rows._waiting < len(waiting):
                await open_all(service, others)
                assert not any(task.done() for task in waiting)
            for _ in range(5):
                await open_all(service, others)
            await until_nobody_waits(service)
        await asyncio.gather(*waiting)

    run(service, meet())


HARMLESS = {
    "tenant": "SELECT FROM tenants JOIN devices USING (tenant_id) WHERE device_id = $1 FOR KEY SHARE OF tenants",
    "data-key": "SELECT FROM data_keys JOIN devices USING (tenant_id) WHERE device_id = $1 FOR KEY SHARE OF data_keys",
    "device": "SELECT FROM devices WHERE device_id = $1 FOR KEY SHARE",
}


@pytest.mark.parametrize("row", HARMLESS.values(), ids=HARMLESS.keys())
def test_a_lock_that_keeps_nobody_from_anything_is_none_beside_one_that_does(service: Service, row: str) -> None:
    """Such as that of a row that refers to it."""
    stuck, other = new_device(service, "stuck"), new_device(service, "stuck")

    async def meet() -> None:
        rows = service.services.sessions._locked_rows
        async with holding(service, row, other.device_id), holding(service, DEVICE_POOL, stuck.device_id):
            waiting = [asyncio.create_task(open_all(service, [stuck])) for _ in range(2)]
            while rows._waiting < len(waiting):
                await open_all(service, [other])
                assert not any(task.done() for task in waiting)
            await open_all(service, [other])
            assert rows.devices == [(stuck.caller.tenant_id, stuck.device_id)]
            assert not rows.tenants
        await asyncio.gather(*waiting)

    run(service, meet())


def test_one_whose_pool_is_changed_all_the_time_is_not_held(service: Service) -> None:
    """By one transaction after the other, beside one that stays and has nothing to do with it."""
    device, stuck = new_device(service, "busy"), new_device(service, "stuck")
    done = asyncio.Event()

    async def change() -> None:
        connection = await asyncpg.connect(service.dsn)
        while not done.is_set():
            async with connection.transaction():
                await connection.execute(DEVICE_POOL, device.device_id)
                await asyncio.sleep(0.005)
        await connection.close()

    async def meet() -> None:
        async with holding(service, DEVICE_POOL, stuck.device_id):
            changing = [asyncio.create_task(change()) for _ in range(2)]
            for _ in range(10):
                named = device.caller.tenant_id, device.device_id
                assert not await service.services.sessions._locked_rows.look([named], RowLocked())
            done.set()
            await asyncio.gather(*changing)

    run(service, meet())


def test_who_takes_from_others_and_needs_it_leaves_his_turn(make_settings: Callable[..., Settings]) -> None:
    with run_service(make_settings(expiry_interval_seconds=3600)) as service:
        stuck, other = ([new_device(service, tenant) for _ in range(2)] for tenant in ("stuck", "other"))
        service.fetch("UPDATE pools SET capacity_kbps = 10, preemption = true WHERE level = 1")

        async def take(owner: Owned) -> None:
            opened = await service.services.sessions.open(
                owner.caller, owner.request(setup_priority=1, hold_priority=1)
            )
            opened.wipe_keys()

        async def meet() -> None:
            weak = [stuck[0], other[0]]
            await open_all(service, weak)
            async with holding(service, DEVICE_POOL, stuck[0].device_id):  # of who would have to give way
                waiting = [asyncio.create_task(take(stuck[1])) for _ in range(4)]
                await asyncio.sleep(0)
                await take(other[1])
                assert not any(task.done() for task in waiting)
            await asyncio.wait(waiting)
            assert sum(task.exception() is None for task in waiting) == 1

        run(service, meet())
