"""`/sessions` over HTTP on PostgreSQL: what opens, with which answer, and what is refused and why."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from honeylink.domain.access import Role
from tests.api.sessions.opening import RFC3339_UTC, get, open_session, post, reserved_kbps, streams
from tests.conftest import Service, run_service, session_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from honeylink.settings import Settings


@pytest.fixture(scope="module")
def service(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    """A service that leaves sessions past their time alone until a test sweeps."""
    with run_service(make_settings(expiry_interval_seconds=3600)) as running:
        yield running


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
