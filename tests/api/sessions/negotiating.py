"""Sessions whose streams may do with less, and the pools that they are opened in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

    from tests.conftest import Device, Service


def stream(kbps: int, least: object = None, priority: str = "burst", name: str = "video") -> dict[str, Any]:
    qos: dict[str, object] = {"priority": priority, "bandwidth_kbps": kbps}
    return {"name": name, "mode": "unreliable", "qos": qos if least is None else {**qos, "min_bandwidth_kbps": least}}


def post(
    service: Service, device: Device, *streams: dict[str, Any], path: str = "", **fields: object
) -> httpx.Response:
    body = {"device_id": device.device_id, "streams": streams, **fields}
    with service.client(device.token) as client:
        return client.post(f"/sessions{path}", json=body)


def opened(service: Service, device: Device, *streams: dict[str, Any], **fields: Any) -> dict[str, Any]:
    answer = post(service, device, *streams, **fields)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def preview(service: Service, device: Device, *streams: dict[str, Any], **fields: Any) -> dict[str, Any]:
    answer = post(service, device, *streams, path="/preview", **fields)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def read(service: Service, session: dict[str, Any]) -> dict[str, Any]:
    with service.client() as client:
        body: dict[str, Any] = client.get(f"/sessions/{session['session_id']}").json()
    return body


def allocations(session: dict[str, Any]) -> list[int]:
    return [each["allocated_bandwidth_kbps"] for each in session["streams"]]


def new_device(service: Service, kbps: int, **pool: object) -> Device:
    """A device whose pool has these columns too."""
    device = service.new_device(pool_kbps=kbps)
    for column, value in pool.items():
        service.fetch(f"UPDATE pools SET {column} = $2 WHERE level = 0 AND pool_id = $1", device.device_id, value)
    return device


def check_reservations(service: Service) -> None:
    reconciled = service.loop.run(service.services.operations.check_pools())
    assert [each for each in reconciled if not each.reconciles] == []


def everything(service: Service) -> list[object]:
    tables = ("pools", "sessions", "streams", "reservations", "audit_events")
    return [service.fetch(f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in tables]
