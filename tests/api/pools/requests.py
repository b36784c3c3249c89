"""Requests about pools and in them, as tests make them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from honeylink.domain.access import Role
from tests.conftest import session_body

if TYPE_CHECKING:
    import httpx

    from tests.conftest import Device, Service


def put(service: Service, path: str, kbps: int, token: str | None = None, **fields: object) -> httpx.Response:
    with service.client(token or service.token(Role.ADMIN)) as client:
        return client.put(f"{path}/pool", json={"capacity_kbps": kbps, **fields})


def changed(service: Service, path: str, kbps: int, token: str | None = None, **fields: object) -> dict[str, Any]:
    answer = put(service, path, kbps, token, **fields)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def read(service: Service, path: str, token: str | None = None) -> dict[str, Any]:
    with service.client(token) as client:
        answer = client.get(path)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def open_session(service: Service, device: Device, kbps: int, **qos: object) -> httpx.Response:
    asked = {"priority": "burst", "bandwidth_kbps": kbps, **qos}
    streams = [{"name": "video", "mode": "unreliable", "qos": asked}]
    with service.client(device.token) as client:
        return client.post("/sessions", json=session_body(device, streams=streams))


def opened(service: Service, device: Device, kbps: int, **qos: object) -> dict[str, Any]:
    answer = open_session(service, device, kbps, **qos)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def end(service: Service, session: dict[str, Any], operator: str | None = None) -> None:
    with service.client(operator) as client:
        assert client.delete(f"/sessions/{session['session_id']}").status_code == 200


def check_reservations(service: Service) -> None:
    reconciled = service.loop.run(service.services.operations.check_pools())
    assert [each for each in reconciled if not each.reconciles] == []
