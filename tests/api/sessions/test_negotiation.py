"""Sessions that do with less, offers and previews, over HTTP on PostgreSQL."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from honeylink.domain.access import Role
from honeylink.services import negotiation
from honeylink.services.pools import set_node_pool
from tests.api.sessions.negotiating import (
    allocations,
    check_reservations,
    everything,
    new_device,
    opened,
    post,
    preview,
    read,
    stream,
)
from tests.conftest import Service, run_service
from tests.races.operations import pool_change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from honeylink.settings import Settings


@pytest.fixture(scope="module")
def service(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    with run_service(make_settings(expiry_interval_seconds=3600, device_priority_max=1000)) as running:
        yield running


# Doing with less.


def test_streams_with_minima_share_what_there_is(service: Service) -> None:
    device = new_device(service, 6000)
    streams = [
        stream(500, None, "latency", "control"),
        stream(4000, 1000, name="front"),
        stream(4000, 500, name="rear"),
    ]
    session = opened(service, device, *streams)
    assert allocations(session) == [500, 2750, 2750]
    shown = read(service, session)
    assert allocations(shown) == [500, 2750, 2750]
    assert [each["qos"] for each in shown["streams"]] == [each["qos"] for each in streams]
    [event] = service.fetch("SELECT details FROM audit_events WHERE details ->> 'session_id' = $1", shown["session_id"])
    assert json.loads(event["details"])["total_bandwidth_kbps"] == 6000
    check_reservations(service)


def test_a_device_that_was_short_gets_all_once_there_is_room(service: Service) -> None:
    device = new_device(service, 1000)
    first = opened(service, device, stream(600))
    assert allocations(opened(service, device, stream(1000, 100))) == [400]
    with service.client() as client:
        client.delete(f"/sessions/{first['session_id']}")
    assert allocations(opened(service, device, stream(600, 100))) == [600]


def test_parity_is_paid_for_where_a_pool_charges_the_wire(service: Service) -> None:
    device = new_device(service, 6000, charge="wire")
    session = opened(service, device, stream(5000, 1))  # 10 + 5: half as much again
    assert allocations(session) == [4000]
    levels = "SELECT level, reserved_kbps FROM reservations WHERE session_id = $1 ORDER BY level"
    assert [tuple(row) for row in service.fetch(levels, UUID(session["session_id"]))] == [(0, 6000), (1, 4000)]
    check_reservations(service)
    with service.client() as client:
        client.delete(f"/sessions/{session['session_id']}")
    check_reservations(service)


@pytest.mark.parametrize(("least", "found"), [(101, "101"), (100.5, "whole number"), (0, "1"), ("7", "whole number")])
def test_a_minimum_that_can_not_be(service: Service, least: object, found: str) -> None:
    answer = post(service, new_device(service, 1000), stream(100, least))
    assert answer.status_code == 400
    [fault] = answer.json()["errors"]
    assert fault["pointer"] == "/streams/0/qos/min_bandwidth_kbps"
    assert found in fault["message"]
    assert "stream 'video'" in fault["message"]


# Being refused.


def test_while_many_are_refused_only_who_could_take_waits_for_its_turn(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    rigid, giving = new_device(service, 1000), new_device(service, 1000, preemption=True)
    for device in (rigid, giving):
        opened(service, device, stream(1000))
    turns = service.services.sessions._negotiation._turns
    taken = 0
    while not turns.locked():
        service.loop.run(turns.acquire())
        taken += 1
    try:
        for device, setup_priority in ((rigid, 0), (rigid, 1), (giving, 0)):
            refused = post(service, device, stream(100), setup_priority=setup_priority)
            assert (refused.status_code, refused.json()["available_kbps"]) == (409, 0)
            assert "free_at" not in refused.json()
        monkeypatch.setattr(service.services.database, "_timeout_seconds", 3.0)
        for path in ("", "/preview"):
            waited = post(service, giving, stream(100), path=path, setup_priority=1)
            assert waited.status_code == 503
            assert "its turn to look for room" in waited.json()["message"]
    finally:
        for _ in range(taken):
            turns.release()
    assert "free_at" in post(service, rigid, stream(100)).json()


def test_a_refusal_offers_what_fits_and_says_when_enough_will(service: Service) -> None:
    device = new_device(service, 1000)
    opened(service, device, stream(200), ttl_seconds=7200)
    soon = opened(service, device, stream(600), ttl_seconds=60)
    answer = post(service, device, stream(100, None, "normal", "telemetry"), stream(500, 300))
    assert answer.status_code == 409
    problem = answer.json()
    assert (problem["requested_kbps"], problem["available_kbps"], problem["admissible_kbps"]) == (600, 200, 200)
    assert problem["free_at"][:19] >= soon["expires_at"][:19]
    assert datetime.fromisoformat(problem["free_at"]) >= datetime.fromisoformat(soon["expires_at"])
    assert "counter_offer" not in problem
    smaller = post(service, device, stream(100, None, "normal", "telemetry"), stream(500)).json()
    offer = {each["name"]: each["bandwidth_kbps"] for each in smaller["counter_offer"]}
    assert offer == {"telemetry": 100, "video": 100}
    never = post(service, device, stream(2000)).json()
    assert "free_at" not in never
    opened(service, device, stream(100, None, "normal", "telemetry"), stream(100))


def test_a_small_tenant_is_told_when_its_own_will_end(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though many of others end before."""
    monkeypatch.setattr(negotiation, "_CONTENDERS_MAX", 2)
    with run_service(make_settings(tenant_pool_kbps=1000)) as service:
        busy = service.new_device()
        for _ in range(3):
            opened(service, busy, stream(1), ttl_seconds=60)
        operator = service.token(Role.OPERATOR, "small")
        one, two = (service.new_device(operator=operator) for _ in range(2))
        opened(service, one, stream(1000))
        refused = post(service, two, stream(100)).json()
        assert refused["limiting_pool"] == "tenant:small"
        assert "free_at" in refused


# Trying.


def test_a_preview_says_what_opening_does_and_changes_nothing(service: Service) -> None:
    device = new_device(service, 1000)
    opened(service, device, stream(300))
    before = everything(service)
    asked = [stream(100, None, "latency", "control"), stream(900, 200)]
    shown = preview(service, device, *asked)
    assert everything(service) == before
    assert (shown["verdict"], allocations(shown), shown["victims"]) == ("admitted", [100, 600], [])
    assert [each["pool"] for each in shown["headroom"]] == [f"device:{device.device_id}", "tenant:acme"]
    assert shown["headroom"][0]["headroom_kbps"] == 0
    session = opened(service, device, *asked)
    assert allocations(session) == allocations(shown)
    [tenant] = service.fetch("SELECT capacity_kbps - reserved_kbps AS left_kbps FROM pools WHERE level = 1")
    assert shown["headroom"][1]["headroom_kbps"] == tenant["left_kbps"]


def test_a_preview_of_a_refusal_carries_its_numbers(service: Service) -> None:
    device = new_device(service, 1000)
    before = everything(service)
    shown = preview(service, device, stream(1500))
    assert everything(service) == before
    assert (shown["verdict"], shown["streams"], shown["victims"]) == ("refused", [], [])
    assert shown["headroom"][0] == {"pool": f"device:{device.device_id}", "headroom_kbps": 1000}
    problem = post(service, device, stream(1500)).json()
    assert shown["refusal"] == {name: problem[name] for name in shown["refusal"]}


def test_a_preview_does_not_tell_what_the_node_has_left(make_settings: Callable[..., Settings]) -> None:
    """That is what other tenants use, but for a refusal that is the node's."""
    with run_service(make_settings(tenant_pool_kbps=3000)) as service:
        service.loop.run(set_node_pool(service.services.database, pool_change(2000)))
        device = new_device(service, 2500)
        admitted = preview(service, device, stream(500))
        refused_by_device = preview(service, device, stream(2600))
        refused_by_node = preview(service, device, stream(2400))
    assert headroom(admitted) == [2000, 2500, None]
    assert headroom(refused_by_device) == [2500, 3000, None]
    assert headroom(refused_by_node) == [2500, 3000, 2000]
    assert refused_by_node["refusal"]["limiting_pool"] == refused_by_node["headroom"][-1]["pool"] == "node:node"


def headroom(shown: dict[str, Any]) -> list[int | None]:
    return [each["headroom_kbps"] for each in shown["headroom"]]


def test_who_may_preview(service: Service) -> None:
    device, other = new_device(service, 1000), new_device(service, 1000)
    body = {"device_id": device.device_id, "streams": [stream(1)]}
    expected = {device.token: 200, service.operator: 200, other.token: 403, service.token(Role.AUDITOR): 403}
    for token, status in expected.items():
        with service.client(token) as client:
            assert client.post("/sessions/preview", json=body).status_code == status
    with service.client() as client:
        assert client.post("/sessions/preview", json={**body, "device_id": "nowhere"}).status_code == 404
        wrong = client.get("/sessions/preview")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
