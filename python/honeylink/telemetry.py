"""What the running service tells of itself: spans, metrics and the trace id of the request at hand.

Spans cost next to nothing until `honeylink.api.http.observability` installs an exporter.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar

from opentelemetry import trace
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

REQUESTS = Counter("honeylink_http_requests", "Requests answered.", ["method", "route", "status"], registry=REGISTRY)
REQUEST_SECONDS = Histogram(
    "honeylink_http_request_seconds",
    "Time from the last header byte to the last byte of the answer.",
    ["method", "route"],
    registry=REGISTRY,
    # Dense where the budget lies: an aim of 10 ms, a contract of 100 ms.
    buckets=(0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
SESSIONS = Counter(
    "honeylink_sessions",
    "Sessions by what became of them: opened, refused, terminated, expired.",
    ["outcome"],
    registry=REGISTRY,
)
ADMISSION_REFUSALS = Counter(
    "honeylink_admission_refusals",
    "Sessions refused for lack of bandwidth, by the level of the pool that was short.",
    ["level"],
    registry=REGISTRY,
)
POOL_CAPACITY_KBPS = Gauge(
    "honeylink_pool_capacity_kbps", "Capacity of all pools of a level.", ["level"], registry=REGISTRY
)
POOL_RESERVED_KBPS = Gauge(
    "honeylink_pool_reserved_kbps",
    "What live sessions hold of all pools of a level.",
    ["level"],
    registry=REGISTRY,
)

_tracer = trace.get_tracer("honeylink")
_UNRECORDED: AbstractContextManager[object] = nullcontext()
_unrecorded_trace_id: ContextVar[str | None] = ContextVar("honeylink_trace_id", default=None)


def leave_unrecorded(trace_id: str) -> None:
    """Let the request at hand carry its trace id, and no spans: nobody collects them."""
    _unrecorded_trace_id.set(trace_id)


def span(name: str, **attributes: str | int) -> AbstractContextManager[object]:
    """Time a part of the request at hand, where somebody collects its spans.

    Example:
        >>> with span("store.find_device", device_id="device-1"):
        ...     pass
    """
    if _unrecorded_trace_id.get() is not None:
        return _UNRECORDED
    return _tracer.start_as_current_span(name, attributes=attributes)


def current_trace_id() -> str:
    """The W3C trace id of the request at hand, 32 hex digits; zeros outside of one."""
    trace_id = _unrecorded_trace_id.get()
    return trace_id or trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)
