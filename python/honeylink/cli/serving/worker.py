"""A worker: a serving process that a supervisor has started, and that ends with it.

Run as a module by `supervisor`, with a task on standard input and the descriptors it names.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import sys
from typing import TYPE_CHECKING

from honeylink.api.operations.exposition import own_exposition
from honeylink.cli.logs import configure_logging
from honeylink.cli.serving.channel import Channel, Task
from honeylink.cli.serving.launch import launch
from honeylink.cli.serving.listener import listen_by
from honeylink.cli.serving.process import serve
from honeylink.errors import HoneyLinkError

if TYPE_CHECKING:
    from honeylink.services.runtime import Services

# Longer than a supervisor waits for those who do not answer it.
_TOTALS_SECONDS_MAX = 3.0


class _Worker:
    """Serves until the supervisor says so, or is gone."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._requested: asyncio.Future[str] | None = None
        """What all workers count, when it has been asked for and not been told yet."""
        self._alone = False

    async def run(self) -> None:
        """Serve, and tell the supervisor how it went."""
        task = self._task
        self._channel = await Channel.over(socket.socket(fileno=task.channel))
        try:
            listener = listen_by(socket.socket(fileno=task.address))
            await serve(task.settings, listener, self._obey, self._exposition)
        except HoneyLinkError as error:
            self._channel.send("failed", reason=str(error))
        self._channel.send("counted", exposition=await self._counted())
        await self._channel.close()

    async def _obey(self, _: Services) -> None:
        self._channel.send("ready")
        while (message := await self._channel.receive()) is not None and message["kind"] != "stop":
            match message["kind"]:
                case "count":
                    self._channel.send("counted", exposition=await self._counted())
                case "totals":
                    self._tell(message["exposition"])
        self._alone = True
        self._tell(await self._counted())

    async def _exposition(self) -> bytes:
        """The counts of all workers; our own if there is nobody to ask, or no answer in time.

        Those who ask while others wait share their answer, or each scrape would have all workers count.
        """
        if self._alone:
            return (await self._counted()).encode()
        if self._requested is None:
            self._requested = asyncio.get_running_loop().create_future()
            self._channel.send("sum", exposition=await self._counted())
        requested = self._requested
        await asyncio.wait({requested}, timeout=_TOTALS_SECONDS_MAX)
        if requested.done():
            return requested.result().encode()
        if self._requested is requested:
            self._requested = None  # the next one asks anew
        return (await self._counted()).encode()

    def _tell(self, exposition: str) -> None:
        if self._requested is not None:
            self._requested.set_result(exposition)
            self._requested = None

    async def _counted(self) -> str:
        return (await own_exposition()).decode()


def main() -> None:
    """Do the task on standard input."""
    task: Task = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the supervisor, which is the same program
    configure_logging(task.settings.log_level, worker=task.number)
    launch(_Worker(task).run())


if __name__ == "__main__":
    main()
