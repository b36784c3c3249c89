"""What an operator asks of a running service, while its database is there and while it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from honeylink.keys.keyring import Keyring
from honeylink.keys.local import LocalKeyProvider
from honeylink.services.operations import Operations
from honeylink.services.runtime import open_services
from honeylink.store.database import Database
from honeylink.store.migrate import HEAD_REVISION, OLDEST_REVISION
from honeylink.telemetry import POOL_RESERVED_KBPS
from tests.conftest import session_body

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from honeylink.settings import Settings
    from tests.conftest import LoopThread, Service


def test_readiness_without_a_database(service: Service, tmp_path: Path) -> None:
    keyring = Keyring(LocalKeyProvider.open(tmp_path / "kek.key"))

    async def ask() -> dict[str, str]:
        nowhere = Database(f"postgresql://nobody@/nothing?host={tmp_path}")
        await nowhere.open()
        operations = Operations(nowhere, keyring)
        await operations.refresh_metrics()
        try:
            return await operations.readiness()
        finally:
            await nowhere.close()

    assert service.loop.run(ask()) == {
        "database": "the database is not available now; retry in 1 s",
        "migrations": "unknown without the database",
        "key_provider": "unknown without the database",
    }


def test_readiness_with_another_key_file(service: Service, tmp_path: Path) -> None:
    keyring = Keyring(LocalKeyProvider.open(tmp_path / "kek.key"))
    checks = service.loop.run(Operations(service.services.database, keyring).readiness())
    assert (checks["database"], checks["migrations"]) == ("ok", "ok")
    assert "was the key file replaced?" in checks["key_provider"]


@pytest.mark.parametrize(
    ("revision", "oldest_code", "found"),
    [
        ("0004", "0001", f"expected schema {OLDEST_REVISION} or newer, found 0004; run: honeylink migrate"),
        (OLDEST_REVISION, "0001", "ok"),
        ("9999", HEAD_REVISION, "ok"),  # a process of this version beside those of the next one
        (
            "9999",
            "9998",
            f"expected a schema that versions of revision {HEAD_REVISION} can work with, found 9999, which takes",
        ),
    ],
)
def test_readiness_with_another_schema(
    make_settings: Callable[..., Settings], loop: LoopThread, revision: str, oldest_code: str, found: str
) -> None:
    settings = make_settings()
    assert settings.database_dsn is not None
    dsn = settings.database_dsn.get_secret_value()

    async def ask() -> str:
        connection = await asyncpg.connect(dsn)
        await connection.execute(f"UPDATE alembic_version SET version_num = '{revision}'")
        await connection.execute(
            "CREATE OR REPLACE FUNCTION oldest_code_revision() RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql"
            f" AS $$ SELECT '{oldest_code}' $$"
        )
        await connection.close()
        async with open_services(settings) as services:
            return (await services.operations.readiness())["migrations"]

    assert loop.run(ask()).startswith(found)


def test_readiness_with_a_role_that_is_not_there(service: Service, tmp_path: Path) -> None:
    keyring = Keyring(LocalKeyProvider.open(tmp_path / "kek.key"))

    async def ask() -> dict[str, str]:
        database = Database(service.dsn, role="never_made")
        await database.open()
        try:
            return await Operations(database, keyring).readiness()
        finally:
            await database.close()

    checks = service.loop.run(ask())
    assert (checks["database"], checks["key_provider"]) == ("ok", "ok")
    assert "never_made" in checks["migrations"]


def test_pools_show_who_holds_what(service: Service) -> None:
    device = service.new_device()
    with service.client(device.token) as client:
        client.post("/sessions", json=session_body(device, 70, 30))
    reconciled = service.loop.run(service.services.operations.check_pools())
    [pool] = [pool for pool in reconciled if pool.pool_id == device.device_id]
    assert pool.reconciles
    assert (pool.tenant, pool.capacity_kbps, pool.reserved_kbps, pool.live_kbps) == (
        "acme",
        100_000,
        100,
        100,
    )


def test_reservations_that_do_not_reconcile(service: Service) -> None:
    device = service.new_device()
    with service.client(device.token) as client:
        client.post("/sessions", json=session_body(device, 50))
    for wrong, right in (
        (
            "UPDATE pools SET reserved_kbps = 51 WHERE pool_id = $1",
            "UPDATE pools SET reserved_kbps = 50 WHERE pool_id = $1",
        ),
        (
            "UPDATE sessions SET status = 'terminated', ended_at = now() WHERE device_id = $1",
            "UPDATE sessions SET status = 'active', ended_at = NULL WHERE device_id = $1",
        ),
        (
            "UPDATE pools SET pool_id = 'moved ' || $1 WHERE pool_id = $1",
            "UPDATE pools SET pool_id = $1 WHERE pool_id = 'moved ' || $1",
        ),
    ):
        service.fetch(wrong, device.device_id)
        off = [each for each in service.loop.run(service.services.operations.check_pools()) if not each.reconciles]
        assert device.device_id in {pool.pool_id for pool in off}
        service.fetch(right, device.device_id)
        assert all(each.reconciles for each in service.loop.run(service.services.operations.check_pools()))


def test_metrics_are_read_from_the_pools(service: Service) -> None:
    device = service.new_device()
    with service.client(device.token) as client:
        client.post("/sessions", json=session_body(device, 123))
    [row] = service.fetch("SELECT sum(reserved_kbps)::bigint AS kbps FROM pools WHERE level = 0")
    service.loop.run(service.services.operations.refresh_metrics())
    assert POOL_RESERVED_KBPS.labels("device")._value.get() == row["kbps"]
