"""The OpenAPI 3.1 document, made of the endpoints' declarations and the models that validate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from honeylink import __version__
from honeylink.api import audit, devices, examples, sessions
from honeylink.api.answers import HealthAnswer, ReadinessAnswer
from honeylink.api.endpoints import PREFIXES
from honeylink.api.problems import MEDIA_TYPE, PROBLEMS, problem_body

if TYPE_CHECKING:
    from pydantic import BaseModel

    from honeylink.api.endpoints import Endpoint
    from honeylink.settings import Settings

__all__ = ["openapi_document"]

_REF = "#/components/schemas/{model}"
_ENDPOINTS = (*devices.ENDPOINTS, *sessions.ENDPOINTS, *audit.ENDPOINTS)

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
        },
    ),
    "ERR_TOO_LARGE": ("expected a body of at most 65536 bytes, found a longer one", {}),
    "ERR_RATE_LIMITED": ("over the rate; retry in 1 s", {}),
    "ERR_INTERNAL": ("an internal error; please report the trace id", {}),
    "ERR_DEPENDENCY": ("the database is not available now; retry in 1 s", {}),
}

_TRACEPARENT = {"description": "W3C Trace Context of this answer.", "schema": {"type": "string"}}
_RETRY_AFTER = {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer"}}
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
        "admissible_kbps": {"type": "integer"},
        "requested_streams": {"type": "integer"},
        "max_streams": {"type": "integer"},
    },
}


def openapi_document(settings: Settings) -> dict[str, Any]:
    """The document for a service with these settings."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in _ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    _link_sessions(paths)
    paths.update(_operations_paths())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "HoneyLink",
            "version": __version__,
            "summary": "Secure multi-stream sessions for devices on lossy links.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": prefix or "/"} for prefix in reversed(PREFIXES)],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(settings),
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
    ttl = schemas["SessionBody"]["properties"]["ttl_seconds"]
    for choice in ttl["anyOf"]:
        if choice.get("type") == "integer":
            choice["maximum"] = settings.ttl_max_seconds
    return {**schemas, "Problem": _PROBLEM}


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
    headers: dict[str, Any] = {"traceparent": _TRACEPARENT}
    if endpoint.status == 201:
        headers["location"] = {"required": True, "schema": {"type": "string"}}
        headers["cache-control"] = {"required": True, "schema": {"const": "no-store"}}
    return {
        "description": (endpoint.answer.__doc__ or "").strip(),
        "headers": headers,
        "content": {"application/json": {"schema": _reference(endpoint.answer)}},
    }


def _problem_answers(codes: tuple[str, ...]) -> dict[str, Any]:
    by_status: dict[str, list[str]] = {}
    for code in codes:
        by_status.setdefault(str(PROBLEMS[code][0]), []).append(code)
    answers = {}
    for status, same_status in sorted(by_status.items()):
        headers: dict[str, Any] = {"traceparent": _TRACEPARENT}
        if status in {"429", "503"}:
            headers["retry-after"] = _RETRY_AFTER
        if status == "401":
            headers["www-authenticate"] = {"required": True, "schema": {"type": "string"}}
        answers[status] = {
            "description": " or ".join(f"{PROBLEMS[code][1]} (`{code}`)" for code in same_status),
            "headers": headers,
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": _REF.format(model="Problem")},
                    "examples": {code: {"value": _example(code)} for code in same_status},
                }
            },
        }
    return answers


def _example(code: str) -> dict[str, object]:
    message, extra = _EXAMPLES[code]
    return problem_body(code, message, examples.TRACE_ID, **extra)


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [step[1:-1] for step in path.split("/") if step.startswith("{")]
    schemas: dict[str, dict[str, Any]] = {
        "session_id": {"type": "string", "format": "uuid"},
        "device_id": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{3,63}$"},
    }
    return [{"name": name, "in": "path", "required": True, "schema": schemas[name]} for name in names]


def _query_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint.query is None:
        return []
    schema = endpoint.query.model_json_schema(ref_template=_REF)
    definitions = schema.get("$defs", {})
    return [
        {"name": name, "in": "query", "required": False, "schema": _inlined(_without_null(each), definitions)}
        for name, each in schema["properties"].items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is there or not; it is never null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name not in {"anyOf", "default", "title"}}
    return (
        {**rest, **choices[0]}
        if choices
        else {**rest, **({"default": schema["default"]} if "default" in schema else {})}
    )


def _inlined(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    return {
        **{k: v for k, v in schema.items() if k != "$ref"},
        **definitions[schema["$ref"].rpartition("/")[2]],
    }


def _link_sessions(paths: dict[str, dict[str, Any]]) -> None:
    """Say which answers name what other operations take, so that tools can walk from one to the next."""
    opened = {"parameters": {"session_id": "$response.body#/session_id"}}
    paths["/sessions"]["post"]["responses"]["201"]["links"] = {
        "get": {"operationId": "get_session", **opened},
        "end": {"operationId": "end_session", **opened},
    }
    registered = {"parameters": {"device_id": "$response.body#/device_id"}}
    paths["/devices"]["post"]["responses"]["201"]["links"] = {
        "get": {"operationId": "get_device", **registered},
        "pair": {"operationId": "pair_device", **registered},
        "revoke": {"operationId": "revoke_device", **registered},
    }


def _operations_paths() -> dict[str, Any]:
    def text(summary: str, media_type: str) -> dict[str, Any]:
        content = {media_type: {"schema": {"type": "string"}}}
        return {
            "get": {
                "summary": summary,
                "security": [],
                "responses": {"200": {"description": summary, "content": content}},
            }
        }

    def json_answer(model: type[BaseModel], description: str) -> dict[str, Any]:
        return {"description": description, "content": {"application/json": {"schema": _reference(model)}}}

    return {
        "/healthz": {
            "get": {
                "operationId": "healthz",
                "summary": "Is the process alive?",
                "security": [],
                "responses": {"200": json_answer(HealthAnswer, "It is.")},
            }
        },
        "/readyz": {
            "get": {
                "operationId": "readyz",
                "summary": "Are database, schema and key provider there?",
                "security": [],
                "responses": {
                    "200": json_answer(ReadinessAnswer, "All are."),
                    "503": {
                        **json_answer(ReadinessAnswer, "One is not; the checks say which."),
                        "headers": {"retry-after": _RETRY_AFTER},
                    },
                },
            }
        },
        "/metrics": text("Metrics for Prometheus", "text/plain"),
        "/docs": text("This document for reading", "text/html"),
    }
