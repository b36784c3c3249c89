"""`/sessions` over HTTP on PostgreSQL: what opens, what is refused and why, how sessions are read and ended."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from honeylink.domain.access import Role
from tests.conftest import Device, Service, run_service, session_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from honeylink.settings import Settings

RFC3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture(scope="module")
def service(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    """A service that leaves sessions past their time alone until a test sweeps."""
    with run_service(make_settings(expiry_interval_seconds=3600)) as running:
        yield running


def post(service: Service, body: dict[str, Any], token: str | None = None, path: str = "/sessions") -> httpx.Response:
    with service.client(token) as client:
        return client.post(path, json=body)


def open_session(service: Service, device: Device, *bandwidths_kbps: int, **fields: object) -> dict[str, Any]:
    answer = post(service, session_body(device, *bandwidths_kbps, **fields), device.token)
    assert answer.status_code == 201, answer.text
    opened: dict[str, Any] = answer.json()
    return opened


def get(service: Service, path: str, token: str | None = None, **query: str | int) -> dict[str, Any]:
    with service.client(token) as client:
        answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def delete(service: Service, session_id: str, token: str | None = None) -> httpx.Response:
    with service.client(token) as client:
        return client.delete(f"/sessions/{session_id}")


def reserved_kbps(service: Service, device: Device) -> int:
    [row] = service.fetch("SELECT reserved_kbps FROM pools WHERE level = 0 AND pool_id = $1", device.device_id)
    reserved: int = row["reserved_kbps"]
    return reserved


def move_past_end(service: Service, session_id: str) -> None:
    """Let a session's time be over by now."""
    service.fetch(
        "UPDATE sessions SET created_at = created_at - interval '1 day', expires_at = now() - interval '1 second'"
        " WHERE session_id = $1",
        UUID(session_id),
    )


def streams(*asks: tuple[str, str, str, int]) -> list[dict[str, Any]]:
    return [
        {"name": name, "mode": mode, "qos": {"priority": priority, "bandwidth_kbps": kbps}}
        for name, mode, priority, kbps in asks
    ]


# The seven cases that integrators rely on.


def test_one_stream(service: Service) -> None:
    device = service.new_device()
    opened = open_session(service, device, 250)
    [stream] = opened["streams"]
    assert stream["allocated_bandwidth_kbps"] == 250
    assert stream["connection_id"] == "conn-001"
    assert get(service, f"/sessions/{opened['session_id']}")["status"] == "active"


def test_many_streams_answer_in_request_order(service: Service) -> None:
    device = service.new_device()
    opened = open_session(service, device, *range(16, 0, -1))
    assert [stream["name"] for stream in opened["streams"]] == [f"stream-{position}" for position in range(16)]
    assert [stream["allocated_bandwidth_kbps"] for stream in opened["streams"]] == list(range(16, 0, -1))
    assert [stream["connection_id"] for stream in opened["streams"]] == [f"conn-{n:03d}" for n in range(1, 17)]


def test_unknown_device(service: Service) -> None:
    answer = post(service, session_body("no-such-device"))
    assert answer.status_code == 404
    problem = answer.json()
    assert problem["error_code"] == "ERR_NOT_FOUND"
    assert "'no-such-device'" in problem["message"]


def test_device_that_is_not_paired(service: Service) -> None:
    device = service.new_device(paired=False)
    answer = post(service, session_body(device), device.token)
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["error_code"] == "ERR_STATE"
    assert device.device_id in problem["message"]
    assert "pending" in problem["message"]


def test_unknown_priority(service: Service) -> None:
    device = service.new_device()
    asked = streams(("good", "reliable", "normal", 1), ("lidar", "reliable", "urgent", 1))
    answer = post(service, session_body(device, streams=asked), device.token)
    assert answer.status_code == 400
    problem = answer.json()
    assert problem["error_code"] == "ERR_VALIDATION"
    [fault] = problem["errors"]
    assert fault["pointer"] == "/streams/1/qos/priority"
    for message in (problem["message"], fault["message"]):
        assert all(word in message for word in ("'lidar'", "latency", "normal", "burst", "'urgent'"))
        assert "'good'" not in message


def test_not_enough_bandwidth(service: Service) -> None:
    device = service.new_device(pool_kbps=1000)
    open_session(service, device, 300)
    answer = post(service, session_body(device, 500, 400), device.token)
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["error_code"] == "ERR_CONFLICT"
    assert problem["requested_kbps"] == 900
    assert problem["available_kbps"] == 700
    assert problem["limiting_pool"] == f"device:{device.device_id}"
    assert problem["admissible_kbps"] == 700
    assert reserved_kbps(service, device) == 300
    open_session(service, device, problem["admissible_kbps"])
    full = post(service, session_body(device, 1), device.token).json()
    assert (full["available_kbps"], full["admissible_kbps"]) == (0, 0)


def test_too_many_streams(service: Service) -> None:
    device = service.new_device()
    answer = post(service, session_body(device, *[1] * 17), device.token)
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["error_code"] == "ERR_CONFLICT"
    assert problem["requested_streams"] == 17
    assert problem["max_streams"] == 16
    assert reserved_kbps(service, device) == 0


# What the answer to an opened session holds.


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
def test_the_whole_answer(service: Service, prefix: str) -> None:
    device = service.new_device()
    answer = post(service, session_body(device), device.token, f"{prefix}/sessions")
    assert answer.status_code == 201
    opened = answer.json()
    session_id = opened["session_id"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["location"] == f"{prefix}/sessions/{session_id}"
    assert answer.headers["cache-control"] == "no-store"
    keys = [stream.pop("key_material") for stream in opened["streams"]]
    stream_ids = [stream.pop("stream_id") for stream in opened["streams"]]
    expires_at = opened.pop("expires_at")
    assert opened == {
        "session_id": session_id,
        "session_endpoint": "quic://127.0.0.1:7843",
        "streams": [
            {
                "name": "telemetry",
                "mode": "reliable",
                "priority": "normal",
                "allocated_bandwidth_kbps": 100,
                "connection_id": "conn-001",
                "fec": {"data_shards": 10, "parity_shards": 2},
                "fec_rule": "priority",
            },
            {
                "name": "video",
                "mode": "unreliable",
                "priority": "burst",
                "allocated_bandwidth_kbps": 5000,
                "connection_id": "conn-002",
                "fec": {"data_shards": 10, "parity_shards": 5},
                "fec_rule": "priority",
            },
        ],
    }
    assert [UUID(each).version for each in (session_id, *stream_ids)] == [7, 7, 7]
    assert len({session_id, *stream_ids}) == 3
    assert RFC3339_UTC.fullmatch(expires_at)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", key) for key in keys)
    assert [len(base64.urlsafe_b64decode(key + "=")) for key in keys] == [32, 32]
    with service.client() as client:
        assert client.get(answer.headers["location"]).json()["session_id"] == session_id


def test_keys_of_all_streams_differ(service: Service) -> None:
    device = service.new_device()
    opened = [open_session(service, device, 1, 1, 1) for _ in range(3)]
    keys = [stream["key_material"] for session in opened for stream in session["streams"]]
    assert len(set(keys)) == 9


@pytest.mark.parametrize(("priority", "parity_shards"), [("latency", 1), ("normal", 2), ("burst", 5)])
@pytest.mark.parametrize("write", [str.lower, str.upper, str.title])
def test_priority_and_mode_in_any_case(
    service: Service, priority: str, parity_shards: int, write: Callable[[str], str]
) -> None:
    device = service.new_device()
    asked = streams(("one", write("reliable"), write(priority), 5), ("two", write("unreliable"), write(priority), 5))
    answer = open_session(service, device, streams=asked)["streams"]
    assert [stream["mode"] for stream in answer] == ["reliable", "unreliable"]
    assert [stream["priority"] for stream in answer] == [priority, priority]
    assert [stream["fec"] for stream in answer] == [{"data_shards": 10, "parity_shards": parity_shards}] * 2


@pytest.mark.parametrize("ttl_seconds", [None, 1, 43200])
def test_a_session_lives_for_its_ttl_by_the_clock_of_the_database(service: Service, ttl_seconds: int | None) -> None:
    device = service.new_device()
    [before] = service.fetch("SELECT clock_timestamp() AS now")
    opened = open_session(service, device, 1, ttl_seconds=ttl_seconds)
    [after] = service.fetch("SELECT clock_timestamp() AS now")
    created_at = datetime.fromisoformat(opened["expires_at"]) - timedelta(seconds=ttl_seconds or 3600)
    assert before["now"] <= created_at <= after["now"]


@pytest.mark.parametrize("ttl_seconds", [0, -1, 43201, 1.5, True, "60"])
def test_ttl_out_of_range(service: Service, ttl_seconds: object) -> None:
    device = service.new_device()
    answer = post(service, session_body(device, 1, ttl_seconds=ttl_seconds), device.token)
    assert answer.status_code == 400
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/ttl_seconds"]


def test_an_operator_opens_sessions_for_any_device_of_its_tenant(service: Service) -> None:
    device = service.new_device()
    assert post(service, session_body(device, 1)).status_code == 201


@pytest.mark.parametrize(("limit", "pool"), [("tenant_pool_kbps", "tenant:acme"), ("node_pool_kbps", "node:node")])
def test_every_pool_on_the_path_has_to_have_room(make_settings: Callable[..., Settings], limit: str, pool: str) -> None:
    with run_service(make_settings(**{limit: 1000})) as service:
        first, second = service.new_device(), service.new_device()
        open_session(service, first, 600)
        problem = post(service, session_body(second, 401), second.token).json()
        assert problem["limiting_pool"] == pool
        assert (problem["available_kbps"], problem["admissible_kbps"]) == (400, 400)
        assert reserved_kbps(service, second) == 0
        open_session(service, second, 400)


def test_tenants_share_the_node_pool_and_nothing_else(make_settings: Callable[..., Settings]) -> None:
    with run_service(make_settings(node_pool_kbps=1000, tenant_pool_kbps=900)) as service:
        ours = service.new_device()
        theirs = service.new_device(operator=service.token(Role.OPERATOR, "globex"))
        open_session(service, ours, 900)
        problem = post(service, session_body(theirs, 101), theirs.token).json()
        assert (problem["limiting_pool"], problem["available_kbps"]) == ("node:node", 100)
        open_session(service, theirs, 100)


# Reading and ending sessions.


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
