"""A session as the documentation shows it: asked for, opened, read and tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeylink.api.http.examples import DEVICE_ID, SESSION_ENDPOINT, SESSION_ID

if TYPE_CHECKING:
    from pydantic.config import JsonDict

_STREAM_IDS = ("01999e2c-6a00-7000-8000-000000000002", "01999e2c-6a00-7000-8000-000000000003")
_KEY = "uYv4Qy6W6WmS1x8gq1v2X0nGm3m0o8m1b7H0t3b5JmE"

SESSION_BODY: JsonDict = {
    "device_id": DEVICE_ID,
    "streams": [
        {"name": "telemetry", "mode": "reliable", "qos": {"priority": "normal", "bandwidth_kbps": 100}},
        {"name": "video", "mode": "unreliable", "qos": {"priority": "burst", "bandwidth_kbps": 5000}},
    ],
    "ttl_seconds": 3600,
}

OPENED_SESSION: JsonDict = {
    "session_id": SESSION_ID,
    "expires_at": "2025-10-02T11:00:00Z",
    "session_endpoint": SESSION_ENDPOINT,
    "streams": [
        {
            "stream_id": _STREAM_IDS[0],
            "name": "telemetry",
            "mode": "reliable",
            "priority": "normal",
            "allocated_bandwidth_kbps": 100,
            "connection_id": "conn-001",
            "key_material": _KEY,
            "fec": {"data_shards": 10, "parity_shards": 2},
            "fec_rule": "priority",
        },
        {
            "stream_id": _STREAM_IDS[1],
            "name": "video",
            "mode": "unreliable",
            "priority": "burst",
            "allocated_bandwidth_kbps": 5000,
            "connection_id": "conn-002",
            "key_material": _KEY[::-1],
            "fec": {"data_shards": 10, "parity_shards": 5},
            "fec_rule": "priority",
        },
    ],
}

SESSION: JsonDict = {
    "session_id": SESSION_ID,
    "device_id": DEVICE_ID,
    "status": "active",
    "created_at": "2025-10-02T10:00:00Z",
    "expires_at": "2025-10-02T11:00:00Z",
    "ended_at": None,
    "end_reason": None,
    "session_endpoint": SESSION_ENDPOINT,
    "setup_priority": 0,
    "hold_priority": 0,
    "streams": [
        {
            "stream_id": _STREAM_IDS[0],
            "name": "telemetry",
            "mode": "reliable",
            "qos": {"priority": "normal", "bandwidth_kbps": 100},
            "allocated_bandwidth_kbps": 100,
            "connection_id": "conn-001",
            "fec": {"data_shards": 10, "parity_shards": 2},
            "fec_rule": "priority",
        },
    ],
}

PREVIEW: JsonDict = {
    "verdict": "admitted",
    "streams": [
        {
            "name": "alarm",
            "mode": "reliable",
            "priority": "latency",
            "allocated_bandwidth_kbps": 500,
            "fec": {"data_shards": 10, "parity_shards": 1},
            "fec_rule": "priority",
        },
    ],
    "headroom": [
        {"pool": "device:device-12345", "headroom_kbps": 0},
        {"pool": "tenant:acme", "headroom_kbps": 82_000},
    ],
    "victims": [
        {"session_id": SESSION_ID, "device_id": DEVICE_ID, "bandwidth_kbps": 5100, "left_kbps": 4700},
    ],
}
