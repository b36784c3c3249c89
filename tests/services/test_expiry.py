"""The sweep: each session past its time ends once, and its bandwidth comes back."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest
from structlog.testing import capture_logs

from honeylink.domain.access import Role
from honeylink.errors import DependencyUnavailable
from honeylink.services.expiry import Expiry
from honeylink.services.locked_rows import LockedRows
from honeylink.store.database import Database
from tests.conftest import Device, Service, run_service, session_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from honeylink.settings import Settings

PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def service(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    """A service whose own sweep stays out of the way."""
    with run_service(make_settings(expiry_interval_seconds=3600)) as running:
        yield running


def open_sessions(service: Service, device: Device, count: int) -> None:
    with service.client(device.token) as client:
        for _ in range(count):
            assert client.post("/sessions", json=session_body(device, 10)).status_code == 201


def move_past_end(service: Service, devices: Sequence[Device]) -> None:
    service.fetch(
        "UPDATE sessions SET expires_at = now() - interval '1 second' WHERE device_id = ANY ($1)",
        [device.device_id for device in devices],
    )


def copy_session(service: Service, device: Device, copies: int) -> None:
    """Make many sessions out of the device's only one, without its streams."""
    service.fetch(
        """
        WITH made AS (
            INSERT INTO sessions (tenant_id, session_id, device_id, status, created_at, expires_at, session_endpoint,
                                  dek_id, key_nonce, key_ciphertext)
            SELECT tenant_id, gen_random_uuid(), device_id, status, created_at, expires_at, session_endpoint,
                   dek_id, key_nonce, key_ciphertext
            FROM sessions, generate_series(1, $2)
            WHERE device_id = $1
            RETURNING tenant_id, session_id
        ),
        held AS (
            INSERT INTO reservations (tenant_id, session_id, level, pool_tenant_id, pool_id, reserved_kbps)
            SELECT made.tenant_id, made.session_id, pool.level, pool.tenant_id, pool.pool_id, 10
            FROM made JOIN pools AS pool USING (tenant_id)
            WHERE pool.level = 1 OR pool.pool_id = $1
        )
        UPDATE pools SET reserved_kbps = reserved_kbps + 10 * $2
        WHERE tenant_id = (SELECT tenant_id FROM devices WHERE device_id = $1) AND (level = 1 OR pool_id = $1)
        """,
        device.device_id,
        copies,
    )


def expiry_events(service: Service, device: Device) -> list[str]:
    rows = service.fetch(
        "SELECT actor, outcome, details ->> 'session_id' AS session_id FROM audit_events"
        " WHERE category = 'session-expiry' AND device_id = $1",
        device.device_id,
    )
    assert {(row["actor"], row["outcome"]) for row in rows} <= {("system", "success")}
    return [row["session_id"] for row in rows]


def expired(service: Service, device: Device) -> list[str]:
    rows = service.fetch(
        "SELECT session_id FROM sessions WHERE device_id = $1 AND status = 'expired' AND end_reason = 'expired'"
        " AND ended_at = expires_at",
        device.device_id,
    )
    return [str(row["session_id"]) for row in rows]


def check_reservations(service: Service, device: Device, reserved_kbps: int) -> None:
    reconciled = service.loop.run(service.services.operations.check_pools())
    assert all(pool.reconciles for pool in reconciled)
    assert [pool.reserved_kbps for pool in reconciled if pool.pool_id == device.device_id] == [reserved_kbps]


def test_a_sweep_ends_what_is_due_and_nothing_else(service: Service) -> None:
    due, live = service.new_device(), service.new_device()
    open_sessions(service, due, 3)
    open_sessions(service, live, 2)
    move_past_end(service, [due])
    check_reservations(service, due, 30)
    assert service.loop.run(service.services.expiry.sweep()) == 3
    assert sorted(expiry_events(service, due)) == sorted(expired(service, due))
    assert len(expired(service, due)) == 3
    assert expired(service, live) == expiry_events(service, live) == []
    check_reservations(service, due, 0)
    check_reservations(service, live, 20)


def test_a_sweep_serves_all_tenants(service: Service) -> None:
    devices = [
        service.new_device(operator=service.token(Role.OPERATOR, tenant)) for tenant in ("acme", "globex", "initech")
    ]
    for device in devices:
        open_sessions(service, device, 2)
    move_past_end(service, devices)
    assert service.loop.run(service.services.expiry.sweep()) == 6
    assert [len(expiry_events(service, device)) for device in devices] == [2, 2, 2]
    for device in devices:
        check_reservations(service, device, 0)
    [row] = service.fetch(
        """
        SELECT count(DISTINCT session.xmin::text) AS session_commits, count(DISTINCT event.xmin::text) AS event_commits,
               bool_and(event.tenant_id = session.tenant_id AND event.device_id = session.device_id) AS own_tenants
        FROM sessions AS session
        JOIN audit_events AS event
            ON event.category = 'session-expiry' AND event.details ->> 'session_id' = session.session_id::text
        WHERE session.device_id = ANY ($1)
        """,
        [device.device_id for device in devices],
    )
    assert tuple(row) == (1, 1, True)


def test_a_sweep_with_nothing_to_do(service: Service) -> None:
    assert service.loop.run(service.services.expiry.sweep()) == 0


def test_two_sweeps_at_once_end_each_session_once(service: Service) -> None:
    device = service.new_device()
    open_sessions(service, device, 1)
    copy_session(service, device, 99)
    check_reservations(service, device, 1000)
    move_past_end(service, [device])

    async def sweep_at_once() -> list[int]:
        return await asyncio.gather(*(service.services.expiry.sweep() for _ in range(4)))

    assert sum(service.loop.run(sweep_at_once())) == 100
    assert sorted(expiry_events(service, device)) == sorted(expired(service, device))
    assert len(set(expiry_events(service, device))) == 100
    check_reservations(service, device, 0)


@asynccontextmanager
async def sweep_at_work(service: Service, device: Device) -> AsyncIterator[asyncio.Task[int]]:
    """Another process's sweep, in the middle of its statement: it waits for the device's pool until the block ends."""
    holder = await asyncpg.connect(service.dsn)
    other = Database(service.dsn, role="honeylink_app", timeout_seconds=PATIENCE_SECONDS)
    await other.open()
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM pools WHERE level = 0 AND pool_id = $1 FOR UPDATE", device.device_id)
            sweeping = asyncio.create_task(Expiry(other, LockedRows(other, 1), 1).sweep())
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not await holder.fetchval(  # noqa: ASYNC110 - a lock that is awaited is no event
                    "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
                ):
                    await asyncio.sleep(0)
            yield sweeping
        await asyncio.wait([sweeping])
    finally:
        await other.close()
        await holder.close()


def test_a_sweep_leaves_the_rest_to_one_that_is_at_work(service: Service) -> None:
    held, free = service.new_device(), service.new_device()
    for device in (held, free):
        open_sessions(service, device, 2)
    move_past_end(service, [held, free])

    async def sweep_meanwhile() -> tuple[int, int]:
        async with sweep_at_work(service, held) as sweeping:
            meanwhile = await service.services.expiry.sweep()
            assert not sweeping.done()
        return meanwhile, await sweeping

    assert service.loop.run(sweep_meanwhile()) == (0, 4)
    for device in (held, free):
        assert sorted(expiry_events(service, device)) == sorted(expired(service, device))
        check_reservations(service, device, 0)


def test_a_sweep_that_dies_at_work_stops_nobody(service: Service) -> None:
    held, free = service.new_device(), service.new_device()
    for device in (held, free):
        open_sessions(service, device, 2)
    move_past_end(service, [held, free])

    async def kill() -> BaseException | None:
        async with sweep_at_work(service, held) as sweeping:
            killer = await asyncpg.connect(service.dsn)
            try:
                await killer.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pg_blocking_pids(pid) <> '{}'"
                )
            finally:
                await killer.close()
            await asyncio.wait([sweeping])
        return sweeping.exception()

    assert isinstance(service.loop.run(kill()), DependencyUnavailable)
    assert expired(service, free) == []
    assert service.loop.run(service.services.expiry.sweep()) == 4
    for device in (held, free):
        check_reservations(service, device, 0)


def test_ends_and_revocations_wait_for_no_sweep(service: Service) -> None:
    held, ended, revoked = service.new_device(), service.new_device(), service.new_device()
    for device in (held, ended, revoked):
        open_sessions(service, device, 1)
    move_past_end(service, [held])
    [row] = service.fetch("SELECT session_id FROM sessions WHERE device_id = $1", ended.device_id)
    operator = f"Bearer {service.operator}"

    async def end_meanwhile() -> None:
        async with sweep_at_work(service, held) as sweeping:
            caller = await service.services.access.authenticate(operator)
            await service.services.sessions.end(caller, row["session_id"])
            await service.services.devices.revoke(caller, revoked.device_id, "lost")
            assert not sweeping.done()

    service.loop.run(end_meanwhile())
    for device in (held, ended, revoked):
        check_reservations(service, device, 0)


def test_sweeps_that_meet_again_and_again_leave_nothing_over(service: Service) -> None:
    """One that finds the sessions of its list ended by another goes on with a new list."""
    device = service.new_device()
    open_sessions(service, device, 1)
    copy_session(service, device, 1999)
    move_past_end(service, [device])

    async def sweep_at_once() -> list[int]:
        return await asyncio.gather(*(service.services.expiry.sweep() for _ in range(4)))

    assert sum(service.loop.run(sweep_at_once())) == 2000
    check_reservations(service, device, 0)


def test_more_sessions_than_one_statement_takes(service: Service) -> None:
    device = service.new_device()
    open_sessions(service, device, 1)
    copy_session(service, device, 404)
    move_past_end(service, [device])
    assert service.loop.run(service.services.expiry.sweep()) == 405
    check_reservations(service, device, 0)


def test_the_service_sweeps_by_itself(make_settings: Callable[..., Settings]) -> None:
    with run_service(make_settings(expiry_interval_seconds=0.01)) as service:
        device = service.new_device()
        open_sessions(service, device, 2)
        move_past_end(service, [device])
        assert any(len(expired(service, device)) == 2 for _ in range(2000))


def test_a_sweep_that_fails_is_logged_and_the_next_one_goes_on(service: Service) -> None:
    device = service.new_device()
    open_sessions(service, device, 1)
    move_past_end(service, [device])
    service.fetch("ALTER TABLE reservations RENAME COLUMN pool_id TO pool_elsewhere")

    async def sweep_until_logged() -> None:
        await until_logged(
            Expiry(service.services.database, LockedRows(service.services.database, 1), 0.001), "expiry.failed"
        )

    service.loop.run(sweep_until_logged())
    assert expired(service, device) == []
    service.fetch("ALTER TABLE reservations RENAME COLUMN pool_elsewhere TO pool_id")
    assert service.loop.run(service.services.expiry.sweep()) == 1


def test_a_database_that_is_away_is_waited_for(service: Service, tmp_path_factory: pytest.TempPathFactory) -> None:
    nowhere = Database(f"postgresql://nobody@/nothing?host={tmp_path_factory.mktemp('nowhere')}")

    async def sweep_until_logged() -> None:
        await nowhere.open()
        try:
            await until_logged(Expiry(nowhere, LockedRows(nowhere, 1), 0.001), "expiry.skipped")
        finally:
            await nowhere.close()

    service.loop.run(sweep_until_logged())


async def until_logged(expiry: Expiry, event: str, times: int = 2) -> None:
    """Run the sweep until it has logged `event`, more than once: it went on after the first."""
    with capture_logs() as logs:
        async with asyncio.timeout(PATIENCE_SECONDS):
            running = asyncio.create_task(expiry.run())
            while [log["event"] for log in logs].count(event) < times:  # noqa: ASYNC110 - a log line is no event
                await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running


def test_a_device_with_more_sessions_than_one_statement_takes_is_revoked(service: Service) -> None:
    device = service.new_device()
    open_sessions(service, device, 1)
    copy_session(service, device, 450)
    with service.client() as client:
        assert client.post(f"/devices/{device.device_id}/revoke", json={"reason": "lost"}).status_code == 200
    check_reservations(service, device, 0)
    [row] = service.fetch(
        "SELECT drained_at IS NOT NULL AS drained FROM devices WHERE device_id = $1", device.device_id
    )
    assert row["drained"]


def test_what_a_revocation_left_over_is_swept(service: Service) -> None:
    device = service.new_device()
    open_sessions(service, device, 1)
    copy_session(service, device, 250)
    # As if the process had died between revoking the device and ending its sessions.
    service.fetch("UPDATE devices SET status = 'revoked', revoked_at = now() WHERE device_id = $1", device.device_id)
    service.fetch("UPDATE pools SET accepting = false WHERE level = 0 AND pool_id = $1", device.device_id)
    service.loop.run(service.services.expiry.sweep())
    check_reservations(service, device, 0)
    rows = service.fetch("SELECT DISTINCT status, end_reason FROM sessions WHERE device_id = $1", device.device_id)
    assert [tuple(row) for row in rows] == [("terminated", "device revoked")]


def test_a_session_that_cant_end_keeps_no_other_from_ending(service: Service) -> None:
    odd, sound = service.new_device(), service.new_device()
    for device in (odd, sound):
        open_sessions(service, device, 1)
    set_reserved = "UPDATE pools SET reserved_kbps = $2 WHERE pool_id = $1"
    service.fetch(set_reserved, odd.device_id, 5)  # less than its session gives back
    move_past_end(service, [odd, sound])
    with capture_logs() as logs:
        assert service.loop.run(service.services.expiry.sweep()) == 1
    assert [len(expired(service, device)) for device in (odd, sound)] == [0, 1]
    assert [entry["event"] for entry in logs] == ["expiry.session_failed"]

    service.fetch(set_reserved, odd.device_id, 10)
    assert service.loop.run(service.services.expiry.sweep()) == 1
    assert all(pool.reconciles for pool in service.loop.run(service.services.operations.check_pools()))
