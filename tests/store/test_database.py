"""Units of work: their deadline, their transaction, and what a server that is away looks like."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from honeylink.errors import DependencyUnavailable
from honeylink.store.database import Database, DatabaseUnprepared
from honeylink.store.migrate import HEAD_REVISION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from tests.conftest import LoopThread

SHORT_SECONDS = 0.3


@pytest.fixture(scope="module")
def dsn(new_database: Callable[[], str]) -> str:
    return new_database()


@asynccontextmanager
async def opened(dsn: str, **fields: Any) -> AsyncIterator[Database]:
    database = Database(dsn, **fields)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def locked(dsn: str) -> AsyncIterator[None]:
    """Let nobody read the schema's revision."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def revision(database: Database) -> str:
    async with database.work() as work:
        row = await work.fetchrow("find_schema_revision")
    assert row is not None
    text: str = row["version_num"]
    return text


def away(work: Coroutine[Any, Any, object], loop: LoopThread) -> DependencyUnavailable:
    with pytest.raises(DependencyUnavailable) as caught:
        loop.run(work)
    assert caught.value.dependency == "the database"
    assert caught.value.retry_after_seconds == 1
    return caught.value


def test_a_statement_that_waits_too_long_is_cut_off_and_the_next_one_works(loop: LoopThread, dsn: str) -> None:
    async def wait() -> str:
        async with opened(dsn, timeout_seconds=SHORT_SECONDS, pool_size=1) as database:
            async with locked(dsn):
                with pytest.raises(DependencyUnavailable):
                    await revision(database)
            return await revision(database)

    assert loop.run(wait()) == HEAD_REVISION


def test_work_that_finds_no_free_connection_in_time(loop: LoopThread, dsn: str) -> None:
    async def wait() -> None:
        # Whoever has the only connection may keep it for longer than the other one may wait.
        async with opened(dsn, timeout_seconds=60, pool_size=1) as database, database.work():
            with database.shared_budget(SHORT_SECONDS):
                await revision(database)

    away(wait(), loop)


def test_units_of_work_share_the_budget_of_a_block(loop: LoopThread, dsn: str) -> None:
    async def spend() -> None:
        async with opened(dsn, timeout_seconds=SHORT_SECONDS) as database:
            with database.shared_budget():
                async with locked(dsn):
                    with pytest.raises(DependencyUnavailable):
                        await revision(database)
                with pytest.raises(DependencyUnavailable):  # nothing is left, though the server would answer now
                    await revision(database)
            await revision(database)

    loop.run(spend())


def test_nothing_is_sent_when_nothing_is_left(loop: LoopThread, dsn: str) -> None:
    """Not even over a connection that is there at once."""

    async def run_out() -> None:
        async with opened(dsn, timeout_seconds=60) as database:
            await revision(database)
            assert database._connections is not None
            kept = database._connections.kept
            assert kept is not None
            with database.shared_budget(0), pytest.raises(DependencyUnavailable):
                async with database.work():
                    raise AssertionError
            assert database._connections.kept is kept
            assert not kept.is_closed()

    loop.run(run_out())


def test_what_remains_of_a_budget(loop: LoopThread, dsn: str) -> None:
    async def look() -> tuple[float, float]:
        async with opened(dsn, timeout_seconds=60) as database:
            with database.shared_budget():
                first = database.remaining_seconds()
                await revision(database)
                return first, database.remaining_seconds()

    first, second = loop.run(look())
    assert 0 < second < first == 60


@pytest.mark.parametrize("missing", ["server", "database", "role"])
def test_a_server_that_is_away_or_not_ready(
    loop: LoopThread, tmp_path: Path, postgres_dsn: Callable[[str], str], missing: str
) -> None:
    dsn = {
        "server": f"postgresql://nobody@/nothing?host={tmp_path}",
        "database": postgres_dsn("never_made"),
        "role": postgres_dsn("postgres"),
    }[missing]

    async def look() -> None:
        async with opened(dsn, role="never_made" if missing == "role" else "") as database:
            await revision(database)

    assert str(away(look(), loop)) == "the database is not available now; retry in 1 s"


def test_a_connection_that_is_cut_is_replaced(loop: LoopThread, dsn: str) -> None:
    async def cut() -> str:
        async with opened(dsn, pool_size=1) as database:
            await revision(database)
            killer = await asyncpg.connect(dsn)
            try:
                await killer.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            finally:
                await killer.close()
            try:
                return await revision(database)
            except DependencyUnavailable:  # the notice had not come yet
                return await revision(database)

    assert loop.run(cut()) == HEAD_REVISION


def test_a_statement_that_is_wrong_is_a_bug_not_an_outage(loop: LoopThread, new_database: Callable[[], str]) -> None:
    dsn = new_database()

    async def ask() -> None:
        async with opened(dsn) as database, database.work() as work:
            await work.fetch("limit_transaction", idle="soon", lock_wait="100ms")

    with pytest.raises(asyncpg.InvalidParameterValueError):
        loop.run(ask())


def test_the_server_gives_up_too(loop: LoopThread, dsn: str) -> None:
    """So a statement that waits for a lock does not hold its connection for ever after its request is gone."""

    async def ask() -> str:
        database = Database(dsn, role="honeylink_app", timeout_seconds=2.5)
        await database.open()
        try:
            assert database._connections is not None
            async with database._connections.pool.acquire() as connection:
                return str(await connection.fetchval("SHOW statement_timeout"))
        finally:
            await database.close()

    assert loop.run(ask()) == "2500ms"


def test_a_database_without_tables_is_not_a_bug(loop: LoopThread, postgres_dsn: Callable[[str], str]) -> None:
    async def ask() -> None:
        async with opened(postgres_dsn("postgres")) as database, database.work() as work:
            await work.fetch("sum_pools")

    with pytest.raises(DatabaseUnprepared, match="database") as caught:
        loop.run(ask())
    assert "pools" in caught.value.reason


@pytest.mark.parametrize(("role", "expected"), [("honeylink_app", "honeylink_app"), ("", None)])
def test_connections_take_on_their_role(loop: LoopThread, dsn: str, role: str, expected: str | None) -> None:
    async def look() -> tuple[str, str]:
        async with opened(dsn, role=role) as database, database.work() as work:
            connection = work._connection
            row = await connection.fetchrow("SELECT current_user, session_user")
            assert row is not None
            return row["current_user"], row["session_user"]

    current, session = loop.run(look())
    assert current == (expected or session)


def test_many_units_of_work_take_turns(loop: LoopThread, dsn: str) -> None:
    async def many() -> set[str]:
        async with opened(dsn, pool_size=2, timeout_seconds=30) as database:
            return set(await asyncio.gather(*(revision(database) for _ in range(50))))

    assert loop.run(many()) == {HEAD_REVISION}


async def backend(database: Database) -> int:
    async with database.work() as work:
        pid = await work._connection.fetchval("SELECT pg_backend_pid()")
    assert isinstance(pid, int)
    return pid


def test_a_connection_is_kept_for_the_next_unit_of_work(loop: LoopThread, dsn: str) -> None:
    async def run() -> tuple[set[int], int]:
        async with opened(dsn) as database:
            assert database._connections is not None
            return {await backend(database) for _ in range(5)}, database._connections.pool.get_idle_size()

    pids, idle = loop.run(run())
    assert (len(pids), idle) == (1, 0)


def test_one_is_kept_and_the_others_go_back(loop: LoopThread, dsn: str) -> None:
    async def run() -> tuple[int, int]:
        async with opened(dsn, pool_size=3) as database:
            async with database.work(), database.work(), database.work():
                pass
            assert database._connections is not None
            return database._connections.pool.get_size(), database._connections.pool.get_idle_size()

    assert loop.run(run()) == (3, 2)


def test_none_is_kept_from_who_waits_for_the_pool(loop: LoopThread, dsn: str) -> None:
    async def run() -> list[int]:
        async with opened(dsn, pool_size=1, timeout_seconds=60) as database:
            async with database.work():
                waiting = [asyncio.create_task(backend(database)) for _ in range(3)]
                await asyncio.sleep(0)
            return await asyncio.gather(*waiting, backend(database))

    assert len(set(loop.run(run()))) == 1


def test_none_is_kept_after_an_error(loop: LoopThread, dsn: str) -> None:
    """Whatever it has left undone, the pool sees to."""

    async def run() -> int:
        async with opened(dsn) as database:
            with pytest.raises(asyncpg.InvalidParameterValueError):
                async with database.work() as work:
                    await work.fetch("limit_transaction", idle="soon", lock_wait="100ms")
            assert database._connections is not None
            return database._connections.pool.get_idle_size()

    assert loop.run(run()) == 1


def test_a_kept_connection_that_was_cut_is_replaced(loop: LoopThread, dsn: str) -> None:
    async def run() -> tuple[int, int, int]:
        async with opened(dsn, pool_size=1) as database:
            first = await backend(database)
            assert database._connections is not None
            assert database._connections.kept is not None
            database._connections.kept.terminate()
            second = await backend(database)
            return first, second, database._connections.pool.get_size()

    first, second, size = loop.run(run())
    assert first != second
    assert size == 1
