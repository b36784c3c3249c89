"""Which trace a request continues: W3C Trace Context, as OpenTelemetry reads it."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from honeylink.api.http.observability import Trace

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEX = "0123456789abcdef"


def continued(text: str) -> str | None:
    """The trace that OpenTelemetry continues."""
    context = TraceContextTextMapPropagator().extract({"traceparent": text})
    found = trace.get_current_span(context).get_span_context()
    return trace.format_trace_id(found.trace_id) if found.is_valid else None


def begun(text: str) -> str | None:
    """The trace that a request continues."""
    trace_id = Trace.begun_by([(b"traceparent", text.encode("latin-1"))]).trace_id
    return trace_id if trace_id in text else None


def digits(length: int) -> st.SearchStrategy[str]:
    return (
        st.text(HEX, min_size=length, max_size=length) | st.just("0" * length) | st.text(HEX + "AGf", max_size=length)
    )


@given(
    st.builds(
        "-".join,
        st.tuples(digits(2) | st.just("00"), digits(32), digits(16), digits(2)).map(list)
        | st.tuples(digits(2), digits(32), digits(16), digits(2), st.text(HEX + "-xyz", max_size=9)).map(list),
    )
)
def test_a_traceparent_is_read_as_by_opentelemetry(text: str) -> None:
    assert begun(text) == continued(text)


@pytest.mark.parametrize("extra", ["", "-", "-more"])
@pytest.mark.parametrize("version", ["00", "01", "fe", "ff"])
def test_versions(version: str, extra: str) -> None:
    text = f"{version}-{TRACE_ID}-{SPAN_ID}-01{extra}"
    assert begun(text) == continued(text)


def test_what_a_client_sends_too_much_of_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    long = f"01-{TRACE_ID}-{SPAN_ID}-01-" + "x" * 1000
    Trace.begun_by([(b"traceparent", long.encode()), (b"tracestate", b"a" * 1000)])
    assert caplog.records == []
