"""One request and its answer, as ASGI has them, and the answer to what is no request.

All that is used of uvicorn beside its documented server is imported here, and `ServerState` in `protocol`.
`tests/api/connection/test_protocol.py` says when it has changed. Its own exchange writes an answer in two pieces, and
can send chunks, of which no endpoint makes use.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import urllib.parse
from typing import TYPE_CHECKING, Any

import httptools
import structlog
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.protocols.utils import get_local_addr, get_remote_addr

from honeylink.api.http.problems import MEDIA_TYPE, problem_body

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp, Message, Scope

    from honeylink.errors import ServiceError

__all__ = [
    "HIGH_WATER_LIMIT",
    "STATUS_LINE",
    "Exchange",
    "Flow",
    "addresses_of",
    "asgi_scope",
    "last_answer",
]

_CLOSE = b"connection: close\r\n"
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_log = structlog.get_logger(__name__)


class Flow(FlowControl):
    """Lets the connection say when to read on: the exchange knows only of its own body."""

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


class Exchange:
    """A request, whose body may turn out to be none, and its answer, which is whole and has its length in its header.

    Args:
        scope: the request as the application sees it.
        transport: where the answer is written.
        flow: says whether there is room for it.
        default_headers: what every answer has, as uvicorn's server keeps it: the date.
        expects_continue: whether the client waits for a word before it sends the body.
        keep_alive: whether the connection goes on after the answer.
        answered: called when the whole answer has been written.
    """

    __slots__ = (
        "_answered",
        "_default_headers",
        "_flow",
        "_head",
        "_received",
        "_tell",
        "_transport",
        "body",
        "disconnected",
        "expects_continue",
        "keep_alive",
        "more_body",
        "response_complete",
        "response_started",
        "scope",
    )

    def __init__(
        self,
        scope: Scope,
        transport: asyncio.Transport,
        flow: Flow,
        default_headers: Sequence[tuple[bytes, bytes]],
        *,
        expects_continue: bool,
        keep_alive: bool,
        answered: Callable[[], None],
    ) -> None:
        self.scope = scope
        scope["state"] = {}
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
        self.body = bytearray()
        """What has been received of the body, and not been taken by the application."""
        self.more_body = True
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self._transport = transport
        self._flow = flow
        self._default_headers = default_headers
        self._answered = answered
        self._head = b""
        self._received = asyncio.Event()
        self._tell: Callable[[], None] | None = None

    @property
    def is_full(self) -> bool:
        """Whether the application is to take some of the body before more of it is read."""
        return len(self.body) > HIGH_WATER_LIMIT

    # The connection's side.

    def feed(self, body: bytes) -> None:
        """A part of the body has come."""
        self.body += body
        self._received.set()

    def end_body(self) -> None:
        """All of the body has come."""
        self.more_body = False
        self._received.set()

    def disconnect(self) -> None:
        """The client is no more."""
        self.disconnected = True
        self._received.set()

    def break_off(self, tell: Callable[[], None]) -> None:
        """The rest of the body won't come. The answer is the last of its connection, if there is one.

        Only who asks for the body is told: what the application does without one goes on, and has its own answer.

        Args:
            tell: called when the application asks for it.
        """
        self.keep_alive = False
        self.expects_continue = False
        self._tell = tell
        self._received.set()

    def refuse(self, answer: bytes) -> None:
        """Answer without the application."""
        self.response_started = True
        self._write(answer)

    async def run(self, app: ASGIApp) -> None:
        """Let the application answer."""
        state = self.scope["state"]
        state["is_connected"], state["has_whole_body"] = self._is_connected, self._has_whole_body
        try:
            await app(self.scope, self.receive, self.send)
        except Exception:  # noqa: BLE001 - the connection has other requests to serve
            _log.exception("request.failed", path=self.scope["path"])
        finally:
            state.clear()  # which refers back to this, and with it to the connection
            if not self.response_complete and not self.disconnected:
                self._transport.close()

    # The application's side.

    async def receive(self) -> Message:
        """A part of the body; called by the application."""
        if self.expects_continue and not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.expects_continue = False
        if not (self.disconnected or self.response_complete):
            if self.more_body:
                self._flow.resume_reading()
            await self._received.wait()
            self._received.clear()
        if self._tell is not None and not (self.disconnected or self.response_started):
            self.disconnected = True
            self._tell()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Message) -> None:
        """The answer's header, which is kept until its body comes, or its body; called by the application."""
        if self._flow.write_paused and not self.disconnected:
            await self._flow.drain()
        if self.disconnected:
            return
        if message["type"] == "http.response.start":
            self._head = self._render_head(message["status"], message["headers"])
            self.response_started = True
            self.expects_continue = False
        else:
            assert not message.get("more_body")  # noqa: S101 - no endpoint sends its answer in pieces
            self._write(self._head if self.scope["method"] == "HEAD" else self._head + message["body"])

    def _is_connected(self) -> bool:
        return not self._transport.is_closing()

    def _has_whole_body(self) -> bool:
        return not (self.more_body or self.expects_continue)

    def _render_head(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        if (b"connection", b"close") in headers:
            self.keep_alive = False
            end = b"\r\n"
        else:
            end = b"\r\n" if self.keep_alive else _CLOSE + b"\r\n"
        headers = [*self._default_headers, *headers]
        fields = b"".join([b"%b: %b\r\n" % header for header in headers])
        if len(_CONTROL.findall(fields)) != 2 * len(headers):
            raise RuntimeError("expected header fields of one line each, found a control character in one")
        return STATUS_LINE[status] + fields + end

    def _write(self, answer: bytes) -> None:
        self._transport.write(answer)
        self.response_complete = True
        self._received.set()
        if not self.keep_alive:
            self._transport.close()
        self._answered()


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
