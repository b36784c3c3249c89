"""Turns requests for new sessions away while there are too many, before anything is spent on them.

Under overload what is refused outnumbers what is served, so a refusal must cost next to nothing: it is one write of the
server's protocol, before the application, authentication, log and spans. Reading, ending, health and metrics are never
refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from opentelemetry import trace

from honeylink.api.endpoints import PREFIXES
from honeylink.api.observability import count_request, trace_context, traceparent
from honeylink.api.problems import MEDIA_TYPE, PROBLEMS, problem_body
from honeylink.errors import Overloaded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from honeylink.services.sessions import Sessions

__all__ = ["Overload"]

_ROUTE = "/sessions"
_PATHS = frozenset((prefix + _ROUTE).encode() for prefix in PREFIXES)
_NO_TRACE = "0" * 32


class Overload:
    """Knows what is answered at the door."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        error = Overloaded()
        self._status = PROBLEMS[error.code][0]
        self._body = json.dumps(problem_body(error.code, str(error), _NO_TRACE)).encode()
        self._head = (
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(self._body)}\r\ncache-control: no-store\r\n"
            f"retry-after: {error.retry_after_seconds}\r\ntraceparent: "
        ).encode()

    def refuses(self, method: bytes, target: bytes) -> bool:
        """Whether a request would open one session too many."""
        return method == b"POST" and target.partition(b"?")[0] in _PATHS and self._sessions.overloaded()

    def refusal(self, headers: Iterable[tuple[bytes, bytes]]) -> tuple[int, bytes]:
        """Status, and header and body, of the answer to a refused request with these headers; counts it."""
        context = trace_context(headers)
        count_request("POST", _ROUTE, self._status)
        trace_id = trace.format_trace_id(context.trace_id).encode()
        body = self._body.replace(_NO_TRACE.encode(), trace_id)
        return self._status, b"".join((self._head, traceparent(context), b"\r\n\r\n", body))
