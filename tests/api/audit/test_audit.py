"""`/audit/events` over HTTP: what is recorded of a change, and how it is found again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from honeylink.domain.access import Role
from tests.conftest import Device, Service, session_body

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def auditor(service: Service) -> str:
    return service.token(Role.AUDITOR)


@pytest.fixture
def device(service: Service) -> Device:
    """A device with a session that was opened, refused and ended: five events."""
    device = service.new_device(pool_kbps=1000)
    with service.client(device.token) as client:
        session_id = client.post("/sessions", json=session_body(device, 600)).json()["session_id"]
        client.post("/sessions", json=session_body(device, 500))
        client.delete(f"/sessions/{session_id}")
    return device


def events(service: Service, token: str, **query: str | int) -> list[dict[str, Any]]:
    return list(walk(service, token, limit=200, **query))


def walk(service: Service, token: str, **query: str | int) -> Iterator[dict[str, Any]]:
    with service.client(token) as client:
        for _ in range(200):  # far more than there are pages
            answer = client.get("/audit/events", params=query)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            assert len(page["items"]) <= int(query["limit"])
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]
        pytest.fail("expected a last page")


def test_the_life_of_a_device_is_all_there(service: Service, auditor: str, device: Device) -> None:
    found = events(service, auditor, device_id=device.device_id)
    assert [(event["category"], event["outcome"]) for event in found] == [
        ("session-termination", "success"),
        ("session-creation", "refused"),
        ("session-creation", "success"),
        ("device-pairing", "success"),
        ("device-registration", "success"),
    ]
    assert {event["actor"] for event in found[:4]} == {f"device:{device.device_id}"}
    assert found[4]["actor"].startswith("token:operator-")
    assert len({event["event_id"] for event in found}) == len({event["trace_id"] for event in found}) == 5


def test_the_event_of_an_opened_session(service: Service, auditor: str) -> None:
    device = service.new_device()
    with service.client(device.token) as client:
        answer = client.post("/sessions", json=session_body(device, ttl_seconds=120))
    [event] = events(service, auditor, device_id=device.device_id, category="session-creation")
    assert UUID(event.pop("event_id")).version == 7
    assert event.pop("at").endswith("Z")
    assert event == {
        "category": "session-creation",
        "actor": f"device:{device.device_id}",
        "device_id": device.device_id,
        "outcome": "success",
        "details": {
            "session_id": answer.json()["session_id"],
            "stream_count": 2,
            "total_bandwidth_kbps": 5100,
            "ttl_seconds": 120,
        },
        "trace_id": answer.headers["traceparent"].split("-")[1],
    }


def test_the_event_of_a_refused_session_says_why(service: Service, auditor: str, device: Device) -> None:
    [refused] = [
        event
        for event in events(service, auditor, device_id=device.device_id, category="session-creation")
        if event["outcome"] == "refused"
    ]
    assert refused["details"]["message"].startswith(f"requested 500 kbps, pool device:{device.device_id} has 400 kbps")
    assert "session_id" not in refused["details"]


@pytest.mark.parametrize(
    ("kind", "status"), [("unknown", 404), ("unpaired", 409), ("too many streams", 409), ("no bandwidth", 409)]
)
def test_each_refusal_is_an_event(service: Service, auditor: str, kind: str, status: int) -> None:
    paired = service.new_device(pool_kbps=100)
    body = {
        "unknown": lambda: session_body(f"unknown-{paired.device_id}", 1),
        "unpaired": lambda: session_body(service.new_device(paired=False), 1),
        "too many streams": lambda: session_body(paired, *[1] * 17),
        "no bandwidth": lambda: session_body(paired, 101),
    }[kind]()
    with service.client() as client:
        answer = client.post("/sessions", json=body)
    assert answer.status_code == status
    problem = answer.json()
    found = events(service, auditor, device_id=body["device_id"], category="session-creation")
    assert [(event["outcome"], event["trace_id"], event["details"]["message"]) for event in found] == [
        ("refused", problem["trace_id"], problem["message"])
    ]


def test_the_trace_of_the_caller_reaches_the_trail(service: Service, auditor: str) -> None:
    device = service.new_device()
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    with service.client(device.token) as client:
        client.post(
            "/sessions", json=session_body(device, 1), headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
        )
    [event] = events(service, auditor, device_id=device.device_id, category="session-creation")
    assert event["trace_id"] == trace_id


def test_since_is_inclusive_and_until_is_exclusive(service: Service, auditor: str, device: Device) -> None:
    newest, *_, oldest = found = events(service, auditor, device_id=device.device_id)

    def between(**bounds: str) -> list[dict[str, Any]]:
        return events(service, auditor, device_id=device.device_id, **bounds)

    assert between(since=oldest["at"], until=newest["at"]) == found[1:]
    assert between(since=newest["at"]) == [newest]
    assert between(until=oldest["at"]) == []
    elsewhere = datetime.fromisoformat(oldest["at"]) + timedelta(hours=5, minutes=30)
    assert between(until=elsewhere.strftime("%Y-%m-%dT%H:%M:%S.%f+05:30")) == []


@pytest.mark.parametrize("limit", [1, 2, 4, 5])
def test_pages_hold_each_event_once(service: Service, auditor: str, device: Device, limit: int) -> None:
    whole = events(service, auditor, device_id=device.device_id)
    assert list(walk(service, auditor, device_id=device.device_id, limit=limit)) == whole


def test_events_of_one_moment_are_paged_by_id(service: Service, auditor: str) -> None:
    device = service.new_device()
    service.fetch(
        "INSERT INTO audit_events (tenant_id, at, event_id, category, actor, device_id, outcome, details, trace_id)"
        " SELECT tenant_id, now(), gen_random_uuid(), 'access-denied', 'test', device_id, 'refused', '{}', ''"
        " FROM devices CROSS JOIN generate_series(1, 5) WHERE device_id = $1",
        device.device_id,
    )
    found = list(walk(service, auditor, device_id=device.device_id, category="access-denied", limit=2))
    assert len({event["at"] for event in found}) == 1
    assert [event["event_id"] for event in found] == sorted({event["event_id"] for event in found}, reverse=True)
    assert len(found) == 5


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("category", "no-such-category"),
        ("since", "yesterday"),
        ("until", "2026-01-01"),
        ("until", "2026-13-01T00:00:00Z"),
        ("device_id", "x"),
        ("cursor", "nonsense"),
        ("limit", "201"),
    ],
)
def test_a_query_that_does_not_fit(service: Service, auditor: str, parameter: str, value: str) -> None:
    with service.client(auditor) as client:
        answer = client.get("/audit/events", params={parameter: value})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, f"/{parameter}")


def test_the_life_of_a_token_is_recorded_without_the_token(service: Service, auditor: str) -> None:
    token = service.loop.run(service.services.tenants.create_token("acme", Role.ADMIN, "short-lived"))
    service.loop.run(service.services.tenants.revoke_token("acme", "short-lived"))
    [revocation] = events(service, auditor, category="token-revocation")
    assert (revocation["actor"], revocation["details"]) == ("system", {"name": "short-lived"})
    [creation] = [
        event
        for event in events(service, auditor, category="token-creation")
        if event["details"]["name"] == "short-lived"
    ]
    assert creation["details"] == {"name": "short-lived", "role": "admin", "token_id": str(token.token_id)}
