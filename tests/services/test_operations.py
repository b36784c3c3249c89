"""What an operator asks of a running service, while its database is there and while it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeylink.keys.keyring import Keyring
from honeylink.keys.local import LocalKeyProvider
from honeylink.services.operations import Operations
from honeylink.store.database import Database
from honeylink.store.migrate import HEAD_REVISION
from honeylink.telemetry import POOL_RESERVED_KBPS
from tests.conftest import session_body

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Service


def test_readiness_without_a_database(service: Service, tmp_path: Path) -> None:
    keyring = Keyring(LocalKeyProvider.open(tmp_path / "kek.key"))

    async def ask() -> dict[str, str]:
        nowhere = Database(f"postgresql://nobody@/nothing?host={tmp_path}")
        await nowhere.open()
        operations = Operations(nowhere, keyring, HEAD_REVISION)
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
    revision = service.fetch("SELECT version_num FROM alembic_version")[0]["version_num"]
    checks = service.loop.run(Operations(service.services.database, keyring, revision).readiness())
    assert (checks["database"], checks["migrations"]) == ("ok", "ok")
    assert "was the key file replaced?" in checks["key_provider"]


def test_readiness_with_another_schema(service: Service, tmp_path: Path) -> None:
    keyring = Keyring(LocalKeyProvider.open(tmp_path / "kek.key"))
    operations = Operations(service.services.database, keyring, "9999")
    revision = service.fetch("SELECT version_num FROM alembic_version")[0]["version_num"]
    assert service.loop.run(operations.readiness())["migrations"] == (
        f"expected schema 9999, found {revision}; run: honeylink migrate"
    )


def test_readiness_with_a_role_that_is_not_there(service: Service, tmp_path: Path) -> None:
    keyring = Keyring(LocalKeyProvider.open(tmp_path / "kek.key"))

    async def ask() -> dict[str, str]:
        database = Database(service.dsn, role="never_made")
        await database.open()
        try:
            return await Operations(database, keyring, HEAD_REVISION).readiness()
        finally:
            await database.close()

    checks = service.loop.run(ask())
    assert (checks["database"], checks["key_provider"]) == ("ok", "ok")
    assert "never_made" in checks["migrations"]


def test_the_books_show_who_holds_what(service: Service) -> None:
    device = service.new_device()
    with service.client(device.token) as client:
        client.post("/sessions", json=session_body(device, 70, 30))
    balances = service.loop.run(service.services.operations.check_pools())
    [balance] = [balance for balance in balances if balance.pool_id == device.device_id]
    assert balance.balanced
    assert (balance.tenant, balance.capacity_kbps, balance.reserved_kbps, balance.live_kbps) == (
        "acme",
        100_000,
        100,
        100,
    )


def test_books_that_do_not_balance(service: Service) -> None:
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
        unbalanced = [each for each in service.loop.run(service.services.operations.check_pools()) if not each.balanced]
        assert device.device_id in {balance.pool_id for balance in unbalanced}
        service.fetch(right, device.device_id)
        assert all(each.balanced for each in service.loop.run(service.services.operations.check_pools()))


def test_metrics_are_read_from_the_pools(service: Service) -> None:
    device = service.new_device()
    with service.client(device.token) as client:
        client.post("/sessions", json=session_body(device, 123))
    [row] = service.fetch("SELECT sum(reserved_kbps)::bigint AS kbps FROM pools WHERE level = 0")
    service.loop.run(service.services.operations.refresh_metrics())
    assert POOL_RESERVED_KBPS.labels("device")._value.get() == row["kbps"]
