"""What every endpoint has in common, so that each one is only: parse, call, render.

An endpoint is declared with what it takes, what it answers and how it can fail. The same declaration serves requests
and makes the OpenAPI document, so the two can't disagree.

A request is served as ASGI has it: building and wrapping Starlette's request and response would cost more than what
most endpoints do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import structlog

from honeylink.api.http.body import check_path, parse_body, read_body, read_query
from honeylink.api.http.problems import problem_response
from honeylink.errors import DependencyUnavailable, Overloaded, ServiceError
from honeylink.telemetry import current_trace_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import BaseModel
    from pydantic.json_schema import JsonSchemaMode
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from honeylink.api.http.models import RequestModel
    from honeylink.domain.access import Principal
    from honeylink.services.load_shedding.in_flight import InFlight
    from honeylink.services.runtime import Services
    from honeylink.settings import Settings

    Handler = Callable[["Call"], Awaitable["Answer"]]
    PublicHandler = Callable[["Application"], Awaitable[Response]]
    BodyReader = Callable[[bytes, Settings], Any]

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


def rendered(body: BaseModel | bytes) -> bytes:
    """A body as JSON."""
    return body if isinstance(body, bytes) else body.model_dump_json().encode()


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
    read: BodyReader | None = None
    """Reads the body's bytes, where the model alone does not; it refuses what the model refuses."""
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

    async def serve(self, application: Application, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: who calls, what they send, what comes of it."""
        services = application.services
        try:
            with services.database.shared_budget():
                answer = await self.handler(await self._call(application, scope, receive))
        except ServiceError as error:
            if isinstance(error, DependencyUnavailable) and not isinstance(error, Overloaded):
                # The client is told to come back; the operator, what to fix.
                reason = getattr(error, "reason", None) or repr(error.__cause__ or error)
                _log.warning("request.unavailable", reason=reason, trace_id=current_trace_id())
            await problem_response(error)(scope, receive, send)
            return
        content = rendered(answer.body)
        headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
        headers += ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(content)))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _call(self, application: Application, scope: Scope, receive: Receive) -> Call:
        services, settings = application.services, application.settings
        state = scope.get("state", {})
        caller = await services.access.authenticate(authorization(scope), state.get("token"))
        scope["honeylink.actor"] = caller.actor
        path = check_path(scope["path_params"])
        if self.body is not None:
            raw = await read_body(scope, receive, settings)
            sent = parse_body(raw, settings, self.body) if self.read is None else self.read(raw, settings)
        elif self.query is not None:
            sent = read_query(scope, settings, self.query)
        else:
            sent = None
        prefix = next(prefix for prefix in PREFIXES if scope["path"].startswith(f"{prefix}/"))
        is_connected = state.get("is_connected", _always)
        return Call(services, settings, caller, path, prefix, sent, is_connected, state.get("in_flight"))


def authorization(scope: Scope) -> str:
    """A request's `Authorization` header; nothing if there is none."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            field: bytes = value
            return field.decode("latin-1")
    return ""


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

    async def serve(self, application: Application, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        response = await self.handler(application)
        await response(scope, receive, send)


Endpoints: TypeAlias = "tuple[Endpoint | PublicEndpoint, ...]"


@dataclass(frozen=True, slots=True)
class Application:
    """What all requests are served with."""

    services: Services
    settings: Settings
    endpoints: Endpoints
    exposition: Callable[[], Awaitable[bytes]]
    """What `/metrics` answers."""
