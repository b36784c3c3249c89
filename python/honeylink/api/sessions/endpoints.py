"""`/sessions`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from honeylink.api.http.endpoint import Answer, Endpoint, Link
from honeylink.api.http.pages import answer_page
from honeylink.api.sessions.answers import OpenedSessionAnswer, PreviewAnswer, SessionAnswer, SessionPage
from honeylink.api.sessions.requests import SessionBody, SessionQuery

if TYPE_CHECKING:
    from honeylink.api.http.endpoint import Call


async def open_session(call: Call) -> Answer:
    """Admit and open a session."""
    request = call.input.to_domain(call.settings)
    opened = await call.services.sessions.open(call.caller, request, call.wanted, call.in_flight)
    try:
        answer = OpenedSessionAnswer.render(opened)
    finally:
        opened.wipe_keys()
    location = f"{call.prefix}/sessions/{opened.session_id}"
    return Answer(answer, {"location": location, "cache-control": "no-store"})


async def preview_session(call: Call) -> Answer:
    """Say what opening a session would come to now; nothing is stored."""
    preview = await call.services.sessions.preview(call.caller, call.input.to_domain(call.settings))
    return Answer(PreviewAnswer.of(preview))


async def list_sessions(call: Call) -> Answer:
    """List sessions, newest first."""
    query = call.input
    page = await call.services.sessions.list(call.caller, query.device_id, query.status, query.cursor, query.limit)
    return await answer_page(page, SessionAnswer.of)


async def get_session(call: Call) -> Answer:
    """Read a session."""
    return Answer(SessionAnswer.of(await call.services.sessions.get(call.caller, UUID(call.path["session_id"]))))


async def end_session(call: Call) -> Answer:
    """End a session and give its bandwidth back."""
    return Answer(SessionAnswer.of(await call.services.sessions.end(call.caller, UUID(call.path["session_id"]))))


ENDPOINTS = (
    Endpoint(
        "POST",
        "/sessions",
        "Open a session",
        open_session,
        OpenedSessionAnswer,
        status=201,
        body=SessionBody,
        errors=("ERR_NOT_FOUND", "ERR_STATE", "ERR_CONFLICT"),
        links=(
            Link("get", "get_session", path=("session_id",)),
            Link("end", "end_session", path=("session_id",)),
        ),
    ),
    Endpoint(
        "POST",
        "/sessions/preview",
        "Try a session",
        preview_session,
        PreviewAnswer,
        body=SessionBody,
        errors=("ERR_NOT_FOUND", "ERR_STATE", "ERR_CONFLICT"),
    ),
    Endpoint("GET", "/sessions", "List sessions", list_sessions, SessionPage, query=SessionQuery),
    Endpoint(
        "GET",
        "/sessions/{session_id}",
        "Read a session",
        get_session,
        SessionAnswer,
        errors=("ERR_NOT_FOUND",),
    ),
    Endpoint(
        "DELETE",
        "/sessions/{session_id}",
        "End a session",
        end_session,
        SessionAnswer,
        errors=("ERR_NOT_FOUND",),
    ),
)
