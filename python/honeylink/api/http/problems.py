"""Errors as RFC 9457 problem details. This table is the only place that knows statuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field
from starlette.responses import Response

from honeylink import errors
from honeylink.api.http.models import AnswerModel, is_none
from honeylink.api.http.values import Time
from honeylink.telemetry import current_trace_id

if TYPE_CHECKING:
    from collections.abc import Mapping

MEDIA_TYPE = "application/problem+json"

# status and title by error code
PROBLEMS: dict[str, tuple[int, str]] = {
    "ERR_VALIDATION": (400, "Invalid request"),
    "ERR_AUTH": (401, "Authentication required"),
    "ERR_AUTHZ": (403, "Not allowed"),
    "ERR_NOT_FOUND": (404, "Not found"),
    "ERR_METHOD": (405, "Method not allowed"),
    "ERR_TIMEOUT": (408, "Request too slow"),
    "ERR_STATE": (409, "Wrong state"),
    "ERR_CONFLICT": (409, "Conflict"),
    "ERR_TOO_LARGE": (413, "Request too large"),
    "ERR_RATE_LIMITED": (429, "Too many requests"),
    "ERR_INTERNAL": (500, "Internal error"),
    "ERR_DEPENDENCY": (503, "Service unavailable"),
}


class OfferAnswer(AnswerModel):
    """What a stream could have."""

    name: str
    bandwidth_kbps: int


class RefusalAnswer(AnswerModel):
    """Why there is no room, and for what there would be."""

    message: str
    requested_kbps: int
    available_kbps: int
    limiting_pool: str
    admissible_kbps: int
    counter_offer: list[OfferAnswer] | None = Field(None, exclude_if=is_none)
    free_at: Time | None = Field(None, exclude_if=is_none)

    @classmethod
    def of(cls, refusal: errors.BandwidthExceeded) -> Self:
        """As an answer shows it: what is not there is not known."""
        offer = refusal.counter_offer
        return cls(
            message=str(refusal),
            requested_kbps=refusal.requested_kbps,
            available_kbps=refusal.available_kbps,
            limiting_pool=refusal.limiting_pool,
            admissible_kbps=refusal.admissible_kbps,
            counter_offer=offer and [OfferAnswer(name=name, bandwidth_kbps=kbps) for name, kbps in offer.items()],
            free_at=refusal.free_at,
        )


def problem_body(code: str, message: str, trace_id: str, **extra: object) -> dict[str, object]:
    """The members of a problem: those of RFC 9457 and ours."""
    status, title = PROBLEMS[code]
    return {
        "type": f"urn:honeylink:problem:{code}",
        "title": title,
        "status": status,
        "detail": message,
        "error_code": code,
        "message": message,
        "trace_id": trace_id,
        **extra,
    }


def problem_response(error: errors.ServiceError) -> Response:
    """The answer to `error`, with the headers that its status asks for."""
    body = problem_body(error.code, str(error), current_trace_id(), **_members(error))
    return render_problem(body, _headers(error))


def render_problem(body: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    """A problem's members as an answer."""
    return Response(
        json.dumps(body, ensure_ascii=False),
        body["status"],
        {"cache-control": "no-store", **headers},
        MEDIA_TYPE,
    )


def _members(error: errors.ServiceError) -> dict[str, object]:
    match error:
        case errors.ValidationFailed():
            return {"errors": [{"pointer": pointer, "message": message} for pointer, message in error.faults]}
        case errors.BandwidthExceeded():
            return RefusalAnswer.of(error).model_dump(mode="json", exclude={"message"})
        case errors.GuaranteeExceeded():
            return {
                "requested_kbps": error.requested_kbps,
                "available_kbps": error.available_kbps,
                "limiting_pool": error.limiting_pool,
            }
        case errors.TooManyStreams():
            return {"requested_streams": error.requested_streams, "max_streams": error.max_streams}
        case _:
            return {}


def _headers(error: errors.ServiceError) -> dict[str, str]:
    match error:
        case errors.Unauthenticated():
            return {"www-authenticate": 'Bearer realm="honeylink"'}
        case errors.RateLimited() | errors.DependencyUnavailable():
            return {"retry-after": str(error.retry_after_seconds)}
        case errors.TooSlow():
            return {"connection": "close"}
        case _:
            return {}
