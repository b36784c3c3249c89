"""The OpenAPI 3.1 document, made of the endpoints' declarations and the models that validate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from honeylink import __version__
from honeylink.api import examples
from honeylink.api.answers import HealthAnswer, ReadinessAnswer
from honeylink.api.audit import endpoints as audit
from honeylink.api.devices import endpoints as devices
from honeylink.api.http.body import FAULTS_MAX, VALUES_MAX
from honeylink.api.http.endpoint import PREFIXES
from honeylink.api.http.problems import MEDIA_TYPE, PROBLEMS, problem_body
from honeylink.api.http.values import KEY_MAX_LENGTH, PATH_PATTERNS
from honeylink.api.pools import endpoints as pools
from honeylink.api.sessions import endpoints as sessions
from honeylink.domain.paging import PAGE_MAX_BYTES
from honeylink.domain.text import TEXT_PATTERN, UUID_PATTERN

if TYPE_CHECKING:
    from pydantic import BaseModel

    from honeylink.api.http.endpoint import Endpoint
    from honeylink.settings import Settings

__all__ = ["openapi_document"]

_REF = "#/components/schemas/{model}"
_ENDPOINTS = (*devices.ENDPOINTS, *sessions.ENDPOINTS, *pools.ENDPOINTS, *audit.ENDPOINTS)

# What the problems look like: a message, and the members that this code adds.
_EXAMPLES: dict[str, tuple[str, dict[str, object]]] = {
    "ERR_VALIDATION": (
        "stream 'video', priority: expected one of latency, normal, burst, found 'urgent'",
        {
            "errors": [
                {
                    "pointer": "/streams/1/qos/priority",
                    "message": "stream 'video', priority: expected one of latency, normal, burst, found 'urgent'",
                }
            ]
        },
    ),
    "ERR_AUTH": ("expected a header `Authorization: Bearer <token>`", {}),
    "ERR_AUTHZ": ("a token with role 'auditor' may not open sessions", {}),
    "ERR_NOT_FOUND": ("device 'device-12345' not found", {}),
    "ERR_TIMEOUT": ("expected the whole body within 5 s", {}),
    "ERR_STATE": ("expected device 'device-12345' to be paired, found it pending", {}),
    "ERR_CONFLICT": (
        "not enough bandwidth: requested 5100 kbps, pool device:device-12345 has 4000 kbps left",
        {
            "requested_kbps": 5100,
            "available_kbps": 4000,
            "limiting_pool": "device:device-12345",
            "admissible_kbps": 4000,
            "counter_offer": [
                {"name": "telemetry", "bandwidth_kbps": 100},
                {"name": "video", "bandwidth_kbps": 3900},
            ],
            "free_at": "2025-10-02T10:20:00Z",
        },
    ),
    "ERR_TOO_LARGE": ("expected a body of at most 65536 bytes, found a longer one", {}),
    "ERR_RATE_LIMITED": ("over the rate; retry in 1 s", {}),
    "ERR_INTERNAL": ("an internal error; please report the trace id", {}),
    "ERR_DEPENDENCY": ("the database is not available now; retry in 1 s", {}),
}

_DESCRIPTION = """\
Every resource is served under `/` and, the same, under `/api/v1`. Bodies are JSON in UTF-8, of at most 16 levels and
{values_max} values, without control characters in any text. Names and reasons have no format characters (Unicode's Cf)
or line separators either. Ids are read as they are written: UUIDs in lower case with hyphens. Times are RFC 3339 in
UTC, bandwidths kbit/s, lists newest first: pass a page's `next_cursor` as `cursor` to have the next one, until it is
null; a page ends with fewer items than its `limit` when they come to {page_max_bytes} bytes.

Every error is a problem (RFC 9457) that says what was expected and what was found; branch on its `error_code`. A
problem lists all faults of a request, up to {faults_max}. An unknown path answers 404 `ERR_NOT_FOUND`, a wrong method
405 `ERR_METHOD` with `Allow`. A `traceparent` (W3C Trace Context) is continued, and every answer carries its own.
"""

_TEXT = {"type": "string", "pattern": TEXT_PATTERN}
_KEY = {**_TEXT, "maxLength": KEY_MAX_LENGTH}
_HEADERS: dict[str, dict[str, Any]] = {
    "traceparent": {
        "description": "W3C Trace Context of this answer.",
        "required": True,
        "schema": {"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
    },
    "retry-after": {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer", "minimum": 1}},
    "www-authenticate": {"description": "The scheme to use.", "required": True, "schema": {"type": "string"}},
    "location": {"description": "Path of what was made.", "required": True, "schema": {"type": "string"}},
    "cache-control": {
        "description": "Never stored, as it holds secrets or will not stay true.",
        "required": True,
        "schema": {"const": "no-store"},
    },
}
_METADATA = {
    "description": "Any JSON, to a depth of 16 levels in all.",
    "anyOf": [
        {"type": ["null", "boolean", "number"]},
        _TEXT,
        {"type": "array", "items": {"$ref": _REF.format(model="Metadata")}},
        {
            "type": "object",
            "propertyNames": _KEY,
            "additionalProperties": {"$ref": _REF.format(model="Metadata")},
        },
    ],
}
_PROBLEM = {
    "type": "object",
    "description": "An error as RFC 9457 has it, with HoneyLink's own members.",
    "required": ["type", "title", "status", "detail", "error_code", "message", "trace_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "error_code": {"type": "string", "enum": list(PROBLEMS)},
        "message": {"type": "string"},
        "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "errors": {
            "type": "array",
            "maxItems": FAULTS_MAX,
            "items": {
                "type": "object",
                "required": ["pointer", "message"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer, RFC 6901."},
                    "message": {"type": "string"},
                },
            },
        },
        "requested_kbps": {"type": "integer"},
        "available_kbps": {"type": "integer"},
        "limiting_pool": {"type": "string"},
        "admissible_kbps": {"type": "integer", "description": "The largest stream without parity that would fit now."},
        "counter_offer": {
            "type": "array",
            "description": "What these streams could have now; left out if that is less than their minima.",
            "items": {
                "type": "object",
                "required": ["name", "bandwidth_kbps"],
                "properties": {"name": {"type": "string"}, "bandwidth_kbps": {"type": "integer"}},
            },
        },
        "free_at": {
            "type": "string",
            "format": "date-time",
            "description": "When enough will have expired; left out if that is not known.",
        },
        "requested_streams": {"type": "integer"},
        "max_streams": {"type": "integer"},
    },
}


def openapi_document(settings: Settings) -> dict[str, Any]:
    """The document for a service with these settings."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in _ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    _link(paths)
    paths.update(_operations_paths())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "HoneyLink",
            "version": __version__,
            "summary": "Secure multi-stream sessions for devices on lossy links.",
            "description": _DESCRIPTION.format(
                values_max=VALUES_MAX, faults_max=FAULTS_MAX, page_max_bytes=PAGE_MAX_BYTES
            ),
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": prefix or "/"} for prefix in reversed(PREFIXES)],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(settings),
            "headers": _HEADERS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _schemas(settings: Settings) -> dict[str, Any]:
    models: dict[type[BaseModel], str] = {}
    for endpoint in _ENDPOINTS:
        models[endpoint.answer] = "serialization"
        if endpoint.body is not None:
            models[endpoint.body] = "validation"
    models |= {HealthAnswer: "serialization", ReadinessAnswer: "serialization"}
    _, document = models_json_schema(list(models.items()), ref_template=_REF)  # type: ignore[arg-type]
    schemas: dict[str, Any] = document["$defs"]
    for model in models:
        extra = model.model_config.get("json_schema_extra")
        if isinstance(extra, dict):
            schemas[model.__name__] |= extra  # in their own order; pydantic sorts by name
    session, device = schemas["SessionBody"]["properties"], schemas["DeviceBody"]["properties"]
    session["ttl_seconds"]["default"] = settings.ttl_default_seconds
    session["ttl_seconds"]["anyOf"][0]["maximum"] = settings.ttl_max_seconds
    session["streams"]["description"] += f" More than {settings.max_streams} are a conflict."
    device["pool_kbps"]["default"] = settings.device_pool_kbps
    device["metadata"] |= {"propertyNames": _KEY, "additionalProperties": {"$ref": _REF.format(model="Metadata")}}
    return {**schemas, "Metadata": _METADATA, "Problem": _PROBLEM}


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.handler.__name__,
        "summary": endpoint.summary,
        "description": endpoint.handler.__doc__,
        "parameters": [*_path_parameters(endpoint.path), *_query_parameters(endpoint)],
        "responses": {
            str(endpoint.status): _answer(endpoint),
            **_problem_answers(endpoint.error_codes),
        },
    }
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _reference(endpoint.body)}},
        }
    return operation


def _answer(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "description": (endpoint.answer.__doc__ or "").strip(),
        "headers": _headers(*(("location", "cache-control") if endpoint.status == 201 else ())),
        "content": {"application/json": {"schema": _reference(endpoint.answer)}},
    }


def _problem_answers(codes: tuple[str, ...]) -> dict[str, Any]:
    by_status: dict[str, list[str]] = {}
    for code in codes:
        by_status.setdefault(str(PROBLEMS[code][0]), []).append(code)
    answers = {}
    for status, same_status in sorted(by_status.items()):
        own = {"401": ("www-authenticate",), "429": ("retry-after",), "503": ("retry-after",)}.get(status, ())
        answers[status] = {
            "description": " or ".join(f"{PROBLEMS[code][1]} (`{code}`)" for code in same_status),
            "headers": _headers("cache-control", *own),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": _REF.format(model="Problem")},
                    "examples": {code: {"value": _example(code)} for code in same_status},
                }
            },
        }
    return answers


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("traceparent", *names)}


def _example(code: str) -> dict[str, object]:
    message, extra = _EXAMPLES[code]
    return problem_body(code, message, examples.TRACE_ID, **extra)


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [step[1:-1] for step in path.split("/") if step.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": _path_schema(name)} for name in names]


def _path_schema(name: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": PATH_PATTERNS[name]}
    return {**schema, "format": "uuid"} if PATH_PATTERNS[name] == UUID_PATTERN else schema


def _query_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint.query is None:
        return []
    schema = endpoint.query.model_json_schema(ref_template=_REF)
    definitions = schema.get("$defs", {})
    return [_query_parameter(name, each, definitions) for name, each in schema["properties"].items()]


def _query_parameter(name: str, field: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A field of a query model. A parameter is there or not; it is never null."""
    choices = [choice for choice in field.get("anyOf", [field]) if choice != {"type": "null"}]
    reference = choices[0].get("$ref", "").rpartition("/")[2]
    schema = {**choices[0], **definitions.get(reference, {})}
    parameter = {"name": name, "in": "query", "required": False}
    description = field.get("description") or schema.get("description")
    if description:
        parameter["description"] = description
    schema = {key: value for key, value in schema.items() if key not in {"$ref", "title", "description"}}
    return {**parameter, "schema": schema}


def _link(paths: dict[str, dict[str, Any]]) -> None:
    """Say which answers name what other operations take, so that tools can walk from one to the next."""
    in_path = {"parameters": {"device_id": "$response.body#/device_id"}}
    code = {"requestBody": {"pairing_code": "$response.body#/pairing_code"}}
    session = {"requestBody": {**examples.SESSION_BODY, "device_id": "$response.body#/device_id"}}
    opened = {"parameters": {"session_id": "$response.body#/session_id"}}
    paths["/devices"]["post"]["responses"]["201"]["links"] = {
        "get": {"operationId": "get_device", **in_path},
        "pair": {
            "operationId": "pair_device",
            "description": "With the device's own token, the `device_token` of this answer.",
            **in_path,
            **code,
        },
        "revoke": {"operationId": "revoke_device", **in_path},
    }
    paths["/devices/{device_id}/pair"]["post"]["responses"]["200"]["links"] = {
        "open": {"operationId": "open_session", **session},
        "get": {"operationId": "get_device", **in_path},
        "revoke": {"operationId": "revoke_device", **in_path},
    }
    paths["/sessions"]["post"]["responses"]["201"]["links"] = {
        "get": {"operationId": "get_session", **opened},
        "end": {"operationId": "end_session", **opened},
    }


def _operations_paths() -> dict[str, Any]:
    """What needs no token, and is served at the root alone."""
    text = {"type": "string"}
    ready = _open_answer("All are.", "application/json", _reference(ReadinessAnswer))
    away = _open_answer("One is not; the checks say which.", "application/json", _reference(ReadinessAnswer))
    away["headers"] |= _headers("retry-after")
    health = _open_answer("It is.", "application/json", _reference(HealthAnswer))
    document = _open_answer("An OpenAPI 3.1 document.", "application/json", {"type": "object"})
    return {
        "/healthz": _open_path("healthz", "Is the process alive?", {"200": health}),
        "/readyz": _open_path("readyz", "Are database, schema and key provider there?", {"200": ready, "503": away}),
        "/metrics": _open_path(
            "metrics",
            "Metrics for Prometheus",
            {"200": _open_answer("Prometheus's text format.", "text/plain", text)},
        ),
        "/openapi.json": _open_path("openapi", "This document for tools", {"200": document}),
        "/docs": _open_path(
            "docs", "This document for reading", {"200": _open_answer("A page of HTML.", "text/html", text)}
        ),
    }


def _open_path(operation_id: str, summary: str, answers: dict[str, Any]) -> dict[str, Any]:
    root = {"servers": [{"url": "/"}], "security": []}
    return {"get": {"operationId": operation_id, "summary": summary, **root, "responses": answers}}


def _open_answer(description: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "headers": _headers(), "content": {media_type: {"schema": schema}}}
