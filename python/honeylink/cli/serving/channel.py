"""Between the supervisor and one worker: messages, a JSON object a line, over a pair of sockets.

The kernel closes it with either side. So each knows of the other's end, however that came.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

    from honeylink.settings import Settings

_MESSAGE_BYTES_MAX = 16 << 20  # metrics are the longest, some kilobytes for each route


@dataclass(frozen=True)
class Task:
    """What a worker is told first, on its standard input; it has the descriptors from its supervisor."""

    number: int
    settings: Settings
    address: int
    channel: int


class Channel:
    """One side of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, side: socket.socket) -> Channel:
        """The channel over one socket of the pair."""
        return cls(*await asyncio.open_unix_connection(sock=side, limit=_MESSAGE_BYTES_MAX))

    def send(self, kind: str, **fields: object) -> None:
        """Send a message; to who is gone it is lost."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps({"kind": kind, **fields}).encode() + b"\n")

    async def receive(self) -> dict[str, Any] | None:
        """The next message; None when the other side is gone."""
        with suppress(OSError):
            if (line := await self._reader.readline()).endswith(b"\n"):
                message: dict[str, Any] = json.loads(line)
                return message
        return None

    async def close(self) -> None:
        """Send what is to be sent, and end it."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
