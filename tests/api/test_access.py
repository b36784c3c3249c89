"""Who may do what, over HTTP: roles, tokens, tenants and rates."""

from __future__ import annotations

import itertools
import json
import re
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest

from honeylink.domain.access import Role
from honeylink.domain.tokens import BearerToken
from tests.conftest import PUBLIC_KEY, Device, Service, run_service, session_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from honeylink.settings import Settings

_numbers = itertools.count(1)

# What each role may do; whatever stands in no row, it may not. A device does all of it to itself only.
ALLOWED = {
    Role.ADMIN: {"read device", "list devices", "list sessions", "read session", "read audit"},
    Role.AUDITOR: {"read device", "list devices", "list sessions", "read session", "read audit"},
    Role.OPERATOR: {
        "register device",
        "revoke device",
        "read device",
        "list devices",
        "open session",
        "list sessions",
        "read session",
        "end session",
    },
    Role.DEVICE: {"pair device", "read device", "open session", "list sessions", "read session", "end session"},
}

ACTIONS = [
    "register device",
    "pair device",
    "revoke device",
    "read device",
    "list devices",
    "open session",
    "list sessions",
    "read session",
    "end session",
    "read audit",
]


def session_of(service: Service, device: Device) -> str:
    with service.client() as client:
        session_id: str = client.post("/sessions", json=session_body(device, 1)).json()["session_id"]
    return session_id


def act(service: Service, action: str, token: str, device: Device, code: str = "2222-2222-2222") -> httpx.Response:
    """Do `action` with `token`, on `device` or its session where it needs one."""
    device_id = device.device_id
    with service.client(token) as client:
        match action:
            case "register device":
                body = {
                    "device_id": f"new-{next(_numbers)}",
                    "public_key": PUBLIC_KEY,
                    "firmware_version": "1.0.0",
                }
                return client.post("/devices", json=body)
            case "pair device":
                return client.post(f"/devices/{device_id}/pair", json={"pairing_code": code})
            case "revoke device":
                return client.post(f"/devices/{device_id}/revoke", json={"reason": "test"})
            case "read device":
                return client.get(f"/devices/{device_id}")
            case "list devices":
                return client.get("/devices")
            case "open session":
                return client.post("/sessions", json=session_body(device, 1))
            case "list sessions":
                return client.get("/sessions", params={"device_id": device_id})
            case "read session":
                return client.get(f"/sessions/{session_of(service, device)}")
            case "end session":
                return client.delete(f"/sessions/{session_of(service, device)}")
            case _:
                return client.get("/audit/events")


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("role", Role)
def test_what_a_role_may_do(service: Service, role: Role, action: str) -> None:
    device = service.new_device()
    token = device.token if role is Role.DEVICE else service.token(role)
    answer = act(service, action, token, device)
    if action not in ALLOWED[role]:
        assert (answer.status_code, answer.json()["error_code"]) == (403, "ERR_AUTHZ")
    elif action == "pair device":  # paired already: it may, but it can't
        assert answer.json()["error_code"] == "ERR_STATE"
    else:
        assert answer.status_code in (200, 201)


@pytest.mark.parametrize("action", sorted(ALLOWED[Role.DEVICE]))
def test_a_device_acts_for_itself_only(service: Service, action: str) -> None:
    device, other = service.new_device(), service.new_device()
    answer = act(service, action, device.token, other)
    if action in ("read session", "end session"):  # another's session is not for it to know of
        assert (answer.status_code, answer.json()["error_code"]) == (404, "ERR_NOT_FOUND")
    else:
        assert (answer.status_code, answer.json()["error_code"]) == (403, "ERR_AUTHZ")
    with service.client() as client:
        sessions = client.get("/sessions", params={"device_id": other.device_id}).json()["items"]
    assert {session["status"] for session in sessions} <= {"active"}


@pytest.mark.parametrize("action", ["revoke device", "read device", "open session", "read session", "end session"])
def test_what_another_tenant_has_does_not_exist(service: Service, action: str) -> None:
    theirs = service.new_device()
    outsider = service.token(Role.OPERATOR, "globex")
    answer = act(service, action, outsider, theirs)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ERR_NOT_FOUND")
    unknown = Device("never-registered", "")
    if action not in ("read session", "end session"):
        absent = act(service, action, outsider, unknown).json()
        found = json.loads(answer.text.replace(theirs.device_id, unknown.device_id))
        assert found | {"trace_id": ""} == absent | {"trace_id": ""}
    with service.client() as client:
        assert client.get(f"/devices/{theirs.device_id}").json()["status"] == "paired"
        assert client.get("/sessions", params={"device_id": theirs.device_id, "status": "terminated"}).json() == {
            "items": [],
            "next_cursor": None,
        }


def test_lists_hold_one_tenants_rows(service: Service) -> None:
    tenant = "initech"
    session_of(service, service.new_device())
    operator, auditor = service.token(Role.OPERATOR, tenant), service.token(Role.AUDITOR, tenant)
    ours = service.new_device(operator=operator)
    with service.client(ours.token) as client:
        session_id = client.post("/sessions", json=session_body(ours, 1)).json()["session_id"]
    with service.client(auditor) as client:
        devices, sessions, events = (
            client.get(path).json()["items"] for path in ("/devices", "/sessions", "/audit/events")
        )
    assert [device["device_id"] for device in devices] == [ours.device_id]
    assert [session["session_id"] for session in sessions] == [session_id]
    assert {event["device_id"] for event in events} == {ours.device_id, None}
    assert len(events) == 6  # the tenant, two tokens, a registration, a pairing, a session


def test_two_tenants_may_have_a_device_of_one_name(service: Service) -> None:
    ours = service.new_device(device_id="same-name", pool_kbps=10)
    theirs = service.new_device(device_id="same-name", pool_kbps=20, operator=service.token(Role.OPERATOR, "globex"))
    for device, pool_kbps in ((ours, 10), (theirs, 20)):
        with service.client(device.token) as client:
            assert client.post("/sessions", json=session_body(device, pool_kbps)).status_code == 201
            assert client.get("/devices/same-name").json()["pool_kbps"] == pool_kbps


# Tokens.


def unknown_token(service: Service) -> str:
    """Well-formed, of a real tenant, and not ours."""
    known = BearerToken.decode(service.operator)
    assert known is not None
    return BearerToken(known.tenant_id, UUID(int=7), bytes(32)).encode()


def forged_token(service: Service) -> str:
    """A real token's id with another secret."""
    known = BearerToken.decode(service.operator)
    assert known is not None
    return BearerToken(known.tenant_id, known.token_id, bytes(32)).encode()


def revoked_token(service: Service) -> str:
    token = service.token(Role.OPERATOR)
    name = service.fetch("SELECT name FROM tokens ORDER BY created_at DESC, token_id DESC LIMIT 1")[0]["name"]
    service.loop.run(service.services.tenants.revoke_token("acme", name))
    return token


BAD_HEADERS: dict[str, Callable[[Service], str | None]] = {
    "none": lambda _: None,
    "empty": lambda _: "",
    "another scheme": lambda _: "Basic b3BlcmF0b3I6c2VjcmV0",
    "no token": lambda _: "Bearer",
    "no token of ours": lambda _: "Bearer hl1_nonsense",
    "cut short": lambda service: f"Bearer {service.operator[:-1]}",
    "unknown": lambda service: f"Bearer {unknown_token(service)}",
    "unknown tenant": lambda _: f"Bearer {BearerToken(UUID(int=9), UUID(int=9), bytes(32)).encode()}",
    "forged": lambda service: f"Bearer {forged_token(service)}",
    "revoked": lambda service: f"Bearer {revoked_token(service)}",
}


@pytest.mark.parametrize("kind", BAD_HEADERS)
def test_a_header_without_a_live_token(service: Service, kind: str) -> None:
    header = BAD_HEADERS[kind](service)
    answer = httpx.get(f"{service.url}/devices", headers={} if header is None else {"authorization": header})
    assert (answer.status_code, answer.json()["error_code"]) == (401, "ERR_AUTH")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_scheme_is_read_in_any_case(service: Service) -> None:
    answer = httpx.get(f"{service.url}/devices", headers={"authorization": f"bEARER {service.operator}"})
    assert answer.status_code == 200


def test_no_token_is_told_before_the_body_is_read(service: Service) -> None:
    parts = urlsplit(service.url)
    assert parts.hostname is not None
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=30) as connection:
        connection.sendall(
            b"POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50000\r\n\r\n"
        )
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"])
def test_what_needs_no_token(service: Service, path: str) -> None:
    with service.client("") as client:
        assert client.get(path).status_code == 200


# What the trail says of those who were turned away.


def denied(service: Service, trace_id: str) -> list[dict[str, Any]]:
    rows = service.fetch(
        "SELECT category, actor, device_id, outcome, details FROM audit_events WHERE trace_id = $1", trace_id
    )
    return [{**row, "details": json.loads(row["details"])} for row in rows]


def test_a_forbidden_attempt_is_recorded(service: Service) -> None:
    device, other = service.new_device(), service.new_device()
    problem = act(service, "open session", device.token, other).json()
    message = problem["message"]
    assert re.search(f"{device.device_id}.*{other.device_id}", message)
    assert denied(service, problem["trace_id"]) == [
        {
            "category": "access-denied",
            "actor": f"device:{device.device_id}",
            "device_id": other.device_id,
            "outcome": "refused",
            "details": {"permission": "open sessions", "message": message},
        }
    ]


@pytest.mark.parametrize("make", [unknown_token, forged_token, revoked_token])
def test_a_refused_token_of_a_tenant_is_recorded_there(service: Service, make: Callable[[Service], str]) -> None:
    text = make(service)
    token = BearerToken.decode(text)
    assert token is not None
    with service.client(text) as client:
        problem = client.get("/devices").json()
    assert denied(service, problem["trace_id"]) == [
        {
            "category": "access-denied",
            "actor": "unauthenticated",
            "device_id": None,
            "outcome": "refused",
            "details": {"token_id": str(token.token_id)},
        }
    ]


def test_a_token_of_no_tenant_has_no_trail(service: Service) -> None:
    with service.client(BearerToken(UUID(int=9), UUID(int=9), bytes(32)).encode()) as client:
        problem = client.get("/devices").json()
    assert denied(service, problem["trace_id"]) == []


# Rates.


def test_each_token_has_a_rate_of_its_own(make_settings: Callable[..., Settings]) -> None:
    with run_service(make_settings(rate_limit_per_second=2)) as service:
        with service.client() as client:
            answers = [client.get("/devices") for _ in range(50)]
        assert [answer.status_code for answer in answers[:2]] == [200, 200]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused, "expected 50 calls in a row to be over a rate of 2 a second"
        assert {answer.json()["error_code"] for answer in refused} == {"ERR_RATE_LIMITED"}
        assert {answer.headers["retry-after"] for answer in refused} == {"1"}
        with service.client(service.token(Role.AUDITOR)) as client:
            assert client.get("/devices").status_code == 200


def test_guessing_tokens_fills_no_trail_and_stops_nobody_else(make_settings: Callable[..., Settings]) -> None:
    with run_service(make_settings()) as service:
        with service.client(forged_token(service)) as client:
            statuses = {client.get("/devices").status_code for _ in range(500)}
        assert statuses == {401}
        [row] = service.fetch("SELECT count(*) AS events FROM audit_events WHERE category = 'access-denied'")
        # Ten a second; the guessing takes some seconds at most.
        assert 10 <= row["events"] < 250
        with service.client() as client:
            assert client.get("/devices").status_code == 200
