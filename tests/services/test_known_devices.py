"""What is kept of a device saves a look at the database, and is never trusted."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from honeylink.domain.access import Principal, Role
from honeylink.domain.admission import Pool, PoolLevel
from honeylink.domain.devices import DeviceStatus
from honeylink.domain.keys import WrappedDataKey, WrappedKey
from honeylink.domain.sessions import Mode, Priority, SessionRequest, StreamRequest
from honeylink.errors import BandwidthExceeded, StateConflict
from honeylink.services.snapshots import Snapshot
from honeylink.store.database import UnitOfWork
from honeylink.store.sessions import SessionContext
from tests.conftest import run_service

if TYPE_CHECKING:
    from collections.abc import Callable

    from honeylink.settings import Settings
    from tests.conftest import Device, Service

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TENANT = UUID(int=7)


def snapshot(read_at: float = 0.0, reserved_kbps: int = 5) -> Snapshot:
    key = WrappedKey("local", "id", 1, b"")
    pool = Pool(TENANT, PoolLevel.DEVICE, "device-1", 100, reserved_kbps)
    return Snapshot(SessionContext(DeviceStatus.PAIRED, key, WrappedDataKey(TENANT, key), (pool,), NOW), read_at)


def test_a_device_is_kept_as_if_its_pools_were_empty() -> None:
    path = snapshot(reserved_kbps=60).with_empty_pools().context.path
    assert [(pool.capacity_kbps, pool.reserved_kbps) for pool in path] == [(100, 0)]


def test_an_old_snapshot_counts_no_more() -> None:
    assert not snapshot(read_at=0.0).too_old(600.0)
    assert snapshot(read_at=0.0).too_old(600.1)


def test_the_database_s_clock_runs_beside_ours() -> None:
    assert snapshot(read_at=100.0).database_time(101.5) == NOW + timedelta(seconds=1.5)


def open_one(service: Service, device: Device, kbps: int) -> UUID:
    [row] = service.fetch("SELECT tenant_id FROM tenants WHERE name = 'acme'")
    caller = Principal(row["tenant_id"], uuid4(), "test", Role.OPERATOR)
    streams = (StreamRequest("video", Mode.UNRELIABLE, Priority.BURST, kbps),)
    return service.loop.run(
        service.services.sessions.open(caller, SessionRequest(device.device_id, streams, 60))
    ).session_id


@pytest.fixture
def statements(service: Service, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of statements that are run from here on; the feed counts as current, however much the machine drags."""
    monkeypatch.setattr(service.services.changes, "is_current", lambda: True)
    names: list[str] = []
    fetch = UnitOfWork.fetch

    async def noted(self: UnitOfWork, statement: str, **parameters: object) -> list[Any]:
        names.append(statement)
        return await fetch(self, statement, **parameters)

    monkeypatch.setattr(UnitOfWork, "fetch", noted)
    return names


def sessions_only(statements: list[str]) -> list[str]:
    return [name for name in statements if name in {"find_session_contexts", "create_session"}]


def test_a_known_device_takes_one_statement(service: Service, statements: list[str]) -> None:
    device = service.new_device()
    open_one(service, device, 100)
    assert sessions_only(statements) == ["find_session_contexts", "create_session"]
    open_one(service, device, 100)
    assert sessions_only(statements)[2:] == ["create_session"]


def test_a_revoked_device_is_refused_at_once(service: Service) -> None:
    device = service.new_device()
    open_one(service, device, 100)
    # As another process does it; nothing tells this one.
    service.fetch(
        "UPDATE devices SET status = 'revoked', revoked_at = now(), revoke_reason = 'lost', drained_at = now() "
        "WHERE device_id = $1",
        device.device_id,
    )
    service.fetch("UPDATE pools SET accepting = false WHERE level = 0 AND pool_id = $1", device.device_id)
    with pytest.raises(StateConflict, match="revoked"):
        open_one(service, device, 100)


def test_room_is_what_the_database_says(service: Service) -> None:
    device = service.new_device(pool_kbps=1000)
    open_one(service, device, 100)
    service.fetch("UPDATE pools SET capacity_kbps = 300 WHERE level = 0 AND pool_id = $1", device.device_id)
    with pytest.raises(BandwidthExceeded) as refusal:
        open_one(service, device, 500)
    assert (refusal.value.requested_kbps, refusal.value.available_kbps) == (500, 200)
    service.fetch("UPDATE pools SET capacity_kbps = 5000 WHERE level = 0 AND pool_id = $1", device.device_id)
    open_one(service, device, 4000)


def test_a_refusal_is_never_from_memory(service: Service, statements: list[str]) -> None:
    device = service.new_device(pool_kbps=1000)
    open_one(service, device, 100)
    with pytest.raises(BandwidthExceeded):
        open_one(service, device, 5000)
    # Once for the group, and once more together with those who hold the pools.
    assert sessions_only(statements)[2:] == ["find_session_contexts"] * 2
    open_one(service, device, 100)
    assert sessions_only(statements)[4:] == ["find_session_contexts", "create_session"]


def test_a_node_pool_that_another_process_makes_is_known(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    with run_service(settings) as service:
        device = service.new_device()
        open_one(service, device, 100)
        with run_service(settings.model_copy(update={"node_pool_kbps": 5000})):
            pass
        deadline = time.monotonic() + 20
        total_kbps = 0
        while not total_kbps:
            assert time.monotonic() < deadline
            open_one(service, device, 100)
            [row] = service.fetch("SELECT reserved_kbps FROM pools WHERE level = 2")
            total_kbps = row["reserved_kbps"]
        with pytest.raises(BandwidthExceeded) as refusal:
            open_one(service, device, 5000)
        assert refusal.value.limiting_pool == "node:node"
