"""One request and its answer, as uvicorn has them, and the answer to what is no request.

All that is used of uvicorn beside its documented server is imported here, and `ServerState` in `protocol`.
`tests/api/connection/test_protocol.py` says when it has changed.
"""

from __future__ import annotations

import json
import logging
import secrets
import urllib.parse
from typing import TYPE_CHECKING, Any

import httptools
import structlog
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.protocols.utils import get_local_addr, get_remote_addr

from honeylink.api.http.problems import MEDIA_TYPE, problem_body

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from uvicorn._types import ASGIReceiveEvent

    from honeylink.errors import ServiceError

__all__ = [
    "HIGH_WATER_LIMIT",
    "LOGGING",
    "STATUS_LINE",
    "Exchange",
    "Flow",
    "addresses_of",
    "asgi_scope",
    "last_answer",
]

_log = structlog.get_logger(__name__)
_uvicorn_log = logging.getLogger("uvicorn.error")
LOGGING: dict[str, Any] = {"logger": _uvicorn_log, "access_logger": _uvicorn_log, "access_log": False}
"""An exchange's arguments that are the same for all: requests are logged by the application."""


class Flow(FlowControl):
    """Lets the connection say when to read on: the ASGI exchange knows only of its own body."""

    def __init__(self, transport: asyncio.Transport, read_on: Callable[[], None]) -> None:
        super().__init__(transport)
        self._read_on = read_on

    def resume_reading(self) -> None:
        """The application asks for more; called by the exchange."""
        self._read_on()

    def resume(self) -> None:
        """Read on, as the connection has decided."""
        if self.read_paused:
            super().resume_reading()


class Exchange(RequestResponseCycle):
    """An exchange whose body may turn out to be none.

    Only who asks for the body is told: what the application does without one goes on, and has its own answer.
    """

    tell: Callable[[], None] | None = None
    """Set when the body can't be had: to be called when the application asks for it."""

    @property
    def is_full(self) -> bool:
        """Whether the application is to take some of the body before more of it is read."""
        return len(self.body) > HIGH_WATER_LIMIT

    def break_off(self, tell: Callable[[], None]) -> None:
        """The rest of the body won't come. The answer is the last of its connection, if there is one."""
        self.keep_alive = False
        self.waiting_for_100_continue = False
        self.tell = tell
        self.message_event.set()

    async def receive(self) -> ASGIReceiveEvent:
        """A part of the body; called by the application."""
        message = await super().receive()
        if self.tell is None or self.disconnected or self.response_started:
            return message
        self.disconnected = True
        self.tell()
        return {"type": "http.disconnect"}


def addresses_of(transport: asyncio.Transport) -> tuple[object, object]:
    """Of a connection's ends: the server's and the client's."""
    return get_local_addr(transport), get_remote_addr(transport)


def asgi_scope(
    parser: httptools.HttpRequestParser, url: bytes, headers: list[tuple[bytes, bytes]], server: object, client: object
) -> dict[str, Any]:
    """A request as the application sees it, once the parser has its header."""
    target = httptools.parse_url(url)
    path = target.path.decode("ascii")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": parser.get_http_version(),
        "server": server,
        "client": client,
        "scheme": "http",
        "method": parser.get_method().decode("ascii"),
        "root_path": "",
        "path": urllib.parse.unquote(path) if "%" in path else path,
        "raw_path": target.path,
        "query_string": target.query or b"",
        "headers": headers,
    }


def last_answer(fault: ServiceError) -> bytes:
    """A problem as it is sent outside of the application, to end a connection."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    body = problem_body(fault.code, str(fault), trace_id)
    content = json.dumps(body).encode()
    status = int(str(body["status"]))
    _log.info("request.unread", status=status, reason=str(fault), trace_id=trace_id)
    head = (
        f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(content)}\r\nconnection: close\r\n"
        f"cache-control: no-store\r\ntraceparent: 00-{trace_id}-{span_id}-00\r\n\r\n"
    )
    return STATUS_LINE[status] + head.encode("ascii") + content
