"""What the OpenAPI document refers to by name, beside the schemas of the models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from honeylink.api.http.body import FAULTS_MAX
from honeylink.api.http.problems import PROBLEMS

if TYPE_CHECKING:
    from pydantic import BaseModel

SCHEMA_REFERENCE = "#/components/schemas/{model}"

HEADERS: dict[str, dict[str, Any]] = {
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
PROBLEM = {
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


def header_references(*names: str) -> dict[str, Any]:
    """The headers of an answer, with those of all."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("traceparent", *names)}


def model_reference(model: type[BaseModel]) -> dict[str, str]:
    """The schema of a model."""
    return {"$ref": SCHEMA_REFERENCE.format(model=model.__name__)}
