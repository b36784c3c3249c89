"""Lowering a pool's capacity below what is given away: by draining, or by shrinking sessions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from honeylink.domain.access import Role
from honeylink.services import pools as pool_services
from tests.api.pools.requests import changed, check_reservations, end, open_session, opened, put, read
from tests.conftest import run_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from honeylink.settings import Settings
    from tests.conftest import Service

NODE_KBPS = 100_000


@pytest.fixture
def service(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    """A node that two tenants share."""
    settings = make_settings(node_pool_kbps=NODE_KBPS, tenant_pool_kbps=NODE_KBPS, expiry_interval_seconds=3600)
    with run_service(settings) as running:
        running.token(Role.OPERATOR, "other")
        yield running


def test_draining_admits_nobody_until_enough_have_ended(service: Service) -> None:
    device = service.new_device(pool_kbps=1000)
    own = f"/devices/{device.device_id}"
    sessions = [opened(service, device, 300) for _ in range(3)]
    assert changed(service, own, 500, force="drain")["draining_kbps"] == 400
    assert open_session(service, device, 1).status_code == 409
    end(service, sessions[0])
    pool = read(service, f"{own}/pool")
    assert (pool["reserved_kbps"], pool["draining_kbps"], pool["available_kbps"]) == (600, 100, 0)
    assert open_session(service, device, 1).status_code == 409
    end(service, sessions[1])
    assert read(service, f"{own}/pool")["draining_kbps"] == 0
    opened(service, device, 200)
    check_reservations(service)


def test_shrinking_leaves_the_strongest_with_most(service: Service) -> None:
    device = service.new_device(pool_kbps=1000)
    own = f"/devices/{device.device_id}"
    rigid = opened(service, device, 300)
    flexible = [opened(service, device, 300, min_bandwidth_kbps=100) for _ in range(2)]
    assert changed(service, own, 600, force="shrink")["reserved_kbps"] == 600

    def has(session: dict[str, Any]) -> int:
        kbps: int = read(service, f"/sessions/{session['session_id']}")["streams"][0]["allocated_bandwidth_kbps"]
        return kbps

    assert [has(rigid), *map(has, flexible)] == [300, 200, 100]
    check_reservations(service)
    events = service.fetch("SELECT * FROM audit_events WHERE category = 'session-shrink'")
    assert {json.loads(event["details"])["reason"] for event in events} == {"pool lowered"}
    assert put(service, own, 499, force="shrink").status_code == 409
    check_reservations(service)


def test_a_tenant_shrinks_the_sessions_of_all_its_devices(service: Service) -> None:
    devices = [service.new_device(pool_kbps=1000) for _ in range(3)]
    for device in devices:
        changed(service, f"/devices/{device.device_id}", 1000, guaranteed_kbps=200, lend_limit_kbps=0)
        opened(service, device, 1000, min_bandwidth_kbps=100)
    check_reservations(service)
    pool = changed(service, "/tenants/acme", 700, force="shrink")
    assert (pool["reserved_kbps"], pool["withheld_kbps"], pool["available_kbps"]) == (700, 0, 0)
    # None has less than its device's share.
    held = service.fetch("SELECT reserved_kbps FROM pools WHERE level = 0")
    assert min(row["reserved_kbps"] for row in held) >= 200
    check_reservations(service)


def test_what_a_tenant_gives_up_no_longer_drains_from_its_device(service: Service) -> None:
    device = service.new_device(pool_kbps=1000)
    own = f"/devices/{device.device_id}"
    opened(service, device, 900, min_bandwidth_kbps=100)
    assert changed(service, own, 500, force="drain")["draining_kbps"] == 400
    assert changed(service, "/tenants/acme", 700, force="shrink")["reserved_kbps"] == 700
    assert read(service, f"{own}/pool")["draining_kbps"] == 200
    changed(service, "/tenants/acme", 100, force="shrink")
    pool = read(service, f"{own}/pool")
    assert (pool["reserved_kbps"], pool["draining_kbps"], pool["available_kbps"]) == (100, 0, 400)
    check_reservations(service)


def test_a_step_that_is_too_large_says_so(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_services, "_SHRINK_MAX", 1)
    device = service.new_device(pool_kbps=1000)
    own = f"/devices/{device.device_id}"
    for _ in range(5):
        opened(service, device, 200, min_bandwidth_kbps=10)
    answer = put(service, own, 60, force="shrink")
    assert answer.status_code == 409
    assert "one looks at some 1 sessions of each kind" in answer.json()["message"]
    changed(service, own, 900, force="shrink")
    check_reservations(service)
