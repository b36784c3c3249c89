"""A client with bad manners, and what it has to be told."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import httpx

if TYPE_CHECKING:
    from tests.conftest import Service


PATIENCE_SECONDS = 20
MAX_BODY_BYTES = 65_536


class Peer:
    """A client that sends whatever bytes it likes."""

    def __init__(self, service: Service, *, receive_buffer_bytes: int | None = None) -> None:
        address = urlsplit(service.url)
        assert address.hostname is not None
        assert address.port is not None
        self._socket = socket.socket()
        if receive_buffer_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._socket.settimeout(PATIENCE_SECONDS)
        self._socket.connect((address.hostname, address.port))
        self._input = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Close the connection, whatever is still under way."""
        self._input.close()
        self._socket.close()

    def send(self, *parts: bytes | str) -> bool:
        """Send; False if the other side is not there any more."""
        try:
            for part in parts:
                self._socket.sendall(part.encode() if isinstance(part, str) else part)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def send_some(self, text: str) -> None:
        """Send as much as the other side takes for now."""
        self._socket.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            self._socket.sendall(text.encode())
        self.wait_longer()

    def wait_longer(self) -> None:
        """Wait as long as at first for what comes next, after a shorter patience."""
        self._socket.settimeout(PATIENCE_SECONDS)

    def answer(self, *, body: bool = True) -> httpx.Response:
        """The next answer on the connection."""
        status_line = self._input.readline()
        assert status_line.startswith(b"HTTP/1.1 "), status_line
        headers = httpx.Headers()
        while line := self._input.readline().strip():
            name, _, value = line.decode("latin-1").partition(": ")
            headers[name] = value
        content = self._input.read(int(headers["content-length"])) if body else b""
        return httpx.Response(int(status_line.split()[1]), headers=headers, content=content)

    def next_byte(self, patience_seconds: float) -> bytes | None:
        """The next byte; none at the connection's end; None if nothing comes within the patience."""
        self._socket.settimeout(patience_seconds)
        try:
            return self._socket.recv(1)
        except ConnectionResetError:
            return b""
        except TimeoutError:
            return None

    def rest(self) -> bytes:
        """All that still comes before the connection ends."""
        try:
            return self._input.read()
        except ConnectionResetError:
            return b""


def check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """A problem as RFC 9457 and the design have it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["error_code"]) == (status, code)
    assert body["message"]
    assert body["detail"] == body["message"]
    version, trace_id, span_id, _ = answer.headers["traceparent"].split("-")
    assert (version, trace_id, len(span_id)) == ("00", body["trace_id"], 16)
    assert len(trace_id) == 32
    assert int(trace_id, 16)
    return body


def post(service: Service, content: bytes | str) -> httpx.Response:
    """`POST /sessions` with just these bytes, as an operator."""
    content = content.encode() if isinstance(content, str) else content
    with Peer(service) as peer:
        peer.send(head(service, "Content-Type: application/json", f"Content-Length: {len(content)}"), content)
        return peer.answer()


def faults_of(answer: httpx.Response) -> dict[str, str]:
    """The faults of a refused body by their pointers."""
    body = check_problem(answer, 400, "ERR_VALIDATION")
    return {fault["pointer"]: fault["message"] for fault in body["errors"]}


def head(service: Service, *lines: str, method: str = "POST", path: str = "/sessions") -> str:
    """A request's header with an operator's token."""
    all_lines = (f"{method} {path} HTTP/1.1", "Host: test", f"Authorization: Bearer {service.operator}", *lines)
    return "\r\n".join(all_lines) + "\r\n\r\n"


def check_alive(service: Service) -> None:
    """The service still does its work."""
    with Peer(service) as peer:
        peer.send(head(service, method="GET"))
        assert peer.answer().status_code == 200
