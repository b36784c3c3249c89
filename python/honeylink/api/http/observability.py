"""Wraps every request: its trace, its metrics, its log line, and what is logged of a bug.

W3C Trace Context: a valid `traceparent` is continued, anything else starts a new trace. Spans are made by OpenTelemetry
where an exporter is set up; without one the same ids are carried by a span that records nothing. OpenTelemetry's own
ASGI middleware would be a second wrapper around each request, with a span for every message of it.
"""

from __future__ import annotations

import os
import random
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING

import structlog
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from honeylink.telemetry import REQUEST_SECONDS, REQUESTS, current_trace_id

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from prometheus_client import Counter, Histogram
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = structlog.get_logger("honeylink.request")
_propagator = TraceContextTextMapPropagator()
_random = random.Random()  # noqa: S311 - ids have to differ, no more
_CARRIED = {b"traceparent": "traceparent", b"tracestate": "tracestate"}


def install_exporter() -> TracerProvider | None:
    """Export spans by OTLP over HTTP, if the standard `OTEL_*` variables ask for it.

    Returns:
        The provider, to be shut down at the end; None if nothing is exported.
    """
    wanted = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "otlp" if wanted else "none")
    if exporter == "none" or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(
        resource=Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "honeylink")})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


class Observability:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._tracer = trace.get_tracer("honeylink")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self._span(scope) as span:
            await self._serve(span, scope, receive, send)

    async def _serve(self, span: trace.Span, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        status = 0
        header = (b"traceparent", traceparent(span.get_span_context()))

        async def send_traced(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], header]
            await send(message)

        try:
            await self._app(scope, receive, send_traced)
        except Exception:  # noqa: BLE001 - the client has its answer from the application; the log gets the whole of it
            _log.exception("request.failed", trace_id=current_trace_id(), path=scope["path"])
        finally:
            self._record(span, scope, status, perf_counter() - started)

    def _span(self, scope: Scope) -> AbstractContextManager[trace.Span]:
        """A span for the request, current while it is served."""
        span = self._tracer.start_span(scope["method"], _parent(scope["headers"]), kind=trace.SpanKind.SERVER)
        if not span.is_recording():
            span = trace.NonRecordingSpan(trace_context(scope["headers"]))
        return trace.use_span(span, end_on_exit=True)

    def _record(self, span: trace.Span, scope: Scope, status: int, seconds: float) -> None:
        # Templates only: labels made of what clients send would grow without end.
        route = scope.get("honeylink.route", "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        count_request(method, route, status, seconds)
        if span.is_recording():
            span.update_name(f"{method} {route}")
            span.set_attribute("http.request.method", method)
            span.set_attribute("http.route", route)
            span.set_attribute("http.response.status_code", status)
        _log.info(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            duration_ms=round(seconds * 1000, 2),
            actor=scope.get("honeylink.actor"),
            trace_id=trace.format_trace_id(span.get_span_context().trace_id),
        )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def trace_context(headers: Iterable[tuple[bytes, bytes]]) -> trace.SpanContext:
    """A new span in the trace that the headers of a request continue, or else in a new one."""
    parent = trace.get_current_span(_parent(headers)).get_span_context()
    trace_id = parent.trace_id or _random.getrandbits(128) or 1
    return trace.SpanContext(trace_id, _random.getrandbits(64) or 1, is_remote=False, trace_flags=parent.trace_flags)


def traceparent(context: trace.SpanContext) -> bytes:
    """The header that tells a trace."""
    return b"00-%032x-%016x-%02x" % (context.trace_id, context.span_id, context.trace_flags)


def count_request(method: str, route: str, status: int, seconds: float | None = None) -> None:
    """Count a request; how long it took counts too, unless load shedding refused it."""
    requests, request_seconds = _meters(method, route, status)
    requests.inc()
    if seconds is not None:
        request_seconds.observe(seconds)


def _parent(headers: Iterable[tuple[bytes, bytes]]) -> Context | None:
    carrier = {_CARRIED[name]: value.decode("latin-1") for name, value in headers if name in _CARRIED}
    return _propagator.extract(carrier) if carrier else None


@cache
def _meters(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, str(status)), REQUEST_SECONDS.labels(method, route)
