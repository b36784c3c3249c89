"""`/healthz`, `/readyz`, `/metrics`, `/openapi.json` and `/docs`: for operators and readers, without a token."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Literal

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import HTMLResponse, Response

from honeylink.api.http.endpoint import PublicAnswer, PublicEndpoint
from honeylink.api.http.models import AnswerModel
from honeylink.api.openapi.document import openapi_document
from honeylink.api.openapi.page import DOCS_HEADERS, render_docs

if TYPE_CHECKING:
    from honeylink.api.http.endpoint import Application, Endpoints
    from honeylink.settings import Settings

_JSON = "application/json"


class HealthAnswer(AnswerModel):
    """The process is alive."""

    status: Literal["ok"]


class ReadinessAnswer(AnswerModel):
    """Whether all that a request needs is there."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str]


async def healthz(_: Application) -> Response:
    """The process answers."""
    return Response(HealthAnswer(status="ok").model_dump_json(), media_type=_JSON)


async def readyz(application: Application) -> Response:
    """Whether database, schema and key provider are there."""
    checks = await application.services.operations.readiness()
    ready = all(each == "ok" for each in checks.values())
    answer = ReadinessAnswer(status="ready" if ready else "not ready", checks=checks)
    return Response(answer.model_dump_json(), 200 if ready else 503, {} if ready else {"retry-after": "1"}, _JSON)


async def metrics(application: Application) -> Response:
    """Prometheus's text format."""
    await application.services.operations.refresh_metrics()
    return Response(await application.exposition(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


async def openapi(application: Application) -> Response:
    """The OpenAPI document."""
    text = _openapi_text(application.endpoints, application.settings)
    return Response(text, headers={"x-content-type-options": "nosniff"}, media_type=_JSON)


async def docs(application: Application) -> Response:
    """The OpenAPI document for reading."""
    return HTMLResponse(_docs_text(application.endpoints, application.settings), headers=DOCS_HEADERS)


@cache
def _openapi_text(endpoints: Endpoints, settings: Settings) -> str:
    return json.dumps(openapi_document(endpoints, settings), ensure_ascii=False)


@cache
def _docs_text(endpoints: Endpoints, settings: Settings) -> str:
    return render_docs(openapi_document(endpoints, settings))


ENDPOINTS = (
    PublicEndpoint("/healthz", "Is the process alive?", healthz, (PublicAnswer("It is.", _JSON, HealthAnswer),)),
    PublicEndpoint(
        "/readyz",
        "Are database, schema and key provider there?",
        readyz,
        (
            PublicAnswer("All are.", _JSON, ReadinessAnswer),
            PublicAnswer(
                "One is not; the checks say which.", _JSON, ReadinessAnswer, status=503, headers=("retry-after",)
            ),
        ),
    ),
    PublicEndpoint(
        "/metrics",
        "Metrics for Prometheus",
        metrics,
        (PublicAnswer("Prometheus's text format.", "text/plain", "string"),),
    ),
    PublicEndpoint(
        "/openapi.json",
        "This document for tools",
        openapi,
        (PublicAnswer("An OpenAPI 3.1 document.", _JSON, "object"),),
    ),
    PublicEndpoint(
        "/docs", "This document for reading", docs, (PublicAnswer("A page of HTML.", "text/html", "string"),)
    ),
)
