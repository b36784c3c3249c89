"""Requests about devices, as tests make them, and the events that they leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.conftest import PUBLIC_KEY, Device, Service

if TYPE_CHECKING:
    import httpx


WRONG_CODE = "2222-2222-2222"


def register(service: Service, device_id: str, **fields: object) -> httpx.Response:
    body = {"device_id": device_id, "public_key": PUBLIC_KEY, "firmware_version": "1.0.0", **fields}
    with service.client() as client:
        return client.post("/devices", json=body)


def registered(service: Service, device_id: str, **fields: object) -> tuple[Device, str]:
    """A pending device and its pairing code."""
    answer = register(service, device_id, **fields)
    assert answer.status_code == 201, answer.text
    return Device(device_id, answer.json()["device_token"]), answer.json()["pairing_code"]


def pair(service: Service, device: Device, code: str) -> httpx.Response:
    with service.client(device.token) as client:
        return client.post(f"/devices/{device.device_id}/pair", json={"pairing_code": code})


def revoke(service: Service, device: Device, reason: str = "lost in the field") -> httpx.Response:
    with service.client() as client:
        return client.post(f"/devices/{device.device_id}/revoke", json={"reason": reason})


def get(service: Service, device: Device, token: str | None = None) -> dict[str, Any]:
    with service.client(token) as client:
        answer = client.get(f"/devices/{device.device_id}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def events_of(service: Service, device: Device, category: str) -> list[tuple[str, str]]:
    """Actor and outcome of each event, the oldest first."""
    rows = service.fetch(
        "SELECT actor, outcome FROM audit_events WHERE device_id = $1 AND category = $2 ORDER BY at, event_id",
        device.device_id,
        category,
    )
    return [(row["actor"].partition("-")[0], row["outcome"]) for row in rows]
