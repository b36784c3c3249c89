"""Pools over HTTP: what they are, who may change them, and what they may become."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from honeylink.domain.access import Role
from honeylink.domain.paging import Cursor
from honeylink.errors import SettingsError
from honeylink.services.runtime import open_services, set_up_node_pool
from tests.api.pools.requests import changed, check_reservations, end, open_session, opened, put, read
from tests.conftest import PUBLIC_KEY, run_service

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


def node(service: Service) -> tuple[int, int]:
    """What is reserved of the node's pool, and what is withheld."""
    [row] = service.fetch("SELECT reserved_kbps, withheld_kbps FROM pools WHERE level = 2")
    return row["reserved_kbps"], row["withheld_kbps"]


def refused_start(service: Service, **settings: object) -> str:
    """Why another process of these settings does not start."""

    async def start() -> None:
        changed_settings = service.settings.model_copy(update=settings)
        async with open_services(changed_settings) as services:
            await set_up_node_pool(services, changed_settings)

    with pytest.raises(SettingsError) as refusal:
        service.loop.run(start())
    return str(refusal.value)


# Reading.


def test_a_pool_says_what_it_is_and_what_is_in_use(service: Service) -> None:
    device = service.new_device(pool_kbps=1000)
    opened(service, device, 300)
    expected = {
        "pool": f"device:{device.device_id}",
        "level": "device",
        "capacity_kbps": 1000,
        "charge": "payload",
        "guaranteed_kbps": None,
        "borrow_limit_kbps": None,
        "lend_limit_kbps": None,
        "preemption": False,
        "min_hold_ms": 0,
        "reserved_kbps": 300,
        "withheld_kbps": 0,
        "available_kbps": 700,
        "draining_kbps": 0,
    }
    for token in (device.token, service.operator, service.token(Role.AUDITOR), service.token(Role.ADMIN)):
        assert read(service, f"/devices/{device.device_id}/pool", token) == expected
    tenant = read(service, "/tenants/acme/pool")
    [row] = service.fetch("SELECT tenant_id FROM tenants WHERE name = 'acme'")
    assert read(service, f"/tenants/{row['tenant_id']}/pool") == tenant
    assert (tenant["pool"], tenant["tenant_id"]) == ("tenant:acme", str(row["tenant_id"]))
    assert tenant["reserved_kbps"] == 300


def test_what_all_tenants_together_use_is_shown_to_none(service: Service) -> None:
    opened(service, service.new_device(pool_kbps=1000), 300)
    [shared] = [pool for pool in read(service, "/pools")["items"] if pool["level"] == "node"]
    in_use = {name for name, value in shared.items() if value is None and not name.endswith("_limit_kbps")}
    assert in_use == {"guaranteed_kbps", "reserved_kbps", "withheld_kbps", "available_kbps", "draining_kbps"}
    assert shared["capacity_kbps"] == NODE_KBPS


def test_pools_are_listed_in_pages(service: Service) -> None:
    devices = [service.new_device() for _ in range(5)]
    expected = [f"device:{each.device_id}" for each in reversed(devices)] + ["tenant:acme", "node:node"]
    assert [each["pool"] for each in read(service, "/pools")["items"]] == expected
    found, cursor = [], ""
    while True:
        page = read(service, f"/pools?limit=2{cursor}")
        found += [each["pool"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == expected


def test_a_cursor_of_another_list_is_refused(service: Service) -> None:
    for _ in range(2):
        service.new_device()
    cursor = read(service, "/devices?limit=1")["next_cursor"]
    with service.client() as client:
        answer = client.get("/pools", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/cursor")


def test_who_may_read_and_change(service: Service) -> None:
    device, other = service.new_device(), service.new_device()
    stranger = service.token(Role.ADMIN, "other")
    own, tenant = f"/devices/{device.device_id}", "/tenants/acme"
    tokens = {
        "admin": service.token(Role.ADMIN),
        "operator": service.operator,
        "auditor": service.token(Role.AUDITOR),
        "device": device.token,
        "another device": other.token,
        "stranger": stranger,
    }
    may = {
        ("GET", f"{own}/pool"): (200, 200, 200, 200, 403, 404),
        ("GET", f"{tenant}/pool"): (200, 200, 200, 403, 403, 404),
        ("GET", "/pools"): (200, 200, 200, 403, 403, 200),
        ("PUT", f"{own}/pool"): (200, 200, 403, 403, 403, 404),
        ("PUT", f"{tenant}/pool"): (200, 403, 403, 403, 403, 404),
    }
    for (method, path), statuses in may.items():
        for token, status in zip(tokens.values(), statuses, strict=True):
            body = {"capacity_kbps": 1000} if method == "PUT" else None
            with service.client(token) as client:
                answer = client.request(method, path, json=body)
            assert answer.status_code == status, (method, path, answer.text)
    for path in ("/devices/nowhere", "/tenants/nowhere"):
        assert put(service, path, 1).status_code == 404
    refused = service.fetch("SELECT details FROM audit_events WHERE category = 'pool-change' AND outcome = 'refused'")
    messages = {json.loads(row["details"])["message"] for row in refused}
    assert {"device 'nowhere' not found", "tenant 'nowhere' not found"} <= messages


# Changing.


def test_a_change_holds_at_once_and_is_written_down(service: Service) -> None:
    device = service.new_device(pool_kbps=1000)
    opened(service, device, 400)
    assert open_session(service, device, 700).status_code == 409
    pool = changed(service, f"/devices/{device.device_id}", 1100, service.operator, preemption=True, min_hold_ms=5)
    assert (pool["capacity_kbps"], pool["preemption"], pool["min_hold_ms"], pool["available_kbps"]) == (
        1100,
        True,
        5,
        700,
    )
    assert read(service, f"/devices/{device.device_id}/pool") == pool
    opened(service, device, 700)
    [event] = service.fetch(
        "SELECT * FROM audit_events WHERE category = 'pool-change' AND device_id = $1", device.device_id
    )
    details = json.loads(event["details"])
    assert (event["outcome"], details["capacity_kbps"], details["preemption"]) == ("success", 1100, True)
    assert (details["was"]["capacity_kbps"], details["was"]["preemption"]) == (1000, False)
    assert details["was"].keys() == details.keys() - {"pool", "force", "was"}
    assert event["actor"].startswith("token:operator")


def test_what_can_not_be(service: Service) -> None:
    device = service.new_device(pool_kbps=1000)
    own, tenant = f"/devices/{device.device_id}", "/tenants/acme"
    opened(service, device, 400)
    other = service.token(Role.ADMIN, "other")
    changed(service, "/tenants/other", NODE_KBPS, other, guaranteed_kbps=60_000)
    changed(service, own, 1000, guaranteed_kbps=300)
    cases: list[tuple[str, int, dict[str, Any], str | None]] = [
        (tenant, NODE_KBPS, {"guaranteed_kbps": 40_001}, "at most 40000 kbps of pool node:node"),
        (tenant, 299, {"force": "drain"}, "at least 300 kbps, which are guaranteed to its children"),
        (own, 399, {}, "400 kbps that are given away"),
        (own, 399, {"force": "shrink"}, "drain"),
        (own, 1000, {"charge": "wire"}, "400 kbps reserved"),
        (own, 1000, {"guaranteed_kbps": NODE_KBPS + 1, "borrow_limit_kbps": 1}, None),
    ]
    for path, kbps, fields, complaint in cases:
        answer = put(service, path, kbps, **fields)
        if complaint is None:
            assert answer.status_code == 200  # a share counts up to the capacity
            continue
        assert (answer.status_code, answer.json()["error_code"]) == (409, "ERR_CONFLICT"), answer.text
        assert complaint in answer.json()["message"]
    refused = service.fetch("SELECT * FROM audit_events WHERE category = 'pool-change' AND outcome = 'refused'")
    assert len(refused) == 5
    check_reservations(service)


def test_nobody_keeps_what_another_tenant_is_guaranteed(service: Service) -> None:
    """Not by a device's pool either, which an operator may set."""
    other = service.token(Role.ADMIN, "other")
    changed(service, "/tenants/other", NODE_KBPS, other, guaranteed_kbps=60_000)
    devices = [service.new_device(pool_kbps=NODE_KBPS) for _ in range(2)]
    own, sibling = (f"/devices/{device.device_id}" for device in devices)
    for lend in (0, None):  # what it lends is taken back, and from nobody else
        answer = put(service, own, NODE_KBPS, service.operator, guaranteed_kbps=NODE_KBPS, lend_limit_kbps=lend)
        assert (answer.status_code, answer.json()["error_code"]) == (409, "ERR_CONFLICT"), answer.text
        problem = answer.json()
        assert (problem["requested_kbps"], problem["available_kbps"]) == (NODE_KBPS, 40_000)
        assert problem["limiting_pool"] == "node:node"
    changed(service, sibling, NODE_KBPS, service.operator, guaranteed_kbps=30_000, lend_limit_kbps=0)
    assert put(service, own, NODE_KBPS, guaranteed_kbps=10_001).json()["available_kbps"] == 10_000
    changed(service, own, NODE_KBPS, service.operator, guaranteed_kbps=10_000, lend_limit_kbps=0)
    assert put(service, "/tenants/other", NODE_KBPS, other, guaranteed_kbps=60_001).json()["available_kbps"] == 60_000
    # The tenant's own share may be as much as its children are guaranteed.
    changed(service, "/tenants/acme", NODE_KBPS, guaranteed_kbps=40_000)
    assert "at least 100000 kbps, which are guaranteed to its children" in refused_start(service, node_pool_kbps=99_999)
    stranger = service.new_device(operator=service.token(Role.OPERATOR, "other"), pool_kbps=NODE_KBPS)
    opened(service, stranger, 60_000)
    check_reservations(service)


def test_a_device_that_is_registered_again_keeps_no_more_either(service: Service) -> None:
    changed(service, "/tenants/other", NODE_KBPS, service.token(Role.ADMIN, "other"), guaranteed_kbps=60_000)
    device = service.new_device(pool_kbps=40_000, paired=False)
    changed(service, f"/devices/{device.device_id}", 40_000, guaranteed_kbps=50_000, lend_limit_kbps=0)
    body = {"device_id": device.device_id, "public_key": PUBLIC_KEY, "firmware_version": "1.0.0", "pool_kbps": 50_000}
    with service.client() as client:
        answer = client.post("/devices", json=body)
    assert (answer.status_code, answer.json()["available_kbps"]) == (409, 40_000)
    events = service.fetch("SELECT outcome FROM audit_events WHERE category = 'device-registration' ORDER BY at DESC")
    assert events[0]["outcome"] == "refused"


def test_a_tenants_limit_to_borrowing_leaves_room_for_what_its_children_are_guaranteed(service: Service) -> None:
    device = service.new_device(pool_kbps=1000)
    changed(service, f"/devices/{device.device_id}", 1000, guaranteed_kbps=300)
    answer = put(service, "/tenants/acme", NODE_KBPS, guaranteed_kbps=100, borrow_limit_kbps=199)
    assert (answer.status_code, answer.json()["limiting_pool"]) == (409, "tenant:acme")
    changed(service, "/tenants/acme", NODE_KBPS, guaranteed_kbps=100, borrow_limit_kbps=200)
    assert put(service, f"/devices/{device.device_id}", 1000, guaranteed_kbps=301).json()["available_kbps"] == 300


def test_a_lend_limit_needs_one_charge_all_the_way_up(service: Service) -> None:
    device = service.new_device(pool_kbps=1000)
    own = f"/devices/{device.device_id}"
    changed(service, own, 1000, charge="wire")
    answer = put(service, own, 1000, charge="wire", guaranteed_kbps=10, lend_limit_kbps=0)
    assert answer.status_code == 409
    assert "charges otherwise" in answer.json()["message"]
    changed(service, own, 1000, charge="wire", guaranteed_kbps=10, lend_limit_kbps=10)
    changed(service, own, 1000, guaranteed_kbps=10, lend_limit_kbps=0)
    assert "no lend limits of its children" in put(service, "/tenants/acme", NODE_KBPS, charge="wire").json()["message"]
    assert refused_start(service, node_pool_charge="wire").endswith("found children that keep what they have")


def test_what_a_tenant_keeps_is_there_for_it_and_for_nobody_else(service: Service) -> None:
    changed(service, "/tenants/acme", 90_000, guaranteed_kbps=60_000, lend_limit_kbps=20_000)
    assert node(service) == (0, 40_000)
    operator = service.token(Role.OPERATOR, "other")
    stranger = service.new_device(operator=operator, pool_kbps=NODE_KBPS)
    own = service.new_device(pool_kbps=NODE_KBPS)
    borrowed = opened(service, stranger, 60_000)
    refusal = open_session(service, stranger, 1).json()
    assert (refusal["limiting_pool"], refusal["available_kbps"]) == ("node:node", 0)
    first = opened(service, own, 10_000)
    assert node(service) == (70_000, 30_000)
    check_reservations(service)
    assert open_session(service, own, 30_001).status_code == 409
    opened(service, own, 30_000)
    assert node(service) == (100_000, 0)
    end(service, first)
    assert node(service) == (90_000, 10_000)
    end(service, borrowed, operator)
    check_reservations(service)
    opened(service, own, 50_000)
    check_reservations(service)


def test_a_promise_that_others_have_the_bandwidth_of_is_not_made(service: Service) -> None:
    stranger = service.new_device(operator=service.token(Role.OPERATOR, "other"), pool_kbps=NODE_KBPS)
    opened(service, stranger, 70_000)
    answer = put(service, "/tenants/acme", 90_000, guaranteed_kbps=60_000, lend_limit_kbps=20_000)
    assert answer.status_code == 409
    assert "has left what it would keep" in answer.json()["message"]
    check_reservations(service)
    changed(service, "/tenants/acme", 90_000, guaranteed_kbps=60_000, lend_limit_kbps=30_000)
    check_reservations(service)


def test_borrowing_has_its_limit(service: Service) -> None:
    device = service.new_device(pool_kbps=NODE_KBPS)
    changed(service, "/tenants/acme", 90_000, guaranteed_kbps=10_000, borrow_limit_kbps=5_000)
    assert open_session(service, device, 15_001).json()["limiting_pool"] == "tenant:acme"
    opened(service, device, 15_000)


def test_a_start_that_is_refused_leaves_no_pool_behind(make_settings: Callable[..., Settings]) -> None:
    with run_service(make_settings(tenant_pool_kbps=NODE_KBPS)) as service:
        device = service.new_device()
        changed(service, "/tenants/acme", 90_000, guaranteed_kbps=60_000)
        assert "at least 60000 kbps" in refused_start(service, node_pool_kbps=1000)
        assert service.fetch("SELECT FROM pools WHERE level = 2") == []
        opened(service, device, 100)
        changed(service, f"/devices/{device.device_id}", 200)
        opened(service, device, 100)


def test_other_processes_know_of_it(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    with run_service(settings) as one, run_service(settings) as two:
        device = one.new_device(pool_kbps=1000)
        opened(two, device, 10)
        assert two.services.sessions._opening._groups._known_devices._entries
        changed(one, f"/devices/{device.device_id}", 5000)
        deadline = time.monotonic() + 20
        while two.services.sessions._opening._groups._known_devices._entries:
            assert time.monotonic() < deadline
        opened(two, device, 4000)


def test_the_requests_of_the_page(service: Service) -> None:
    """What docs/admission.md sends is taken as it stands."""
    page = (Path(__file__).parents[3] / "docs" / "admission.md").read_text("utf-8")
    requests = re.findall(r'curl -s (?:-X (\w+) )?"\$HONEYLINK([^"]+)".*? -d \'(.*?)\'', page, re.DOTALL)
    assert len(requests) == 2
    service.new_device(device_id="device-12345")
    with service.client(service.token(Role.ADMIN)) as admin, service.client() as operator:
        for method, path, body in requests:
            client = admin if method == "PUT" else operator
            answer = client.request(method or "POST", path, json=json.loads(body))
            assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("row_id", ["galaxy:acme", "acme", "", "DEVICE:acme"])
def test_a_cursor_of_another_list_is_a_fault_of_the_query(service: Service, row_id: str) -> None:
    cursor = Cursor(datetime(2026, 1, 1, tzinfo=UTC), row_id).encode()
    with service.client() as client:
        answer = client.get("/pools", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "ERR_VALIDATION")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/cursor"]
