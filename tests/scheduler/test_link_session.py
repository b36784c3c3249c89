"""A link for a session that the API has opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from honeylink.errors import OverCommitted
from honeylink.scheduler import LinkScheduler
from tests.conftest import session_body

if TYPE_CHECKING:
    from tests.conftest import Service

SECOND = 1_000_000_000


def test_a_session_gets_on_its_link_what_it_was_promised(service: Service) -> None:
    device = service.new_device()
    body = session_body(device)
    body["streams"].append(
        {"name": "control", "mode": "reliable", "qos": {"priority": "LATENCY", "bandwidth_kbps": 50}}
    )
    with service.client() as client:
        opened = client.post("/sessions", json=body)
    assert opened.status_code == 201, opened.text
    answer = opened.json()
    # 5000 kbps of video with 10+5, 100 of telemetry with 10+2, 50 of control with 10+1
    wanted_kbps = {"video": 7_500, "telemetry": 120, "control": 55}
    link = LinkScheduler.from_session(answer, rate_kbps=sum(wanted_kbps.values()))
    assert list(link.streams) == [stream["name"] for stream in answer["streams"]]
    for handle in link.streams.values():
        link.enqueue([handle] * 1000, [1250] * 1000, now_ns=0)
    batch = link.dequeue(10 * SECOND, 2**20)
    for name, handle in link.streams.items():
        sent = (batch.streams == handle) & (batch.departures_ns < SECOND)
        assert batch.sizes[sent].sum() * 8 / 1000 >= wanted_kbps[name] - 3 * 1250 * 8 / 1000
    link.remove(link.streams["video"], now_ns=10 * SECOND)
    assert list(link.streams) == ["telemetry", "control"]

    allocated_kbps = sum(stream["allocated_bandwidth_kbps"] for stream in answer["streams"])
    LinkScheduler.from_session(answer, allocated_kbps)
    with pytest.raises(OverCommitted):
        LinkScheduler.from_session(answer, allocated_kbps - 1)
