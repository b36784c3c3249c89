"""Opening sessions by plain requests, and what is read of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.conftest import Device, Service, session_body

if TYPE_CHECKING:
    import httpx

RFC3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


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


def reserved_kbps(service: Service, device: Device) -> int:
    [row] = service.fetch("SELECT reserved_kbps FROM pools WHERE level = 0 AND pool_id = $1", device.device_id)
    reserved: int = row["reserved_kbps"]
    return reserved


def streams(*asks: tuple[str, str, str, int]) -> list[dict[str, Any]]:
    return [
        {"name": name, "mode": mode, "qos": {"priority": priority, "bandwidth_kbps": kbps}}
        for name, mode, priority, kbps in asks
    ]
