"""A PostgreSQL server that a test may kill and freeze."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import asyncpg
import psutil

from honeylink.store._cluster import PORT, Cluster
from honeylink.store.migrate import migrate
from tests.operations.processes import PATIENCE_SECONDS, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import LoopThread


class OwnPostgres:
    """A server that nobody supervises: dead stays dead until `start`."""

    def __init__(self, data_dir: Path, loop: LoopThread) -> None:
        self._loop = loop
        self._cluster = Cluster(data_dir)
        assert self._cluster.acquire()
        self._cluster.prepare()
        self.start()

    @property
    def dsn(self) -> str:
        return f"postgresql://postgres@/postgres?{urlencode({'host': str(self._cluster.socket_dir), 'port': PORT})}"

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        self._cluster.spawn()
        eventually(self._accepts, "the database to accept connections")

    def migrate(self) -> None:
        """Make the schema."""
        self._loop.run(migrate(self.dsn))

    @contextmanager
    def killed(self) -> Iterator[None]:
        """End the postmaster by SIGKILL, whose children notice and leave; start it again after the block."""
        postmaster, *children = self._processes()
        postmaster.kill()
        try:
            eventually(lambda: not self._cluster.alive(), "the postmaster to die")
            _, living = psutil.wait_procs(children, PATIENCE_SECONDS)
            assert not living
            yield
        finally:
            self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop every process of the server for the block, as a stalled disk or a paused machine would."""
        self._processes()[0].send_signal(signal.SIGSTOP)  # first, so that it makes no more children
        processes = self._processes()
        self._signal(processes, signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(processes, signal.SIGCONT)

    @contextmanager
    def locking(self, statement: str) -> Iterator[None]:
        """Hold what `statement` locks for the block."""

        async def begin() -> asyncpg.Connection[Any]:
            connection = await asyncpg.connect(self.dsn)
            await connection.execute("BEGIN")
            await connection.execute(statement)
            return connection

        connection = self._loop.run(begin())
        try:
            yield
        finally:
            self._loop.run(connection.close())

    def value(self, query: str) -> Any:
        """One value by a connection of its own."""

        async def fetch() -> Any:
            connection = await asyncpg.connect(self.dsn)
            try:
                return await connection.fetchval(query)
            finally:
                await connection.close()

        return self._loop.run(fetch())

    def close(self) -> None:
        """End the server."""
        self._cluster.close()

    def _processes(self) -> list[psutil.Process]:
        server = self._cluster._server
        assert server is not None
        postmaster = psutil.Process(server.pid)
        return [postmaster, *postmaster.children(recursive=True)]

    def _signal(self, processes: list[psutil.Process], number: signal.Signals) -> None:
        for process in processes:
            if process.is_running():
                process.send_signal(number)

    def _accepts(self) -> bool:
        try:
            self.value("SELECT 1")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            return False
        return True
