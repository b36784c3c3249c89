"""Load shedding as a connection sees it: which requests ask for a session, and what a refused one is answered.

Under overload refusals outnumber what is served, and a refusal that cost what a request costs would leave nothing for
those served. So the connection asks here when a request's turn comes, and a refused one gets its answer without a task,
the application, or a line in the log. What it asks for is read off the ASGI scope, from which the application routes
it. Reading and ending sessions, health and metrics are never refused.

What is decided, counted and limited is in `honeylink.services.load_shedding`.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING

from honeylink.api.connection.exchange import STATUS_LINE
from honeylink.api.http.endpoint import PREFIXES, authorization
from honeylink.api.http.observability import Trace, count_request
from honeylink.api.http.problems import MEDIA_TYPE, PROBLEMS, problem_body
from honeylink.errors import Overloaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from honeylink.domain.tokens import BearerToken
    from honeylink.services.load_shedding.gate import AdmissionGate
    from honeylink.services.load_shedding.in_flight import InFlight

_ROUTE = "/sessions"
_PATHS = tuple(f"{prefix}{_ROUTE}" for prefix in PREFIXES)
_NO_TRACE = b"0" * 32


class LoadShedding:
    """The application behind its admission gate.

    Args:
        app: the application.
        gate: decides on requests for sessions.
        recognize: the token in an `Authorization` header, if it is known to be live.
    """

    def __init__(self, app: ASGIApp, gate: AdmissionGate, recognize: Callable[[str], BearerToken | None]) -> None:
        self._app = app
        self._gate = gate
        self._recognize = recognize
        error = Overloaded()
        self._status = PROBLEMS[error.code][0]
        self._body = json.dumps(problem_body(error.code, str(error), _NO_TRACE.decode())).encode()
        self._head = (
            STATUS_LINE[self._status]
            + (
                f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(self._body)}\r\ncache-control: no-store\r\n"
                f"retry-after: {error.retry_after_seconds}\r\ntraceparent: "
            ).encode()
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that was not refused, when it is its turn."""
        in_flight: InFlight | None = scope["state"].get("in_flight")
        if in_flight is None:
            await self._gate.turns.begin()
            await self._app(scope, receive, send)
            return

        async def send_last(message: Message) -> None:
            in_flight.release()  # whatever it is, it is answered
            await send(message)

        try:
            await self._gate.turns.begin()
            await self._app(scope, lambda: in_flight.from_client(receive()), send_last)
        finally:
            in_flight.release()

    def refuses(self, scope: Scope, answer: Callable[[bytes], None], *, keep_alive: bool) -> bool:
        """Whether a request is one too many. Then it is answered a little later; else it is in flight.

        Args:
            scope: what is asked for.
            answer: called with the whole answer.
            keep_alive: whether the connection goes on after it.
        """
        if scope["method"] != "POST" or scope["path"] not in _PATHS:
            return False
        token = self._recognize(authorization(scope))
        in_flight = self._gate.admit(asyncio.get_running_loop().time(), known=token is not None)
        if in_flight is not None:
            scope["state"]["token"], scope["state"]["in_flight"] = token, in_flight
            return False
        refusal = self._render(scope["headers"], keep_alive=keep_alive)
        self._gate.turns.refuse_later(partial(answer, refusal))
        return True

    def _render(self, headers: list[tuple[bytes, bytes]], *, keep_alive: bool) -> bytes:
        count_request("POST", _ROUTE, self._status)
        begun = Trace.begun_by(headers)
        end = b"\r\n\r\n" if keep_alive else b"\r\nconnection: close\r\n\r\n"
        return self._head + begun.traceparent + end + self._body.replace(_NO_TRACE, begun.trace_id.encode("ascii"))
