"""`/sessions` over HTTP on PostgreSQL: how sessions that were opened are read, listed and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from tests.api.sessions.opening import RFC3339_UTC, get, open_session, reserved_kbps
from tests.conftest import Service, run_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from honeylink.settings import Settings


@pytest.fixture(scope="module")
def service(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    """A service that leaves sessions past their time alone until a test sweeps."""
    with run_service(make_settings(expiry_interval_seconds=3600)) as running:
        yield running


def delete(service: Service, session_id: str, token: str | None = None) -> httpx.Response:
    with service.client(token) as client:
        return client.delete(f"/sessions/{session_id}")


def move_past_end(service: Service, session_id: str) -> None:
    """Let a session's time be over by now."""
    service.fetch(
        "UPDATE sessions SET created_at = created_at - interval '1 day', expires_at = now() - interval '1 second'"
        " WHERE session_id = $1",
        UUID(session_id),
    )


def test_a_session_is_read_without_keys(service: Service) -> None:
    device = service.new_device()
    opened = open_session(service, device)
    session = get(service, f"/sessions/{opened['session_id']}", device.token)
    created_at = session.pop("created_at")
    assert RFC3339_UTC.fullmatch(created_at)
    assert session == {
        "session_id": opened["session_id"],
        "device_id": device.device_id,
        "status": "active",
        "expires_at": opened["expires_at"],
        "ended_at": None,
        "end_reason": None,
        "session_endpoint": "quic://127.0.0.1:7843",
        "setup_priority": 0,
        "hold_priority": 0,
        "streams": [
            {
                "stream_id": stream["stream_id"],
                "name": stream["name"],
                "mode": stream["mode"],
                "qos": {"priority": stream["priority"], "bandwidth_kbps": stream["allocated_bandwidth_kbps"]},
                "allocated_bandwidth_kbps": stream["allocated_bandwidth_kbps"],
                "connection_id": stream["connection_id"],
                "fec": stream["fec"],
                "fec_rule": stream["fec_rule"],
            }
            for stream in opened["streams"]
        ],
    }


@pytest.mark.parametrize("session_id", ["0192e4c1-7a3b-7000-8000-000000000001", "no-uuid"])
def test_a_session_that_is_not_there(service: Service, session_id: str) -> None:
    with service.client() as client:
        answers = [client.get(f"/sessions/{session_id}"), client.delete(f"/sessions/{session_id}")]
    for answer in answers:
        assert answer.status_code == 404
        assert answer.json()["error_code"] == "ERR_NOT_FOUND"
        assert session_id in answer.json()["message"]


def test_ending_a_session_gives_its_bandwidth_back_once(service: Service) -> None:
    device = service.new_device(pool_kbps=1000)
    kept, ended = open_session(service, device, 400), open_session(service, device, 600)
    assert reserved_kbps(service, device) == 1000
    first = delete(service, ended["session_id"], device.token)
    assert first.status_code == 200
    answer = first.json()
    assert (answer["status"], answer["end_reason"]) == ("terminated", "requested")
    assert RFC3339_UTC.fullmatch(answer["ended_at"])
    again = delete(service, ended["session_id"])
    assert (again.status_code, again.json()) == (200, answer)
    assert get(service, f"/sessions/{ended['session_id']}") == answer
    assert reserved_kbps(service, device) == 400
    assert get(service, f"/sessions/{kept['session_id']}")["status"] == "active"
    events = service.fetch(
        "SELECT actor, device_id, details FROM audit_events"
        " WHERE category = 'session-termination' AND details ->> 'session_id' = $1",
        ended["session_id"],
    )
    assert [(event["actor"], event["device_id"]) for event in events] == [
        (f"device:{device.device_id}", device.device_id)
    ]


def test_a_session_past_its_end_is_expired_before_any_sweep(service: Service) -> None:
    device = service.new_device()
    session_id = open_session(service, device, 700)["session_id"]
    move_past_end(service, session_id)
    session = get(service, f"/sessions/{session_id}")
    assert (session["status"], session["end_reason"]) == ("expired", "expired")
    assert session["ended_at"] == session["expires_at"]
    listed = {
        status: get(service, "/sessions", device.token, status=status)["items"]
        for status in ("active", "expired", "terminated")
    }
    assert listed == {"active": [], "expired": [session], "terminated": []}
    assert reserved_kbps(service, device) == 700
    assert service.loop.run(service.services.expiry.sweep()) >= 1
    assert reserved_kbps(service, device) == 0
    assert get(service, f"/sessions/{session_id}") == session


def test_deleting_a_session_past_its_end_says_that_it_expired(service: Service) -> None:
    device = service.new_device()
    session_id = open_session(service, device, 700)["session_id"]
    move_past_end(service, session_id)
    session = delete(service, session_id).json()
    assert (session["status"], session["end_reason"]) == ("expired", "expired")
    assert reserved_kbps(service, device) == 0
    [event] = service.fetch(
        "SELECT category, actor FROM audit_events WHERE details ->> 'session_id' = $1 AND category <> $2",
        session_id,
        "session-creation",
    )
    assert tuple(event) == ("session-expiry", "system")


def test_filters_of_the_list(service: Service) -> None:
    one, other = service.new_device(), service.new_device()
    ended, live = (open_session(service, one, 1)["session_id"] for _ in range(2))
    elsewhere = open_session(service, other, 1)["session_id"]
    delete(service, ended)

    def listed(token: str | None = None, **query: str) -> list[str]:
        return [item["session_id"] for item in get(service, "/sessions", token, limit=200, **query)["items"]]

    assert listed(device_id=one.device_id) == [live, ended]
    assert listed(device_id=one.device_id, status="active") == [live]
    assert listed(device_id=one.device_id, status="terminated") == [ended]
    assert listed(one.token) == [live, ended]
    assert listed(one.token, status="terminated") == [ended]
    everything = listed()
    assert everything.index(elsewhere) < everything.index(live) < everything.index(ended)
    assert listed(device_id="never-registered") == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_hold_each_session_once_also_while_new_ones_open(service: Service, limit: int) -> None:
    device = service.new_device()
    opened = [open_session(service, device, 1)["session_id"] for _ in range(7)]
    walked: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(20):  # far more than there are pages
        page = get(service, "/sessions", device.token, limit=limit, **cursor)
        assert 1 <= len(page["items"]) <= limit
        walked += [item["session_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
        open_session(service, device, 1)
    assert walked == opened[::-1]


def test_an_empty_list(service: Service) -> None:
    device = service.new_device()
    assert get(service, "/sessions", device.token) == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("cursor", ["nonsense", "bnVsbA", "WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsICJkZXZpY2UtMSJd"])
def test_a_cursor_from_elsewhere(service: Service, cursor: str) -> None:
    with service.client() as client:
        answer = client.get("/sessions", params={"cursor": cursor})
    assert answer.status_code == 400
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/cursor"]


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "201"}, {"limit": "ten"}, {"status": "live"}, {"device_id": "x"}, {"sort": "a"}]
)
def test_a_query_that_does_not_fit(service: Service, query: dict[str, str]) -> None:
    with service.client() as client:
        answer = client.get("/sessions", params=query)
    assert answer.status_code == 400
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"/{next(iter(query))}"]
