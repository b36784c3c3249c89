"""What every route has in common, so that each one is only: parse, call, render.

A route is declared with what it takes, what it answers and how it can fail. The same declaration serves requests and is
the OpenAPI document, so the two can't disagree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from starlette.responses import Response
from starlette.routing import Match, Route

from honeylink.api.http.body import check_path, read_body, read_query
from honeylink.api.http.problems import problem_response
from honeylink.errors import DependencyUnavailable, Overloaded, ServiceError
from honeylink.telemetry import current_trace_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import BaseModel
    from starlette.requests import Request
    from starlette.types import Scope

    from honeylink.api.requests import RequestModel
    from honeylink.domain.access import Principal
    from honeylink.services.runtime import Services
    from honeylink.settings import Settings

    Handler = Callable[["Call"], Awaitable["Answer"]]

__all__ = ["PREFIXES", "Answer", "Call", "Endpoint", "routes_of"]

PREFIXES = ("/api/v1", "")
"""Every resource is served under each of these, the same; the longer first, since the other fits every path."""

_log = structlog.get_logger("honeylink.request")

# Errors that any request may meet, and those that a token or a body add.
_ALWAYS = ("ERR_VALIDATION", "ERR_TIMEOUT", "ERR_TOO_LARGE", "ERR_INTERNAL", "ERR_DEPENDENCY")
_WITH_TOKEN = ("ERR_AUTH", "ERR_AUTHZ", "ERR_RATE_LIMITED")


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose caller is known and whose parts have been read."""

    services: Services
    settings: Settings
    caller: Principal
    path: dict[str, str]
    prefix: str
    input: Any
    """The body, or where there is none the query, as the endpoint's model."""
    wanted: Callable[[], bool]
    """Whether the client still waits for the answer, as far as the server knows."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A result."""

    body: BaseModel | bytes
    """What is to be rendered, or has been."""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route as the documentation tells it."""

    method: str
    path: str
    summary: str
    handler: Handler
    answer: type[BaseModel]
    status: int = 200
    body: type[RequestModel] | None = None
    query: type[RequestModel] | None = None
    errors: tuple[str, ...] = ()

    @property
    def error_codes(self) -> tuple[str, ...]:
        """Every error code that this route may answer with."""
        return (*_ALWAYS, *_WITH_TOKEN, *self.errors)

    async def serve(self, request: Request) -> Response:
        """Answer a request: who calls, what they send, what comes of it."""
        state = request.app.state
        services: Services = state.services
        settings: Settings = state.settings
        request.scope["honeylink.route"] = self.path
        try:
            with services.database.shared_budget():
                caller = await services.access.authenticate(request.headers.get("authorization"))
                request.scope["honeylink.actor"] = caller.actor
                path = check_path(request.path_params)
                if self.body is not None:
                    sent = await read_body(request, settings, self.body)
                elif self.query is not None:
                    sent = read_query(request, settings, self.query)
                else:
                    sent = None
                prefix = next(prefix for prefix in PREFIXES if request.scope["path"].startswith(f"{prefix}/"))
                wanted = request.scope.get("state", {}).get("connected", _always)
                answer = await self.handler(Call(services, settings, caller, path, prefix, sent, wanted))
        except ServiceError as error:
            if isinstance(error, DependencyUnavailable) and not isinstance(error, Overloaded):
                # The client is told to come back; the operator, what to mend.
                reason = getattr(error, "reason", None) or repr(error.__cause__ or error)
                _log.warning("request.unavailable", reason=reason, trace_id=current_trace_id())
            return problem_response(error)
        body = answer.body
        content = body if isinstance(body, bytes) else body.model_dump_json()
        return Response(content, self.status, answer.headers, "application/json")


def _always() -> bool:
    return True


def routes_of(endpoints: tuple[Endpoint, ...]) -> list[Route]:
    """The endpoints under every prefix."""
    routes = []
    for prefix in reversed(PREFIXES):  # the short one is what most clients use, and routes are tried in order
        by_path: dict[str, list[Endpoint]] = {}
        for endpoint in endpoints:
            by_path.setdefault(prefix + endpoint.path, []).append(endpoint)
        routes += [_route(path, same_path) for path, same_path in by_path.items()]
    return routes


def _route(path: str, endpoints: list[Endpoint]) -> Route:
    """One route for all methods of a path, so that a wrong method is told all the right ones."""
    by_method = {endpoint.method: endpoint for endpoint in endpoints}

    async def serve(request: Request) -> Response:
        return await by_method[request.method.replace("HEAD", "GET")].serve(request)

    return _WholePath(path, serve, methods=list(by_method))


class _WholePath(Route):
    """A route that has its path to itself, so that a wrong method there is not another path's with a parameter."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        return (Match.NONE if match is Match.NONE else Match.FULL), child_scope
