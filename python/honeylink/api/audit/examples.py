"""An event as the documentation shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeylink.api.http.examples import DEVICE_ID, SESSION_ID, TRACE_ID

if TYPE_CHECKING:
    from pydantic.config import JsonDict

AUDIT_EVENT: JsonDict = {
    "event_id": "01999e2c-6a00-7000-8000-000000000004",
    "at": "2025-10-02T10:00:00Z",
    "category": "session-creation",
    "actor": "device:device-12345",
    "device_id": DEVICE_ID,
    "outcome": "success",
    "details": {
        "session_id": SESSION_ID,
        "stream_count": 2,
        "total_bandwidth_kbps": 5100,
        "ttl_seconds": 3600,
    },
    "trace_id": TRACE_ID,
}
