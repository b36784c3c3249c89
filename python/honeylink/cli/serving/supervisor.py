"""`honeylink serve --workers N`: the process that holds address and embedded database, and keeps up those that serve.

A worker is a new interpreter and not a fork: this process has threads, which a fork would leave in any state. uvicorn's
own supervisor will not do: it waits for its workers without end and has no messages with them, while this one stops in
time, says why no worker starts, and adds up what all of them count.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, BinaryIO

import structlog

from honeylink.cli.serving.channel import Channel, Task
from honeylink.cli.serving.stopping import Stopping
from honeylink.cli.serving.totals import sum_expositions
from honeylink.errors import HoneyLinkError
from honeylink.services.runtime import prepared_database

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from honeylink.settings import Settings

_log = structlog.get_logger(__name__)

# A fault that passes is over by then, and one that stays is told while somebody still looks.
_STARTS_MAX = 3
_BACKOFF_SECONDS = 0.2
_BACKOFF_SECONDS_MAX = 10.0
# Who has served for so long did not die of its start, so the next one need not wait.
_STEADY_SECONDS = 10.0
# For one that does not answer, what it last told counts.
_COUNT_SECONDS_MAX = 1.0


async def supervise(settings: Settings, address: socket.socket) -> None:
    """Serve on a reserved address by as many workers as the settings say, until SIGINT or SIGTERM.

    Raises:
        HoneyLinkError: no worker serves, and one after the other has failed to start; says why.
    """
    async with prepared_database(settings) as dsn:
        # What is done once for all is done; and what the database does not need of a stop is theirs.
        theirs = {"node_pool_kbps": None, "shutdown_timeout_seconds": max(settings.drain_timeout_seconds, 1)}
        await _Supervisor(settings, settings.on_database(dsn).model_copy(update=theirs), address).run()


class _Worker:
    """A worker as its supervisor sees it."""

    def __init__(self, number: int, process: Process, channel: Channel) -> None:
        self.number = number
        self.process = process
        self.channel = channel
        self.exposition = ""
        self.counted = asyncio.Event()
        self.reason: str | None = None
        self.serves_since: float | None = None

    def count(self, exposition: str) -> None:
        """Take what it counts now."""
        self.exposition = exposition
        self.counted.set()


class _Supervisor:
    def __init__(self, settings: Settings, worker_settings: Settings, address: socket.socket) -> None:
        self._settings = settings
        self._worker_settings = worker_settings
        self._address = address
        self._workers: set[_Worker] = set()
        self._ended = ""
        """What workers counted that are no more."""
        self._stopped = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._asking: set[_Worker] = set()
        """Those who want to know what all of them count."""
        self._summing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        stopping = Stopping(
            self._settings.shutdown_timeout_seconds,
            self._stop,
            self._kill,
        )
        keeping = {asyncio.create_task(self._keep(number)) for number in range(1, self._settings.workers + 1)}
        stopped = asyncio.create_task(self._stopped.wait())
        done, _ = await asyncio.wait({stopped, *keeping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.begin()
        self._stopped.set()  # at once: nobody may start a worker without the address
        self._address.close()
        for worker in self._workers:
            worker.channel.send("stop")
        _, late = await asyncio.wait(keeping, timeout=self._worker_settings.shutdown_timeout_seconds)
        self._kill()
        if late:
            await asyncio.wait(late)
        for task in done - {stopped}:
            task.result()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def _keep(self, number: int) -> None:
        """Have a worker, and another one when it has ended, until the end of all."""
        faults = failed_starts = 0
        while not self._stopped.is_set():
            served_seconds, reason = await self._have(number)
            if self._stopped.is_set():
                return
            failed_starts = failed_starts + 1 if served_seconds is None else 0
            faults = 0 if served_seconds is not None and served_seconds >= _STEADY_SECONDS else faults + 1
            if failed_starts >= _STARTS_MAX and all(other.serves_since is None for other in self._workers):
                raise HoneyLinkError(reason)
            if faults:
                await self._pause(min(_BACKOFF_SECONDS * 2 ** (faults - 1), _BACKOFF_SECONDS_MAX))

    async def _have(self, number: int) -> tuple[float | None, str]:
        """Have one worker until its end: for how many seconds it has served, None if never; and what it ended of."""
        try:
            worker = await self._start(number)
        except OSError as error:  # no process, descriptor or memory is to be had now
            _log.warning("worker.start_failed", worker=number, reason=str(error))
            return None, f"expected workers to start, found {error}"
        await self._attend(worker)
        status = worker.process.returncode
        if not self._stopped.is_set():
            _log.warning("worker.died", worker=number, pid=worker.process.pid, exit_status=status, reason=worker.reason)
        served_seconds = None if worker.serves_since is None else self._loop.time() - worker.serves_since
        return served_seconds, worker.reason or f"expected workers to start, found exit status {status} of each"

    async def _pause(self, seconds: float) -> None:
        stopped = asyncio.ensure_future(self._stopped.wait())
        await asyncio.wait({stopped}, timeout=seconds)
        stopped.cancel()

    async def _start(self, number: int) -> _Worker:
        ours, theirs = socket.socketpair()
        task = Task(number, self._worker_settings, self._address.fileno(), theirs.fileno())
        try:
            with theirs, _input(pickle.dumps(task)) as stdin:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "honeylink.cli.serving.worker"),
                    stdin=stdin,
                    pass_fds=(task.address, task.channel),
                    # Ctrl-C in a terminal is for us, who tell them.
                    start_new_session=True,
                )
            worker = _Worker(number, process, await Channel.over(ours))
        except BaseException:
            ours.close()  # which ends one that has started all the same
            raise
        self._workers.add(worker)
        if self._stopped.is_set():
            worker.channel.send("stop")
        _log.info("worker.start", worker=number, pid=process.pid)
        return worker

    async def _attend(self, worker: _Worker) -> None:
        """Do what the worker asks for until it is gone."""
        try:
            while (message := await worker.channel.receive()) is not None:
                self._obey(worker, message)
        except (KeyError, TypeError, ValueError) as error:
            worker.reason = f"expected a message of a worker, found {error!r}"
        await worker.channel.close()  # which ends it, if it is not at its end
        await worker.process.wait()
        self._workers.discard(worker)
        self._asking.discard(worker)
        try:
            self._ended = sum_expositions([self._ended, worker.exposition])
        except ValueError as error:
            _log.warning("worker.counts_lost", worker=worker.number, reason=str(error))

    def _obey(self, worker: _Worker, message: dict[str, Any]) -> None:
        match message["kind"]:
            case "ready":
                worker.serves_since = self._loop.time()
            case "failed":
                worker.reason = message["reason"]
            case "counted":
                worker.count(message["exposition"])
            case "sum":
                worker.count(message["exposition"])
                self._asking.add(worker)
                if self._summing is None or self._summing.done():
                    self._summing = asyncio.create_task(self._sum())

    async def _sum(self) -> None:
        """Add up what all count, and tell it to those who have asked for it by then."""
        others = self._workers - self._asking
        waiting = []
        for other in others:
            other.counted.clear()
            other.channel.send("count")
            waiting.append(asyncio.create_task(other.counted.wait()))
        if waiting:
            _, silent = await asyncio.wait(waiting, timeout=_COUNT_SECONDS_MAX)
            for task in silent:
                task.cancel()
        asking, self._asking = self._asking, set()
        expositions = [each.exposition for each in (*(self._workers - asking), *asking)]
        try:
            totals = sum_expositions([self._ended, *expositions])
        except ValueError as error:
            _log.warning("worker.counts_unreadable", reason=str(error))
            return  # who has asked answers for itself in the end
        for worker in asking:
            worker.channel.send("totals", exposition=totals)

    def _kill(self) -> None:
        for worker in self._workers:
            if worker.process.returncode is None:
                os.kill(worker.process.pid, signal.SIGKILL)


def _input(content: bytes) -> BinaryIO:
    """A pipe with all of a child's input in its buffer: a child that has died already is no case of its own then."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(content)  # some kilobytes; a pipe holds sixty-four
    return os.fdopen(reading, "rb")
