"""One device and its session, as the documentation tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic.config import JsonDict

__all__ = [
    "AUDIT_EVENT",
    "DEVICE",
    "DEVICE_BODY",
    "OPENED_SESSION",
    "PAIRED_DEVICE",
    "POOL",
    "POOL_BODY",
    "PREVIEW",
    "REGISTERED_DEVICE",
    "SESSION",
    "SESSION_BODY",
    "TRACE_ID",
]

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
_SESSION_ID = "01999e2c-6a00-7000-8000-000000000001"
_STREAM_IDS = ("01999e2c-6a00-7000-8000-000000000002", "01999e2c-6a00-7000-8000-000000000003")
_ENDPOINT = "quic://127.0.0.1:7843"
_KEY = "uYv4Qy6W6WmS1x8gq1v2X0nGm3m0o8m1b7H0t3b5JmE"

SESSION_BODY: JsonDict = {
    "device_id": "device-12345",
    "streams": [
        {"name": "telemetry", "mode": "reliable", "qos": {"priority": "normal", "bandwidth_kbps": 100}},
        {"name": "video", "mode": "unreliable", "qos": {"priority": "burst", "bandwidth_kbps": 5000}},
    ],
    "ttl_seconds": 3600,
}

OPENED_SESSION: JsonDict = {
    "session_id": _SESSION_ID,
    "expires_at": "2025-10-02T11:00:00Z",
    "session_endpoint": _ENDPOINT,
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
    "session_id": _SESSION_ID,
    "device_id": "device-12345",
    "status": "active",
    "created_at": "2025-10-02T10:00:00Z",
    "expires_at": "2025-10-02T11:00:00Z",
    "ended_at": None,
    "end_reason": None,
    "session_endpoint": _ENDPOINT,
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
        {"session_id": _SESSION_ID, "device_id": "device-12345", "bandwidth_kbps": 5100, "left_kbps": 4700},
    ],
}

DEVICE_BODY: JsonDict = {
    "device_id": "device-12345",
    "public_key": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo",  # of RFC 7748, section 6.1
    "firmware_version": "1.4.2",
    "capabilities": ["video", "telemetry"],
    "metadata": {"site": "north"},
}

REGISTERED_DEVICE: JsonDict = {
    "device_id": "device-12345",
    "status": "pending",
    "device_token": "hl1_AZmeLGoAcAC…",
    "pairing_code": "K7QM-2XWD-94TB",
    "registered_at": "2025-10-02T09:00:00Z",
    "pairing_expires_at": "2025-10-02T09:10:00Z",
}

PAIRED_DEVICE: JsonDict = {
    "device_id": "device-12345",
    "status": "paired",
    "paired_at": "2025-10-02T09:01:00Z",
    "session_endpoint": _ENDPOINT,
}

DEVICE: JsonDict = {
    **DEVICE_BODY,
    "status": "paired",
    "registered_at": "2025-10-02T09:00:00Z",
    "paired_at": "2025-10-02T09:01:00Z",
    "pool_kbps": 100_000,
}

POOL_BODY: JsonDict = {"capacity_kbps": 90_000, "guaranteed_kbps": 60_000, "lend_limit_kbps": 20_000}

POOL: JsonDict = {
    "pool": "tenant:acme",
    "level": "tenant",
    "tenant_id": "01999e2c-6a00-7000-8000-000000000005",
    "capacity_kbps": 90_000,
    "charge": "payload",
    "guaranteed_kbps": 60_000,
    "borrow_limit_kbps": None,
    "lend_limit_kbps": 20_000,
    "preemption": False,
    "min_hold_ms": 0,
    "reserved_kbps": 10_000,
    "withheld_kbps": 0,
    "available_kbps": 80_000,
    "draining_kbps": 0,
}

AUDIT_EVENT: JsonDict = {
    "event_id": "01999e2c-6a00-7000-8000-000000000004",
    "at": "2025-10-02T10:00:00Z",
    "category": "session-creation",
    "actor": "device:device-12345",
    "device_id": "device-12345",
    "outcome": "success",
    "details": {
        "session_id": _SESSION_ID,
        "stream_count": 2,
        "total_bandwidth_kbps": 5100,
        "ttl_seconds": 3600,
    },
    "trace_id": TRACE_ID,
}
