"""Turns requests for new sessions away while there are too many, before anything is spent on them.

Under overload what is refused outnumbers what is served, and a refusal that cost what a request costs would leave
nothing for those served. So a refused request is not even parsed: its first line and a look for some headers are enough
to answer it and to find its end. What is less plain than that takes the usual way, and is refused at its end.
Reading, ending, health and metrics are never refused.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from typing import TYPE_CHECKING

from honeylink.api.endpoints import PREFIXES
from honeylink.api.observability import count_request
from honeylink.api.problems import MEDIA_TYPE, PROBLEMS, problem_body
from honeylink.errors import Overloaded

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Overload"]

_ROUTE = "/sessions"
_STARTS = tuple(f"POST {prefix}{_ROUTE} HTTP/1.1\r\n".encode() for prefix in PREFIXES)
# With one of these a request ends elsewhere, or wants more than an answer.
_NOT_PLAIN = (b"\r\ntransfer-encoding:", b"\r\nexpect:", b"\r\nconnection: close", b"\r\nupgrade:")
_LENGTH = b"\r\ncontent-length:"
_TRACE = re.compile(rb"\r\ntraceparent: 00-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})\r\n")
_NO_TRACE = b"0" * 32
# Sent together, answers cost both sides less; and who asks again at once is slowed down a little.
_ANSWER_DELAY_SECONDS = 0.005


class Overload:
    """Knows what is answered at the door.

    Args:
        overloaded: whether one more session to open would be too many.
        max_body_bytes: how long a body may be that is thrown away.
        status_line: the first line of an answer, by status.
    """

    def __init__(self, overloaded: Callable[[], bool], max_body_bytes: int, status_line: dict[int, bytes]) -> None:
        self._overloaded = overloaded
        self._max_body_bytes = max_body_bytes
        self._due: list[Callable[[], None]] = []
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

    def refusal(self, received: bytes) -> tuple[bytes, int] | None:
        """What to answer to the bytes that a client begins a request with, and how many more of its body will come.

        None if they are to be served, or can't be refused without parsing them.
        """
        if not received.startswith(_STARTS) or not self._overloaded():
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

    def answer_later(self, send: Callable[[], None]) -> None:
        """Call `send` when it is time to answer."""
        if not self._due:
            asyncio.get_running_loop().call_later(_ANSWER_DELAY_SECONDS, self._send_all)
        self._due.append(send)

    def _send_all(self) -> None:
        due, self._due = self._due, []
        for send in due:
            send()
