"""Keeps a crowd from the rest: what is too much is turned away at once, and what is let in begins a few at a time.

Under overload what is refused outnumbers what is served, and a refusal that cost what a request costs would leave
nothing for those served. So the connection asks here when it is a request's turn, and a refused one gets its answer
without a task, the application, or a line in the log. What it asks for is read off the ASGI scope, from which the
application routes it. Reading, ending, health and metrics are never refused.

A request counts from the moment when it is admitted if its token is known to be live. Any other counts once it has been
authenticated, which is when its body is asked for: or who has no token could keep out those who have. Until then it is
one in a line of its own, which has only the room that the others leave.

Hundreds that arrive together would all be begun in one pass of the event loop, and whoever comes meanwhile, a refusal
too, would wait for the last of them. So each pass begins a few, and the network is looked at in between.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import deque
from typing import TYPE_CHECKING

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from honeylink.api.http.endpoint import PREFIXES
from honeylink.api.http.observability import count_request
from honeylink.api.http.problems import MEDIA_TYPE, PROBLEMS, problem_body
from honeylink.errors import Overloaded
from honeylink.services.opening import Expected

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send


__all__ = ["Overload"]

_log = structlog.get_logger(__name__)
_ROUTE = "/sessions"
_PATHS = tuple(f"{prefix}{_ROUTE}" for prefix in PREFIXES)
# What counts a request, in its scope until the gate has taken it over: as one to come, and as one still unknown.
_EXPECTED, _UNKNOWN = "honeylink.expected", "honeylink.unknown"
_TRACE = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")
_NO_TRACE = b"0" * 32
_random = random.Random()  # noqa: S311 - ids have to differ, no more
# Sent together, answers cost both sides less; and who asks again at once is slowed down a little.
_ANSWER_DELAY_SECONDS = 0.005
# Some milliseconds of work, and a quarter of that while somebody waits to be refused. Fewer at all times would spread
# what comes together, so that fewer share a commit: 4 cost 8 % of the sessions that can be opened a second.
_BEGUN_IN_A_PASS_MAX = 16
_BEGUN_IN_A_PASS_MAX_REFUSING = 4


class Overload:
    """The application behind its admission gate.

    Args:
        app: the application.
        overloaded: whether one more session to open is too many; then it counts as refused, which may lower the limit.
        has_room_beside: whether one more would find room beside so many others; counts nothing.
        expecting: makes what counts one more among them, until it is in progress or answered.
        recognizes: whether an `Authorization` header holds a token that is known to be live.
    """

    def __init__(
        self,
        app: ASGIApp,
        overloaded: Callable[[], bool],
        has_room_beside: Callable[[int], bool],
        expecting: Callable[[], Expected],
        recognizes: Callable[[str | None], bool],
    ) -> None:
        self._app = app
        self._overloaded = overloaded
        self._has_room_beside = has_room_beside
        self._expecting = expecting
        self._recognizes = recognizes
        self._unknown = 0
        self._due: list[Callable[[], None]] = []
        self._begun = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
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
        unknown: Expected | None = scope.pop(_UNKNOWN, None)
        if unknown is None:
            await self._serve(scope, receive, send)
            return
        with unknown:

            async def receive_body() -> Message:
                unknown.arrive()  # or its body would not be asked for
                return await receive()

            await self._serve(scope, receive_body, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        expected: Expected | None = scope.pop(_EXPECTED, None)
        if expected is None:
            await self._turn()
            await self._app(scope, receive, send)
            return
        with expected:

            async def send_last(message: Message) -> None:
                expected.arrive()  # whatever it is, it is answered
                await send(message)

            await self._turn()
            await self._app(scope, lambda: expected.apart(receive()), send_last)

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        if self._waiting or self._begun >= self._begun_max():
            turn = loop.create_future()
            self._waiting.append(turn)
            await turn
        else:
            if not self._begun:
                loop.call_soon(self._next_pass)
            self._begun += 1

    def _begun_max(self) -> int:
        return _BEGUN_IN_A_PASS_MAX_REFUSING if self._due else _BEGUN_IN_A_PASS_MAX

    def _next_pass(self) -> None:
        self._begun = min(self._begun_max(), len(self._waiting))
        for _ in range(self._begun):
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
        if self._begun:
            asyncio.get_running_loop().call_soon(self._next_pass)

    def refusal(self, scope: Scope, *, keep_alive: bool) -> bytes | None:
        """The answer to a request that is one too many; None if it is to be served, which the next call allows for.

        Args:
            scope: what is asked for.
            keep_alive: whether the connection goes on after the answer.
        """
        if scope["method"] != "POST" or scope["path"] not in _PATHS:
            return None
        known = self._recognizes(_authorization(scope["headers"]))
        # Anybody can send what is unknown, so a refusal of that says nothing of what there is to do.
        if self._overloaded() if known else not self._has_room_beside(self._unknown):
            return self._render(scope["headers"], keep_alive=keep_alive)
        scope[_EXPECTED] = expected = self._expecting()
        if known:
            expected.begin()
        else:
            scope[_UNKNOWN] = unknown = Expected(self._count_unknown)
            unknown.begin()
        return None

    def _count_unknown(self, more: int) -> None:
        self._unknown += more

    def _render(self, headers: list[tuple[bytes, bytes]], *, keep_alive: bool) -> bytes:
        count_request("POST", _ROUTE, self._status)
        trace = _TRACE.fullmatch(dict(headers).get(b"traceparent", b""))
        trace_id, flags = trace.groups() if trace else (b"%032x" % (_random.getrandbits(128) or 1), b"00")
        end = b"-%016x-%b\r\n\r\n" if keep_alive else b"-%016x-%b\r\nconnection: close\r\n\r\n"
        body = self._body.replace(_NO_TRACE, trace_id)
        return b"".join((self._head, b"00-", trace_id, end % (_random.getrandbits(64) or 1, flags), body))

    def answer_later(self, send: Callable[[], None]) -> None:
        """Call `send` when it is time to answer."""
        if not self._due:
            asyncio.get_running_loop().call_later(_ANSWER_DELAY_SECONDS, self._send_all)
        self._due.append(send)

    def _send_all(self) -> None:
        due, self._due = self._due, []
        for send in due:
            try:
                send()
            except Exception:  # noqa: BLE001 - whatever it is, the others have nothing to do with it
                _log.exception("refusal.failed")


def _authorization(headers: list[tuple[bytes, bytes]]) -> str | None:
    """The one that the application reads."""
    return next((value.decode("latin-1") for name, value in headers if name == b"authorization"), None)
