"""What the examples of all rooms speak of: one device, its session, and a request's trace."""

from __future__ import annotations

DEVICE_ID = "device-12345"
SESSION_ID = "01999e2c-6a00-7000-8000-000000000001"
SESSION_ENDPOINT = "quic://127.0.0.1:7843"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
