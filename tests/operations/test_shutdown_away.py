"""Stopping while the database is frozen: it answers nothing, and refuses nothing either."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import psutil
import pytest

from honeylink.store.database import Database
from tests.operations.processes import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import LoopThread
    from tests.operations.postgres import OwnPostgres


@pytest.mark.parametrize("database_timeout_seconds", [1.5, 60])
def test_ends_while_the_database_is_frozen(
    own_postgres: OwnPostgres, tmp_path: Path, database_timeout_seconds: float
) -> None:
    """The sweep and the listener are in the middle of a statement, each and every time."""
    own_postgres.migrate()
    settings = {
        "database_dsn": own_postgres.dsn,
        "data_dir": tmp_path,
        "database_timeout_seconds": database_timeout_seconds,
        "shutdown_timeout_seconds": 5,
        "expiry_interval_seconds": 0.01,
    }
    with serving(tmp_path, **settings) as served:
        with served.client() as client:
            assert client.get("/readyz").status_code == 200
        with own_postgres.frozen():
            served.send(signal.SIGTERM)
            assert served.wait() == 0
    assert "Traceback" not in served.stderr.read_text()


def test_ends_while_its_own_database_is_frozen(tmp_path: Path) -> None:
    with serving(tmp_path, data_dir=tmp_path / "data", shutdown_timeout_seconds=6) as served:
        database = psutil.Process(served.logged("database.start")["pid"])
        database.suspend()  # first, so that it makes no more children
        children = database.children(recursive=True)
        for child in children:
            child.suspend()
        served.send(signal.SIGTERM)
        try:
            assert served.wait() == 0
            assert not database.is_running()
        finally:
            for child in children:
                child.resume()
        assert psutil.wait_procs(children, 60)[1] == []


@pytest.mark.parametrize("in_transaction", [False, True])
def test_who_is_cancelled_hears_it_from_a_frozen_database(
    own_postgres: OwnPostgres, loop: LoopThread, in_transaction: bool
) -> None:
    own_postgres.migrate()
    frozen = own_postgres.frozen()

    async def work(database: Database, reached: asyncio.Event) -> None:
        async with database.work() as unit, AsyncExitStack() as stack:
            if in_transaction:
                await stack.enter_async_context(unit.transaction())
            await unit.fetchrow("find_schema_revision")
            await asyncio.to_thread(frozen.__enter__)
            reached.set()
            await unit.fetchrow("find_schema_revision")

    async def run() -> bool:
        database, reached = Database(own_postgres.dsn, timeout_seconds=600), asyncio.Event()
        await database.open()
        working = asyncio.create_task(work(database, reached))
        try:
            await asyncio.wait_for(reached.wait(), 60)
            for _ in range(3):
                await asyncio.sleep(0)  # into the statement
            working.cancel()
            await asyncio.wait([working], timeout=60)
            return working.cancelled()
        finally:
            await asyncio.to_thread(frozen.__exit__, None, None, None)
            await database.close()

    assert loop.run(run(), 200)
