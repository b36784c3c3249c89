"""What every endpoint has in common, so that each one is only: parse, call, render.

An endpoint is declared with what it takes, what it answers and how it can fail. The same declaration serves requests
and makes the OpenAPI document, so the two can't disagree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import structlog
from starlette.responses import Response

from honeylink.api.http.body import check_path, read_body, read_query
from honeylink.api.http.problems import problem_response
from honeylink.errors import DependencyUnavailable, Overloaded, ServiceError
from honeylink.telemetry import current_trace_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import BaseModel
    from pydantic.json_schema import JsonSchemaMode
    from starlette.requests import Request

    from honeylink.api.http.models import RequestModel
    from honeylink.domain.access import Principal
    from honeylink.services.load_shedding.in_flight import InFlight
    from honeylink.services.runtime import Services
    from honeylink.settings import Settings

    Handler = Callable[["Call"], Awaitable["Answer"]]
    PublicHandler = Callable[[Request], Awaitable[Response]]

PREFIXES = ("/api/v1", "")
"""Every resource is served under each of these, the same; the longer first, since the other fits every path."""

_log = structlog.get_logger("honeylink.request")

# Errors that any request with a token may meet.
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
    in_flight: InFlight | None
    """If it has passed the admission gate."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A result."""

    body: BaseModel | bytes
    """What is to be rendered, or has been."""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """An operation that takes what an answer holds, so that tools can walk from one to the next."""

    name: str
    operation: str
    """The other endpoint's operation, which its handler is named for."""
    path: tuple[str, ...] = ()
    """Members of the answer that are parameters of its path."""
    body: tuple[str, ...] = ()
    """Members of the answer that are members of its body; the rest of that is as in its example."""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint of a resource: JSON, for callers with a token."""

    prefixes: ClassVar[tuple[str, ...]] = PREFIXES

    method: str
    path: str
    summary: str
    handler: Handler
    answer: type[BaseModel]
    status: int = 200
    body: type[RequestModel] | None = None
    query: type[RequestModel] | None = None
    errors: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()

    @property
    def error_codes(self) -> tuple[str, ...]:
        """Every error code that it may answer with."""
        return (*_ALWAYS, *_WITH_TOKEN, *self.errors)

    @property
    def models(self) -> dict[type[BaseModel], JsonSchemaMode]:
        """The models of its bodies, and whether they are read or written."""
        read: dict[type[BaseModel], JsonSchemaMode] = {} if self.body is None else {self.body: "validation"}
        return {self.answer: "serialization", **read}

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
                told = request.scope.get("state", {})
                wanted, in_flight = told.get("connected", _always), told.get("in_flight")
                answer = await self.handler(Call(services, settings, caller, path, prefix, sent, wanted, in_flight))
        except ServiceError as error:
            if isinstance(error, DependencyUnavailable) and not isinstance(error, Overloaded):
                # The client is told to come back; the operator, what to fix.
                reason = getattr(error, "reason", None) or repr(error.__cause__ or error)
                _log.warning("request.unavailable", reason=reason, trace_id=current_trace_id())
            return problem_response(error)
        body = answer.body
        content = body if isinstance(body, bytes) else body.model_dump_json()
        return Response(content, self.status, answer.headers, "application/json")


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class PublicAnswer:
    """An answer of a public endpoint, as the documentation shows it."""

    description: str
    media_type: str
    content: type[BaseModel] | str
    """Its model, or its type in JSON Schema."""
    status: int = 200
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PublicEndpoint:
    """An endpoint that is read without a token, at the root alone."""

    prefixes: ClassVar[tuple[str, ...]] = ("",)
    method: ClassVar[str] = "GET"

    path: str
    summary: str
    handler: PublicHandler
    answers: tuple[PublicAnswer, ...]

    @property
    def models(self) -> dict[type[BaseModel], JsonSchemaMode]:
        """The models of its answers."""
        return {each.content: "serialization" for each in self.answers if not isinstance(each.content, str)}

    async def serve(self, request: Request) -> Response:
        """Answer a request."""
        request.scope["honeylink.route"] = self.path
        return await self.handler(request)


Endpoints: TypeAlias = "tuple[Endpoint | PublicEndpoint, ...]"
