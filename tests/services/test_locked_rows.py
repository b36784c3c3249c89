"""Somebody holds a row, and does not let go: who does not need it goes on, and who does waits alone."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from honeylink.domain.access import Principal, Role
from honeylink.domain.admission import Charge
from honeylink.domain.pools import Force, PoolChange
from honeylink.domain.sessions import Mode, Priority, SessionRequest, SessionStatus, StreamRequest
from honeylink.errors import DependencyUnavailable, Overloaded
from honeylink.services import expiry
from honeylink.services.load_shedding.states import Event
from honeylink.store.database import RowLocked
from tests.conftest import run_service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from honeylink.services.pending import OpenedSession
    from honeylink.settings import Settings
    from tests.conftest import Service

# Rows that opening a session locks, and the tenants that need them.
DEVICE_POOL = "SELECT FROM pools WHERE level = 0 AND pool_id = $1 FOR UPDATE"
DEVICE_POOL_CHANGED = "UPDATE pools SET capacity_kbps = capacity_kbps + 1 WHERE level = 0 AND pool_id = $1"
DEVICE = "SELECT FROM devices WHERE device_id = $1 FOR UPDATE"
TENANT_POOL = "SELECT FROM pools JOIN devices USING (tenant_id) WHERE level = 1 AND device_id = $1 FOR UPDATE OF pools"
TENANT = "SELECT FROM tenants JOIN devices USING (tenant_id) WHERE device_id = $1 FOR UPDATE OF tenants"
DATA_KEY = "SELECT FROM data_keys JOIN devices USING (tenant_id) WHERE device_id = $1 FOR UPDATE OF data_keys"
PAST_END = "UPDATE sessions SET expires_at = now() - interval '1 s' WHERE status = 'active'"
ROWS = {
    "device-pool": DEVICE_POOL,
    "device-pool-changed": DEVICE_POOL_CHANGED,
    "device": DEVICE,
    "tenant-pool": TENANT_POOL,
    "tenant": TENANT,
    "data-key": DATA_KEY,
}


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


@pytest.fixture(scope="module")
def service(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    with run_service(make_settings(expiry_interval_seconds=3600, database_pool_size=4)) as running:
        yield running


@pytest.fixture(scope="module")
def others(service: Service) -> list[Owned]:
    return [new_device(service, "other") for _ in range(10)]


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
