"""Spans as a real collector gets them."""

from __future__ import annotations

import gzip
import os
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from honeylink.api.http.observability import install_exporter
from tests.conftest import PUBLIC_KEY, session_body
from tests.operations.processes import new_device, new_token, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT_ID = "00f067aa0ba902b7"


class Collector:
    """An OTLP endpoint that keeps what it is sent."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.service_names: set[str] = set()
        self.spans: list[Span] = []

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of one trace."""
        return [span for span in self.spans if span.trace_id.hex() == trace_id]


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                content = gzip.decompress(content)
            assert self.path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(content).resource_spans:
                collector.service_names |= {
                    attribute.value.string_value
                    for attribute in resource.resource.attributes
                    if attribute.key == "service.name"
                }
                collector.spans.extend(span for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def open_traced_session(directory: Path, dsn: str, **variables: str) -> None:
    """Open a session with a traceparent at a `honeylink serve` with these variables, and stop that: it flushes."""
    settings: dict[str, object] = {"database_dsn": dsn, "data_dir": directory, **variables}
    operator = new_token(dsn, directory)
    with serving(directory, **settings) as served, served.client(operator) as client:
        new_device(client, "device-1", PUBLIC_KEY)
        headers = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
        answer = client.post("/sessions", json=session_body("device-1"), headers=headers)
        assert answer.status_code == 201
        assert answer.headers["traceparent"].split("-")[1] == TRACE_ID


def test_session_as_a_tree_of_spans(new_database: Callable[[], str], tmp_path: Path) -> None:
    with collecting() as collector:
        open_traced_session(tmp_path, new_database(), OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    spans = collector.trace(TRACE_ID)
    [request] = [span for span in spans if span.parent_span_id.hex() == PARENT_ID]
    assert request.name == "POST /sessions"
    assert request.kind == request.SPAN_KIND_SERVER
    attributes = {attribute.key: attribute.value for attribute in request.attributes}
    assert attributes["http.route"].string_value == "/sessions"
    assert attributes["http.response.status_code"].int_value == 201
    children = [span for span in spans if span is not request]
    names = {span.name for span in children}
    assert {"store.find_session_contexts", "store.create_session", "key_provider.unwrap"} <= names
    ids = {span.span_id for span in spans}
    for span in children:
        assert span.parent_span_id in ids
        assert request.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= request.end_time_unix_nano
    assert collector.service_names == {"honeylink"}
    assert any(span.name == "store.attempt_pairing" for span in collector.spans)


def test_nothing_is_sent_if_switched_off(new_database: Callable[[], str], tmp_path: Path) -> None:
    with collecting() as collector:
        off = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_EXPORTER": "none"}
        open_traced_session(tmp_path, new_database(), **off)
    assert collector.spans == []


@pytest.mark.parametrize("variables", [{}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}], ids=str)
def test_ways_to_be_off(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    if variables:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert install_exporter() is None


def test_collector_away(new_database: Callable[[], str], tmp_path: Path) -> None:
    """Sessions are opened and the process ends, whether anybody takes its spans or not."""
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    open_traced_session(tmp_path, new_database(), **variables)
