"""Turns requests for new sessions away while there are too many, before anything is spent on them.

It stands before authentication, log and spans, since under overload what is refused outnumbers what is served. Reading,
ending, health and metrics are never refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from opentelemetry import trace

from honeylink.api.endpoints import PREFIXES
from honeylink.api.observability import count_request, trace_context, traceparent
from honeylink.api.problems import MEDIA_TYPE, problem_body, problem_status
from honeylink.errors import DependencyUnavailable

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from honeylink.services.sessions import Sessions

__all__ = ["Overload"]

_ROUTE = "/sessions"
_PATHS = frozenset(prefix + _ROUTE for prefix in PREFIXES)


class Overload:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in _PATHS:
            try:
                self._sessions.check_load()
            except DependencyUnavailable as error:
                await _refuse(error, scope, send)
                return
        await self._app(scope, receive, send)


async def _refuse(error: DependencyUnavailable, scope: Scope, send: Send) -> None:
    context = trace_context(scope)
    status = problem_status(error)
    body = json.dumps(problem_body(error.code, str(error), trace.format_trace_id(context.trace_id))).encode()
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"retry-after", b"%d" % error.retry_after_seconds),
        (b"traceparent", traceparent(context)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    count_request("POST", _ROUTE, status)
