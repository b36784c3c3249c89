"""The answers to requests that fail, as the OpenAPI document shows them."""

from __future__ import annotations

from typing import Any

from honeylink.api.http.examples import TRACE_ID
from honeylink.api.http.problems import MEDIA_TYPE, PROBLEMS, problem_body
from honeylink.api.openapi.components import SCHEMA_REFERENCE, header_references

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


def problem_answers(codes: tuple[str, ...]) -> dict[str, Any]:
    """The answers with these error codes, by status."""
    by_status: dict[str, list[str]] = {}
    for code in codes:
        by_status.setdefault(str(PROBLEMS[code][0]), []).append(code)
    answers = {}
    for status, same_status in sorted(by_status.items()):
        own = {"401": ("www-authenticate",), "429": ("retry-after",), "503": ("retry-after",)}.get(status, ())
        answers[status] = {
            "description": " or ".join(f"{PROBLEMS[code][1]} (`{code}`)" for code in same_status),
            "headers": header_references("cache-control", *own),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": SCHEMA_REFERENCE.format(model="Problem")},
                    "examples": {code: {"value": _example(code)} for code in same_status},
                }
            },
        }
    return answers


def _example(code: str) -> dict[str, object]:
    message, extra = _EXAMPLES[code]
    return problem_body(code, message, TRACE_ID, **extra)
