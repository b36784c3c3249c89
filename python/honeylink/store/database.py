"""The one way to PostgreSQL: named statements, each with a span, within the time that a request may take.

A use case runs as a *unit of work* on one connection. The unit has a deadline; when it passes, the connection is cut
off at once. Asking the server to cancel a query would wait for a server that may be frozen, and a deadline that waits
is none. Whatever statement was on its way either commits whole or not at all, on the server's side.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from honeylink.errors import DependencyUnavailable, ServiceError
from honeylink.store.statements import STATEMENTS
from honeylink.telemetry import span

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractAsyncContextManager

    from asyncpg import Record
    from asyncpg.pool import PoolConnectionProxy

# Before a connection is replaced; the driver's own default would do so, and prepare all anew, every minute under load.
_MAX_QUERIES = 10_000_000

# How long a transaction that holds locks may wait for its owner's next statement.
_IDLE_MS = 2000

LOCK_WAIT_MS = 300
"""How long a statement that changes reservations waits for a lock; `RowLocked` then.

Processes that meet at the same pools wait for each other's commits: some milliseconds each, on a machine that is badly
overloaded some tens.
"""

UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection was cut in the middle of an answer, or no server is a primary
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,
)
"""What says that the server is away, overloaded or on its way down, as opposed to a statement that is wrong."""

# How the server checks a foreign key, in the text of its error. Whatever its language, that is SQL.
_TENANT_ROW = re.compile(r"FROM ONLY .*\b(tenants|data_keys)\b.* FOR KEY SHARE")


class DatabaseUnprepared(DependencyUnavailable):
    """The server grants the user access, but has no tables for the service, or no role that the user may take on."""

    def __init__(self, reason: str) -> None:
        super().__init__("the database")
        self.reason = reason


class RowLocked(DependencyUnavailable):
    """Somebody has held a row that a statement needs for longer than a commit takes; nothing was done.

    Args:
        of_tenant: it was a tenant's own, or its data key's: those that are locked to be referred to.
    """

    def __init__(self, *, of_tenant: bool = False) -> None:
        super().__init__("a row of the database that somebody else holds locked")
        self.of_tenant = of_tenant


def _is_lost(connection: PoolConnectionProxy[Record]) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # a connection that was cut has left the pool by itself
        return True


class UnitOfWork:
    """Statements on one connection, each its own transaction unless they stand in one."""

    def __init__(self, connection: PoolConnectionProxy[Record]) -> None:
        self._connection = connection

    async def fetch(self, statement: str, **parameters: object) -> list[Record]:
        """All rows of a named statement."""
        sql, order = STATEMENTS[statement]
        with span(f"store.{statement}"):
            return await self._connection.fetch(sql, *[parameters[name] for name in order])

    async def fetchrow(self, statement: str, **parameters: object) -> Record | None:
        """The one row of a statement whose name ends in `^`, or None."""
        sql, order = STATEMENTS[statement]
        with span(f"store.{statement}"):
            return await self._connection.fetchrow(sql, *[parameters[name] for name in order])

    async def execute(self, statement: str, **parameters: object) -> None:
        """Run a statement whose name ends in `!`."""
        sql, order = STATEMENTS[statement]
        with span(f"store.{statement}"):
            await self._connection.execute(sql, *[parameters[name] for name in order])

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Statements that take effect together, or if the block raises not at all."""
        transaction = self._connection.transaction()
        await transaction.start()
        try:
            await self.fetchrow("limit_transaction", idle=f"{_IDLE_MS}ms", lock_wait=f"{LOCK_WAIT_MS}ms")
            yield
        except asyncio.CancelledError:
            raise  # the unit of work cuts the connection; a rollback would wait for a server that may be frozen
        except BaseException:
            await transaction.rollback()
            raise
        await transaction.commit()


class _Connection(asyncpg.Connection):
    """A connection that goes back to the pool as it is: no statement leaves anything behind that needs a reset."""

    async def reset(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the driver's signature
        pass


class _Connections:
    """The driver's pool, and one connection that stays out of it between two units of work.

    To give a connection back and to acquire it again costs as much as a small statement. One is enough, since one group
    of sessions follows the other; and none stays out while anybody waits for the pool.
    """

    def __init__(self, pool: asyncpg.Pool[Record]) -> None:
        self.pool = pool
        self.kept: PoolConnectionProxy[Record] | None = None
        self._acquiring = 0

    async def acquire(self, timeout_seconds: float) -> PoolConnectionProxy[Record]:
        """A connection for a unit of work."""
        connection, self.kept = self.kept, None
        if connection is not None and not _is_lost(connection):
            return connection
        self._acquiring += 1
        try:
            if connection is not None:
                await self.pool.release(connection)
            return await self.pool.acquire(timeout=timeout_seconds)
        except (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError) as error:
            raise DatabaseUnprepared(str(error)) from error
        except UNAVAILABLE as error:
            raise DependencyUnavailable("the database") from error
        finally:
            self._acquiring -= 1

    async def release(self, connection: PoolConnectionProxy[Record], *, keep: bool) -> None:
        """Take a connection back; `keep` says whether it is as it was."""
        if keep and self.kept is None and not self._acquiring and not _is_lost(connection):
            self.kept = connection
        else:
            await self.pool.release(connection)

    def terminate(self) -> None:
        """Close all of them at once."""
        self.kept = None
        self.pool.terminate()


@dataclass(slots=True)
class _Budget:
    """The time that units of work may still spend."""

    seconds: float


class _Work:
    """The block of a unit of work. A generator would take twice as long to enter and to leave."""

    __slots__ = ("_budget", "_connection", "_connections", "_started", "_watchdog")

    def __init__(self, connections: _Connections, budget: _Budget) -> None:
        self._connections = connections
        self._budget = budget

    async def __aenter__(self) -> UnitOfWork:
        loop, budget = asyncio.get_running_loop(), self._budget
        if budget.seconds <= 0:  # a statement that was sent now might commit what nobody waits for
            raise DependencyUnavailable("the database")
        self._started = loop.time()
        try:
            connection = await self._connections.acquire(budget.seconds)
        except BaseException:
            budget.seconds -= loop.time() - self._started
            raise
        self._connection = connection
        self._watchdog = loop.call_at(self._started + budget.seconds, connection.terminate)
        return UnitOfWork(connection)

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            if error is not None:
                _explain(error, self._connection)
        finally:
            self._watchdog.cancel()
            try:
                await self._connections.release(self._connection, keep=error is None)
            finally:
                self._budget.seconds -= asyncio.get_running_loop().time() - self._started


def _explain(error: BaseException, connection: PoolConnectionProxy[Record]) -> None:
    """Raise what an error in a unit of work comes to, unless that is the error itself."""
    if isinstance(error, asyncio.CancelledError):
        # The driver would ask the server to cancel the statement and wait for its word, and where that does
        # not come raise a TimeoutError in the place of this error: who is cancelled would go on.
        if not _is_lost(connection):
            connection.terminate()
    elif isinstance(error, asyncpg.UndefinedTableError):
        raise DatabaseUnprepared(str(error)) from error
    elif isinstance(error, asyncpg.LockNotAvailableError):
        raise RowLocked(of_tenant=_TENANT_ROW.search(error.context or "") is not None) from error
    elif (
        isinstance(error, Exception)
        and not isinstance(error, ServiceError)
        # One that is cut in the middle of something raises whatever that something makes of it.
        and (isinstance(error, UNAVAILABLE) or _is_lost(connection))
    ):
        raise DependencyUnavailable("the database") from error


_BUDGET: ContextVar[_Budget | None] = ContextVar("honeylink_database_budget", default=None)


class Database:
    """A pool of connections to one database.

    Example:
        >>> async def revision(database: Database) -> str:
        ...     async with database.work() as work:
        ...         return (await work.fetchrow("find_schema_revision"))["version_num"]
    """

    def __init__(self, dsn: str, *, role: str = "", pool_size: int = 10, timeout_seconds: float = 1.5) -> None:
        self._dsn = dsn
        self._role = role
        self._pool_size = pool_size
        self._timeout_seconds = timeout_seconds
        self._connections: _Connections | None = None

    async def open(self) -> None:
        """Make the pool. Connections are made when they are needed, so the server may still be away."""
        pool = await asyncpg.create_pool(
            self._dsn,
            min_size=0,
            max_size=self._pool_size,
            max_queries=_MAX_QUERIES,
            timeout=self._timeout_seconds,
            connection_class=_Connection,
            server_settings=self._session_settings(),
        )
        self._connections = _Connections(pool)

    def _session_settings(self) -> dict[str, str]:
        # Without a role there is a pooler in between, and that takes no settings.
        if not self._role:
            return {}
        return {
            "application_name": "honeylink",
            "role": self._role,
            # Our statements are planned the same whatever their parameters are; planning anew costs as much as running.
            "plan_cache_mode": "force_generic_plan",
            # A statement that nobody waits for any more, such as one behind a lock, must not hold its connection.
            "statement_timeout": str(round(self._timeout_seconds * 1000)),
        }

    async def close(self) -> None:
        """Close the pool: at once, since no unit of work outlives its request."""
        if self._connections is not None:
            self._connections.terminate()
            self._connections = None

    @contextmanager
    def shared_budget(self, seconds: float | None = None) -> Iterator[None]:
        """Make all units of work of the block share the time that otherwise each one has, or what is given."""
        token = _BUDGET.set(_Budget(self._timeout_seconds if seconds is None else seconds))
        try:
            yield
        finally:
            _BUDGET.reset(token)

    def remaining_seconds(self) -> float:
        """What is left of the budget that this request shares; the whole of it outside of one."""
        budget = _BUDGET.get()
        return self._timeout_seconds if budget is None else budget.seconds

    def spend(self, seconds: float) -> None:
        """Take time off the budget that this request shares: it was spent on work that others did for it."""
        budget = _BUDGET.get()
        if budget is not None:
            budget.seconds -= seconds

    def work(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """A unit of work.

        Raises:
            DependencyUnavailable: the server is away, or the time is over.
        """
        assert self._connections is not None, "expected an open database"  # noqa: S101 - a bug, not an input
        return _Work(self._connections, _BUDGET.get() or _Budget(self._timeout_seconds))
