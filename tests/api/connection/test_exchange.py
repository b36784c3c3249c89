"""An exchange by itself: what no endpoint does, and the connection must be safe from all the same."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from honeylink.api.connection.exchange import Exchange, Flow

if TYPE_CHECKING:
    from starlette.types import Message


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def answered(*headers: tuple[bytes, bytes], keep_alive: bool = True, method: str = "GET") -> tuple[Transport, int]:
    """What is written of an answer with these headers, and how often it was told that it is whole."""
    transport, told = Transport(), []

    async def run() -> None:
        exchange = Exchange(
            {"type": "http", "method": method, "path": "/"},
            transport,
            Flow(transport, lambda: None),
            [(b"date", b"today")],
            expects_continue=False,
            keep_alive=keep_alive,
            answered=lambda: told.append(1),
        )
        start: Message = {"type": "http.response.start", "status": 200, "headers": list(headers)}
        await exchange.send(start)
        await exchange.send({"type": "http.response.body", "body": b"hello"})

    asyncio.run(run())
    return transport, len(told)


def test_an_answer_is_one_write() -> None:
    transport, told = answered((b"content-length", b"5"))
    assert transport.written == b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 5\r\n\r\nhello"
    assert (transport.closed, told) == (False, 1)


def test_the_last_answer_of_a_connection_says_so() -> None:
    for transport, told in (answered(keep_alive=False), answered((b"connection", b"close"))):
        assert transport.written.count(b"connection: close\r\n") == 1
        assert (transport.closed, told) == (True, 1)


def test_head_has_no_body() -> None:
    transport, _ = answered((b"content-length", b"5"), method="HEAD")
    assert transport.written.endswith(b"content-length: 5\r\n\r\n")


@pytest.mark.parametrize("character", [b"\r\n", b"\n", b"\r", b"\0", b"\x1f", b"\x7f"])
def test_no_header_field_is_more_than_one_line(character: bytes) -> None:
    with pytest.raises(RuntimeError, match="found a control character"):
        answered((b"location", b"/here" + character + b"x: y"))
    with pytest.raises(RuntimeError, match="found a control character"):
        answered((b"x" + character, b"y"))
