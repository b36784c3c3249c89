"""A device as the documentation shows it: registered, paired and read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeylink.api.http.examples import DEVICE_ID, SESSION_ENDPOINT

if TYPE_CHECKING:
    from pydantic.config import JsonDict

DEVICE_BODY: JsonDict = {
    "device_id": DEVICE_ID,
    "public_key": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo",  # of RFC 7748, section 6.1
    "firmware_version": "1.4.2",
    "capabilities": ["video", "telemetry"],
    "metadata": {"site": "north"},
}

REGISTERED_DEVICE: JsonDict = {
    "device_id": DEVICE_ID,
    "status": "pending",
    "device_token": "hl1_AZmeLGoAcAC…",
    "pairing_code": "K7QM-2XWD-94TB",
    "registered_at": "2025-10-02T09:00:00Z",
    "pairing_expires_at": "2025-10-02T09:10:00Z",
}

PAIRED_DEVICE: JsonDict = {
    "device_id": DEVICE_ID,
    "status": "paired",
    "paired_at": "2025-10-02T09:01:00Z",
    "session_endpoint": SESSION_ENDPOINT,
}

DEVICE: JsonDict = {
    **DEVICE_BODY,
    "status": "paired",
    "registered_at": "2025-10-02T09:00:00Z",
    "paired_at": "2025-10-02T09:01:00Z",
    "pool_kbps": 100_000,
}
