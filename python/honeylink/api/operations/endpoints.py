"""`/healthz`, `/readyz`, `/metrics`, `/openapi.json` and `/docs`: for operators and readers, without a token."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from honeylink.api.openapi.document import openapi_document
from honeylink.api.openapi.page import DOCS_HEADERS, render_docs
from honeylink.telemetry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from honeylink.services.runtime import Services
    from honeylink.settings import Settings

__all__ = ["ROUTES", "Exposition", "own_exposition"]

Exposition: TypeAlias = "Callable[[], Awaitable[bytes]]"
"""Makes what `/metrics` answers, in Prometheus's text format."""


async def healthz(_: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Whether database, schema and key provider are there."""
    services: Services = request.app.state.services
    checks = await services.operations.readiness()
    ready = all(each == "ok" for each in checks.values())
    body = {"status": "ready" if ready else "not ready", "checks": checks}
    return JSONResponse(body, 200 if ready else 503, {} if ready else {"retry-after": "1"})


async def metrics(request: Request) -> Response:
    """Prometheus's text format."""
    services: Services = request.app.state.services
    exposition: Exposition = request.app.state.exposition
    await services.operations.refresh_metrics()
    return Response(await exposition(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


async def own_exposition() -> bytes:
    """What this process counts, in Prometheus's text format."""
    return generate_latest(REGISTRY)


async def openapi(request: Request) -> Response:
    """The OpenAPI document."""
    text = _openapi_text(request.app.state.settings)
    return Response(text, headers={"x-content-type-options": "nosniff"}, media_type="application/json")


async def docs(request: Request) -> Response:
    """The OpenAPI document for reading."""
    return HTMLResponse(_docs_text(request.app.state.settings), headers=DOCS_HEADERS)


@cache
def _openapi_text(settings: Settings) -> str:
    return json.dumps(openapi_document(settings), ensure_ascii=False)


@cache
def _docs_text(settings: Settings) -> str:
    return render_docs(openapi_document(settings))


def _route(path: str, answer: Callable[[Request], Awaitable[Response]]) -> Route:
    async def serve(request: Request) -> Response:
        request.scope["honeylink.route"] = path
        return await answer(request)

    return Route(path, serve)


ROUTES = [
    _route("/healthz", healthz),
    _route("/readyz", readyz),
    _route("/metrics", metrics),
    _route("/openapi.json", openapi),
    _route("/docs", docs),
]
