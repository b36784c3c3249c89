"""The ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from honeylink.api.endpoints import ENDPOINTS
from honeylink.api.http.observability import Observability
from honeylink.api.http.problems import problem_body, render_problem
from honeylink.api.http.routes import routes_of
from honeylink.api.operations.exposition import own_exposition
from honeylink.telemetry import current_trace_id

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from honeylink.api.operations.exposition import Exposition
    from honeylink.services.runtime import Services
    from honeylink.settings import Settings


def create_app(settings: Settings, services: Services, exposition: Exposition | None = None) -> ASGIApp:
    """The open services as an ASGI application.

    Args:
        settings: how they are served.
        services: what is served.
        exposition: what `/metrics` answers; without it, what this process counts.
    """
    app = Starlette(
        routes=routes_of(ENDPOINTS),
        exception_handlers={HTTPException: _http_problem, Exception: _internal_problem},
    )
    # A path with one slash too many is another path, not a redirect that loses the body.
    app.router.redirect_slashes = False
    app.state.services = services
    app.state.settings = settings
    app.state.endpoints = ENDPOINTS
    app.state.exposition = exposition or own_exposition
    return Observability(app)


async def _http_problem(request: Request, error: Exception) -> Response:
    """What the router refuses: an unknown path or a wrong method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for that class only
    headers = dict(error.headers or {})
    if error.status_code == 405:
        allowed = headers.get("Allow") or headers.get("allow") or ""
        body = problem_body("ERR_METHOD", f"expected one of {allowed}, found {request.method}", current_trace_id())
    else:
        body = problem_body("ERR_NOT_FOUND", "expected a path of /openapi.json, found another", current_trace_id())
    return render_problem(body, headers)


async def _internal_problem(_: Request, __: Exception) -> Response:
    """A bug. Nothing of it leaks but the trace id, which leads to the log line; Starlette raises it again for that."""
    body = problem_body("ERR_INTERNAL", "an internal error; please report the trace id", current_trace_id())
    return render_problem(body, {})
