"""Wraps every request: its trace, its metrics, its log line, and what is logged of a bug.

W3C Trace Context: a valid `traceparent` is continued, anything else starts a new trace. Spans are made by OpenTelemetry
where an exporter is set up; without one a request carries its ids and no span. OpenTelemetry's own ASGI middleware
would be a second wrapper around each request, with a span for every message of it. What a bug raises is answered here
too, so that Starlette's middlewares for errors are not needed.
"""

from __future__ import annotations

import os
import random
import re
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import structlog
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from honeylink.api.http.problems import problem_body, render_problem
from honeylink.telemetry import REQUEST_SECONDS, REQUESTS, leave_unrecorded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from prometheus_client import Counter, Histogram
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = structlog.get_logger("honeylink.request")
_propagator = TraceContextTextMapPropagator()
_random = random.Random()  # noqa: S311 - ids have to differ, no more
# Read here rather than by the propagator, which logs what a client sends too much of.
_TRACEPARENT = re.compile(
    # Of version 00 that is all; later ones may have more.
    rb"(?!ff|00-.{52}-)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?"
)
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


class Trace(NamedTuple):
    """A trace and the place in it, as W3C Trace Context writes them: hexadecimal digits."""

    trace_id: str
    span_id: str
    flags: str

    @classmethod
    def of(cls, context: trace.SpanContext) -> Trace:
        """That of a span."""
        return cls(
            trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id), f"{context.trace_flags:02x}"
        )

    @classmethod
    def begun_by(cls, headers: Iterable[tuple[bytes, bytes]]) -> Trace:
        """A new place in the trace that the headers of a request continue, or else in a new one."""
        span_id = f"{_random.getrandbits(64) or 1:016x}"
        for name, value in headers:
            if name == b"traceparent" and (parent := _TRACEPARENT.fullmatch(value)) is not None:
                return cls(parent[1].decode("ascii"), span_id, parent[2].decode("ascii"))
        return cls(f"{_random.getrandbits(128) or 1:032x}", span_id, "00")

    @property
    def traceparent(self) -> bytes:
        """The header that tells it."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}".encode("ascii")


class Observability:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        has_exporter = not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
        self._tracer = trace.get_tracer("honeylink") if has_exporter else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._tracer is not None:
            span = self._tracer.start_span(scope["method"], _parent(scope["headers"]), kind=trace.SpanKind.SERVER)
            if span.is_recording():
                with trace.use_span(span, end_on_exit=True):
                    status = await self._serve(Trace.of(span.get_span_context()), scope, receive, send)
                    _describe(span, scope, status)
                return
        begun = Trace.begun_by(scope["headers"])
        leave_unrecorded(begun.trace_id)
        await self._serve(begun, scope, receive, send)

    async def _serve(self, begun: Trace, scope: Scope, receive: Receive, send: Send) -> int:
        started = perf_counter()
        status = 0
        header = (b"traceparent", begun.traceparent)

        async def send_traced(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], header]
                await send(message)
                status = message["status"]
            else:
                await send(message)

        try:
            await self._app(scope, receive, send_traced)
        except Exception:  # noqa: BLE001 - a bug: the log gets the whole of it, the client nothing but the trace id
            _log.exception("request.failed", trace_id=begun.trace_id, path=scope["path"])
            if not status:
                body = problem_body("ERR_INTERNAL", "an internal error; please report the trace id", begun.trace_id)
                await render_problem(body, {})(scope, receive, send_traced)
        finally:
            seconds = perf_counter() - started
            count_request(_method(scope), _route(scope), status, seconds)
            _log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                duration_ms=round(seconds * 1000, 2),
                actor=scope.get("honeylink.actor"),
                trace_id=begun.trace_id,
            )
        return status


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


# Templates only: labels made of what clients send would grow without end.
def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _route(scope: Scope) -> str:
    route: str = scope.get("honeylink.route", "unmatched")
    return route


def _describe(span: trace.Span, scope: Scope, status: int) -> None:
    method, route = _method(scope), _route(scope)
    span.update_name(f"{method} {route}")
    span.set_attribute("http.request.method", method)
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)


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
