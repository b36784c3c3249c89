"""`/sessions` over HTTP on PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conftest import session_body

if TYPE_CHECKING:
    from tests.conftest import Service


def test_one_stream(service: Service) -> None:
    device = service.new_device()
    with service.client(device.token) as client:
        answer = client.post("/sessions", json=session_body(device, 250))
    assert answer.status_code == 201, answer.text
    assert [stream["allocated_bandwidth_kbps"] for stream in answer.json()["streams"]] == [250]
