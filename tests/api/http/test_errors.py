"""Problems as clients see them: one shape, every fault at once, and nothing said of what is inside."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from tests.conftest import PUBLIC_KEY, Service, run_service, session_body

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from honeylink.settings import Settings

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
MEMBERS = {"type", "title", "status", "detail", "error_code", "message", "trace_id"}


def check_problem(answer: httpx.Response, status: int, error_code: str) -> dict[str, Any]:
    """What all problems have in common."""
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["status"], problem["error_code"]) == (status, status, error_code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert problem["detail"] == problem["message"] != ""
    traceparent = TRACEPARENT.fullmatch(answer.headers["traceparent"])
    assert traceparent is not None
    assert problem["trace_id"] == traceparent[1]
    return problem


# One of each kind.


def test_validation(service: Service) -> None:
    with service.client() as client:
        problem = check_problem(client.post("/sessions", json={}), 400, "ERR_VALIDATION")
    assert problem.keys() == MEMBERS | {"errors"}
    assert [fault["pointer"] for fault in problem["errors"]] == ["/device_id", "/streams"]


def test_unauthenticated(service: Service) -> None:
    with service.client("") as client:
        problem = check_problem(client.get("/devices"), 401, "ERR_AUTH")
    assert problem.keys() == MEMBERS


def test_forbidden(service: Service) -> None:
    with service.client() as client:
        problem = check_problem(client.get("/audit/events"), 403, "ERR_AUTHZ")
    assert problem.keys() == MEMBERS
    assert problem["message"] == "a token with role 'operator' may not read the audit trail"


def test_unknown_resource(service: Service) -> None:
    with service.client() as client:
        problem = check_problem(client.get("/devices/never-registered"), 404, "ERR_NOT_FOUND")
    assert problem.keys() == MEMBERS


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/v1", "/api/v2/devices", "/devices/", "/sessions/a/b"])
def test_unknown_path(service: Service, path: str) -> None:
    with service.client() as client:
        problem = check_problem(client.get(path), 404, "ERR_NOT_FOUND")
    assert problem.keys() == MEMBERS


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/sessions", {"GET", "HEAD", "POST"}),
        ("PATCH", "/api/v1/devices", {"GET", "HEAD", "POST"}),
        ("GET", "/devices/device-1/pair", {"POST"}),
        ("POST", "/sessions/018f0000-0000-7000-8000-000000000000", {"DELETE", "GET", "HEAD"}),
        ("DELETE", "/audit/events", {"GET", "HEAD"}),
    ],
)
def test_wrong_method(service: Service, method: str, path: str, allowed: set[str]) -> None:
    with service.client() as client:
        answer = client.request(method, path)
    problem = check_problem(answer, 405, "ERR_METHOD")
    assert set(re.split(r",\s*", answer.headers["allow"])) == allowed
    assert all(word in problem["message"] for word in (method, *allowed))


def test_too_large(service: Service) -> None:
    body = session_body("device-1", 1) | {"padding": "x" * 65_536}
    with service.client() as client:
        check_problem(client.post("/sessions", json=body), 413, "ERR_TOO_LARGE")


def test_too_many_streams_carries_its_numbers(service: Service) -> None:
    device = service.new_device()
    with service.client() as client:
        problem = check_problem(client.post("/sessions", json=session_body(device, *[1] * 17)), 409, "ERR_CONFLICT")
    assert problem.keys() == MEMBERS | {"requested_streams", "max_streams"}


def test_too_much_bandwidth_carries_its_numbers(service: Service) -> None:
    device = service.new_device(pool_kbps=1)
    with service.client() as client:
        problem = check_problem(client.post("/sessions", json=session_body(device, 2)), 409, "ERR_CONFLICT")
    numbers = {"requested_kbps", "available_kbps", "limiting_pool", "admissible_kbps", "counter_offer"}
    assert problem.keys() == MEMBERS | numbers
    assert problem["counter_offer"] == [{"name": "stream-0", "bandwidth_kbps": 1}]


def test_a_database_that_is_away(make_settings: Callable[..., Settings], postgres_dsn: Callable[[str], str]) -> None:
    with run_service(make_settings()) as service:
        elsewhere = Service(service.settings, postgres_dsn("postgres"), service.url, service.services, service.loop)
        name = urlsplit(service.dsn).path.removeprefix("/")
        elsewhere.fetch(f'DROP DATABASE "{name}" WITH (FORCE)')
        with service.client() as client:
            answer = client.post("/sessions", json=session_body("device-1", 1))
            assert client.get("/healthz").status_code == 200
    problem = check_problem(answer, 503, "ERR_DEPENDENCY")
    assert problem["message"] == "the database is not available now; retry in 1 s"
    assert answer.headers["retry-after"] == "1"


def test_a_key_file_that_was_replaced(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    with run_service(settings) as service:
        device, pending = service.new_device(), service.new_device(paired=False)
    settings.kek_file.write_bytes(os.urandom(32))
    with run_service(settings) as service, capture_logs() as logs:
        with service.client(device.token) as client:
            opening = client.post("/sessions", json=session_body(device, 1))
            assert client.get("/sessions").json()["items"] == []
        with service.client(pending.token) as client:
            pairing = client.post(f"/devices/{pending.device_id}/pair", json={"pairing_code": "2222-2222-2222"})
            assert client.get(f"/devices/{pending.device_id}").json()["status"] == "pending"
    reasons = [log["reason"] for log in logs if log["event"] == "request.unavailable"]
    assert len(reasons) == 2
    assert all(reason.endswith("was the key file replaced?") for reason in reasons)
    for answer in (opening, pairing):
        problem = check_problem(answer, 503, "ERR_DEPENDENCY")
        assert problem["message"] == "the key provider is not available now; retry in 1 s"
        assert answer.headers["retry-after"] == "1"


def test_a_bug_leaks_nothing_but_its_trace(make_settings: Callable[..., Settings]) -> None:
    with run_service(make_settings()) as service:
        service.fetch("ALTER TABLE streams RENAME COLUMN name TO name_in_the_wrong_place")
        device = service.new_device()
        with service.client() as client:
            problem = check_problem(client.post("/sessions", json=session_body(device, 1)), 500, "ERR_INTERNAL")
            assert client.get("/devices").status_code == 200
        [pool] = service.fetch("SELECT reserved_kbps FROM pools WHERE pool_id = $1", device.device_id)
    assert problem.keys() == MEMBERS
    assert problem["message"] == "an internal error; please report the trace id"
    assert pool["reserved_kbps"] == 0


# Traces.


@pytest.mark.parametrize("path", ["/devices", "/healthz", "/nothing"])
def test_a_trace_is_continued(service: Service, path: str) -> None:
    with service.client() as client:
        answer = client.get(path, headers={"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"})
    found = TRACEPARENT.fullmatch(answer.headers["traceparent"])
    assert found is not None
    assert found[1] == TRACE_ID
    assert "00f067aa0ba902b7" not in found[0]


@pytest.mark.parametrize(
    "sent", ["", "nonsense", f"ff-{TRACE_ID}-00f067aa0ba902b7-01", f"00-{'0' * 32}-00f067aa0ba902b7-01"]
)
def test_a_trace_that_is_none_starts_anew(service: Service, sent: str) -> None:
    with service.client() as client:
        answers = [client.get("/devices", headers={"traceparent": sent}) for _ in range(2)]
    trace_ids = {answer.headers["traceparent"].split("-")[1] for answer in answers}
    assert len(trace_ids | {TRACE_ID, "0" * 32}) == 4


# Faults of a body.


def faults_of(service: Service, body: object) -> dict[str, str]:
    with service.client() as client:
        problem = check_problem(client.post("/sessions", json=body), 400, "ERR_VALIDATION")
    assert problem["message"] == "; ".join(fault["message"] for fault in problem["errors"])
    return {fault["pointer"]: fault["message"] for fault in problem["errors"]}


def test_all_faults_are_listed_at_once(service: Service) -> None:
    body = {
        "device_id": 7,
        "streams": [
            {"name": "telemetry", "mode": "sometimes", "qos": {"priority": "urgent", "bandwidth_kbps": 0}},
            {"name": "telemetry", "mode": "reliable", "qos": {"priority": "normal"}},
            {"mode": "reliable", "qos": {"priority": None, "bandwidth_kbps": "5"}},
            "a stream",
        ],
        "ttl_seconds": 99_999_999,
        "color": "blue",
    }
    faults = faults_of(service, body)
    assert set(faults) == {
        "/device_id",
        "/streams/0/mode",
        "/streams/0/qos/priority",
        "/streams/0/qos/bandwidth_kbps",
        "/streams/1/name",
        "/streams/1/qos/bandwidth_kbps",
        "/streams/2/name",
        "/streams/2/qos/priority",
        "/streams/2/qos/bandwidth_kbps",
        "/streams/3",
        "/ttl_seconds",
        "/color",
    }
    assert faults["/streams/0/mode"] == (
        "stream 'telemetry', mode: expected one of reliable, unreliable, found 'sometimes'"
    )
    assert faults["/streams/1/qos/bandwidth_kbps"].startswith("stream 'telemetry', bandwidth_kbps: ")
    assert faults["/streams/2/name"] == "stream #3, name: expected this field, found none"
    assert faults["/streams/3"].startswith("stream #4: ")
    assert faults["/color"] == "color: expected no field of this name"


@pytest.mark.parametrize("body", [None, [], "text", 1, True])
def test_a_body_that_is_no_object(service: Service, body: object) -> None:
    assert set(faults_of(service, body)) == {""}


def test_a_session_needs_a_stream(service: Service) -> None:
    assert set(faults_of(service, session_body("device-1") | {"streams": []})) == {"/streams"}


def test_a_pointer_escapes_what_json_pointers_reserve(service: Service) -> None:
    assert set(faults_of(service, session_body("device-1", 1) | {"a/b~c": 1})) == {"/a~1b~0c"}


@pytest.mark.parametrize("text", ["a\0b", "line\nbreak", "\x7f", "\x85"])
def test_text_with_control_characters(service: Service, text: str) -> None:
    body = {
        "device_id": "device-text",
        "public_key": PUBLIC_KEY,
        "firmware_version": "1.0.0",
        "capabilities": [text],
        "metadata": {"deep": [{"note": text}]},
    }
    with service.client() as client:
        problem = check_problem(client.post("/devices", json=body), 400, "ERR_VALIDATION")
    assert {fault["pointer"] for fault in problem["errors"]} == {"/capabilities/0", "/metadata/deep/0/note"}
