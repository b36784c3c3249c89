"""Pairing and revoking devices over HTTP on PostgreSQL."""

from __future__ import annotations

import pytest

from tests.api.devices.registering import WRONG_CODE, events_of, get, pair, registered, revoke
from tests.conftest import Device, Service, session_body


def expire_code(service: Service, device: Device) -> None:
    service.fetch(
        "UPDATE devices SET pairing_expires_at = now() - interval '1 second' WHERE device_id = $1", device.device_id
    )


# Pairing.


def test_the_whole_answer_to_a_pairing(service: Service) -> None:
    device, code = registered(service, "device-pairs")
    answer = pair(service, device, code)
    assert answer.status_code == 200
    found = answer.json()
    assert found.pop("paired_at").endswith("Z")
    assert found == {"device_id": "device-pairs", "status": "paired", "session_endpoint": "quic://127.0.0.1:7843"}
    assert events_of(service, device, "device-pairing") == [("device:device", "success")]


def test_a_code_is_read_in_any_case_with_or_without_hyphens(service: Service) -> None:
    device, code = registered(service, "device-types")
    assert pair(service, device, f" {code.lower().replace('-', ' ')} ").status_code == 200


def test_a_wrong_code_five_times_and_the_right_one_too_late(service: Service) -> None:
    device, code = registered(service, "device-guesses")
    for left in (4, 3, 2, 1, 0):
        answer = pair(service, device, WRONG_CODE)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "ERR_AUTHZ")
        assert f"{left} tries left" in answer.json()["message"]
    late = pair(service, device, code)
    assert (late.status_code, late.json()["error_code"]) == (409, "ERR_STATE")
    assert "register the device again" in late.json()["message"]
    assert get(service, device)["status"] == "pending"
    assert events_of(service, device, "device-pairing") == [("device:device", "refused")] * 6


def test_the_fifth_try_may_still_be_right(service: Service) -> None:
    device, code = registered(service, "device-fifth")
    for _ in range(4):
        pair(service, device, WRONG_CODE)
    assert pair(service, device, code).status_code == 200


def test_a_code_that_has_expired(service: Service) -> None:
    device, code = registered(service, "device-late")
    expire_code(service, device)
    answer = pair(service, device, code)
    assert (answer.status_code, answer.json()["error_code"]) == (409, "ERR_STATE")
    assert "expired" in answer.json()["message"]
    assert get(service, device)["status"] == "pending"
    _, new_code = again = registered(service, "device-late")
    assert pair(service, again[0], new_code).status_code == 200


def test_a_device_pairs_once(service: Service) -> None:
    device, code = registered(service, "device-twice")
    pair(service, device, code)
    before = get(service, device)
    again = pair(service, device, code)
    assert (again.status_code, again.json()["error_code"]) == (409, "ERR_STATE")
    assert "found it paired" in again.json()["message"]
    assert get(service, device) == before
    assert events_of(service, device, "device-pairing") == [("device:device", "success"), ("device:device", "refused")]


# Revoking.


def test_revoking_a_device_ends_all_that_it_has(service: Service) -> None:
    device = service.new_device()
    with service.client(device.token) as client:
        opened = [client.post("/sessions", json=session_body(device, 100)).json()["session_id"] for _ in range(3)]
        client.delete(f"/sessions/{opened[0]}")
    answer = revoke(service, device)
    assert answer.status_code == 200
    assert answer.json()["status"] == "revoked"
    with service.client() as client:
        sessions = client.get("/sessions", params={"device_id": device.device_id}).json()["items"]
        assert [(session["status"], session["end_reason"]) for session in sessions] == [
            ("terminated", "device revoked"),
            ("terminated", "device revoked"),
            ("terminated", "requested"),
        ]
        refused = client.post("/sessions", json=session_body(device, 1))
    assert (refused.status_code, refused.json()["error_code"]) == (409, "ERR_STATE")
    with service.client(device.token) as client:
        dead = client.get(f"/devices/{device.device_id}")
    assert (dead.status_code, dead.json()["error_code"]) == (401, "ERR_AUTH")
    rows = service.fetch("SELECT reserved_kbps FROM pools WHERE level = 0 AND pool_id = $1", device.device_id)
    assert [row["reserved_kbps"] for row in rows] == [0]
    assert len(events_of(service, device, "session-termination")) == 3


def test_revoking_again_changes_nothing(service: Service) -> None:
    device = service.new_device()
    first, again = revoke(service, device, "stolen"), revoke(service, device, "another reason")
    assert (again.status_code, again.json()) == (200, first.json())
    assert events_of(service, device, "device-revocation") == [("token:operator", "success")]
    [row] = service.fetch("SELECT revoke_reason FROM devices WHERE device_id = $1", device.device_id)
    assert row["revoke_reason"] == "stolen"


def test_a_pending_device_can_be_revoked_and_then_never_pairs(service: Service) -> None:
    device, code = registered(service, "device-pending-revoked")
    assert revoke(service, device).json()["status"] == "revoked"
    assert pair(service, device, code).status_code == 401


def test_revoking_a_device_past_its_sessions_end_expires_them(service: Service) -> None:
    device = service.new_device()
    with service.client(device.token) as client:
        client.post("/sessions", json=session_body(device, 100))
    service.fetch("UPDATE sessions SET expires_at = now() WHERE device_id = $1", device.device_id)
    revoke(service, device)
    rows = service.fetch("SELECT status FROM sessions WHERE device_id = $1", device.device_id)
    assert [row["status"] for row in rows] == ["expired"]
    assert events_of(service, device, "session-expiry") == [("system", "success")]


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 201}, {"reason": 1}])
def test_a_revocation_needs_a_reason(service: Service, body: dict[str, object]) -> None:
    device = service.new_device()
    with service.client() as client:
        answer = client.post(f"/devices/{device.device_id}/revoke", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/reason")
    assert get(service, device)["status"] == "paired"
