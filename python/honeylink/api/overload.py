"""Keeps a crowd from the rest: what is too much is turned away at once, and what is let in begins a few at a time.

Under overload what is refused outnumbers what is served, and a refusal that cost what a request costs would leave
nothing for those served. So a refused request is not even parsed: its first line and a look for some headers are enough
to answer it and to find its end. What is less plain than that takes the usual way, and is refused at its end.
Reading, ending, health and metrics are never refused.

Hundreds that arrive together would all be parsed in one pass of the event loop, and whoever comes meanwhile, a refusal
too, would wait for the last of them. So each pass begins a few, and the network is looked at in between.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections import deque
from typing import TYPE_CHECKING

from honeylink.api.endpoints import PREFIXES
from honeylink.api.observability import count_request
from honeylink.api.problems import MEDIA_TYPE, PROBLEMS, problem_body
from honeylink.errors import Overloaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from honeylink.services.opening import Expected

__all__ = ["Overload"]

_ROUTE = "/sessions"
_PATHS = tuple(f"{prefix}{_ROUTE}" for prefix in PREFIXES)
_STARTS = tuple(f"POST {path} HTTP/1.1\r\n".encode() for path in _PATHS)
# With one of these a request ends elsewhere, or wants more than an answer.
_NOT_PLAIN = (b"\r\ntransfer-encoding:", b"\r\nexpect:", b"\r\nconnection: close", b"\r\nupgrade:")
_LENGTH = b"\r\ncontent-length:"
_TRACE = re.compile(rb"\r\ntraceparent: 00-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})\r\n")
_NO_TRACE = b"0" * 32
# Sent together, answers cost both sides less; and who asks again at once is slowed down a little.
_ANSWER_DELAY_SECONDS = 0.005
# Some milliseconds of work, and a quarter of that while somebody waits to be refused. Fewer at all times would spread
# what comes together, so that fewer share a commit: 4 cost 8 % of the sessions that can be opened a second.
_BEGUN_IN_A_PASS_MAX = 16
_BEGUN_IN_A_PASS_MAX_REFUSING = 4


class Overload:
    """The application behind a door.

    Args:
        app: the application.
        overloaded: whether one more session to open would be too many, when so many are still to be served.
        expecting: counts one more among them, until it is in progress or answered.
        max_body_bytes: how long a body may be that is thrown away.
        status_line: the first line of an answer, by status.
    """

    def __init__(
        self,
        app: ASGIApp,
        overloaded: Callable[[int], bool],
        expecting: Callable[[], Expected],
        max_body_bytes: int,
        status_line: dict[int, bytes],
    ) -> None:
        self._app = app
        self._overloaded = overloaded
        self._expecting = expecting
        self._max_body_bytes = max_body_bytes
        self._due: list[Callable[[], None]] = []
        self._let_in = 0
        self._begun = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        error = Overloaded()
        self._status = PROBLEMS[error.code][0]
        self._body = json.dumps(problem_body(error.code, str(error), _NO_TRACE.decode())).encode()
        self._head = (
            status_line[self._status]
            + (
                f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(self._body)}\r\ncache-control: no-store\r\n"
                f"retry-after: {error.retry_after_seconds}\r\ntraceparent: "
            ).encode()
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request when it is its turn."""
        if scope["method"] != "POST" or scope["path"] not in _PATHS:
            await self._turn()
            await self._app(scope, receive, send)
            return
        with self._expecting() as expected:

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

    def refusal(self, received: bytes) -> tuple[bytes, int] | None:
        """What to answer to the bytes that a client begins a request with, and how many more of its body will come.

        None if they are to be served, or can't be refused without parsing them.
        """
        if not received.startswith(_STARTS):
            return None
        if not self._overloaded(self._let_in):
            if not self._let_in:
                # Runs before anything that this pass lets in is expected, and after all that it lets in.
                asyncio.get_running_loop().call_soon(self._forget_let_in)
            self._let_in += 1
            return None
        head, end, body = received.partition(b"\r\n\r\n")
        head = head.lower() + b"\r\n"
        if not end or any(name in head for name in _NOT_PLAIN) or head.count(_LENGTH) != 1:
            return None
        length = head.partition(_LENGTH)[2].partition(b"\r\n")[0].strip()
        if not length.isdigit() or len(length) > 9 or not len(body) <= int(length) <= self._max_body_bytes:
            return None
        count_request("POST", _ROUTE, self._status)
        trace = _TRACE.search(head)
        trace_id, flags = trace.groups() if trace else (secrets.token_hex(16).encode(), b"00")
        traceparent = b"00-%b-%b-%b\r\n\r\n" % (trace_id, secrets.token_hex(8).encode(), flags)
        return b"".join((self._head, traceparent, self._body.replace(_NO_TRACE, trace_id))), int(length) - len(body)

    def _forget_let_in(self) -> None:
        self._let_in = 0

    def answer_later(self, send: Callable[[], None]) -> None:
        """Call `send` when it is time to answer."""
        if not self._due:
            asyncio.get_running_loop().call_later(_ANSWER_DELAY_SECONDS, self._send_all)
        self._due.append(send)

    def _send_all(self) -> None:
        due, self._due = self._due, []
        for send in due:
            send()
