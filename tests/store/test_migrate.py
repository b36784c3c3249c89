"""Bringing a schema up to date: once, again, and where it can't be done."""

from __future__ import annotations

import itertools
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from alembic.script import ScriptDirectory

from honeylink.store import migrations
from honeylink.store.database import Database
from honeylink.store.migrate import HEAD_REVISION, MigrationError, migrate
from honeylink.store.pools import find_schema_revision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import LoopThread

PATIENCE_SECONDS = 50

MIGRATE = """
import asyncio, sys
from honeylink.store.migrate import migrate

asyncio.run(migrate(sys.argv[1]))
"""

_numbers = itertools.count(1)


async def execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def fetch(dsn: str, statement: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def stored_revision(dsn: str) -> str | None:
    database = Database(dsn)
    await database.open()
    try:
        async with database.work() as work:
            return await find_schema_revision(work)
    finally:
        await database.close()


@pytest.fixture
def empty_database(loop: LoopThread, postgres_dsn: Callable[[str], str], template: str) -> Iterator[str]:
    """A database without anything of ours."""
    name = f"{template}_empty_{next(_numbers)}"
    loop.run(execute(postgres_dsn("postgres"), f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}"))
    yield postgres_dsn(name)
    loop.run(execute(postgres_dsn("postgres"), f"DROP DATABASE {name} WITH (FORCE)"))


def test_a_new_database_and_once_more(loop: LoopThread, empty_database: str) -> None:
    assert loop.run(stored_revision(empty_database)) is None
    assert loop.run(migrate(empty_database)) == (None, HEAD_REVISION)
    assert loop.run(stored_revision(empty_database)) == HEAD_REVISION
    assert loop.run(migrate(empty_database)) == (HEAD_REVISION, HEAD_REVISION)


def test_a_database_that_is_not_there(loop: LoopThread, postgres_dsn: Callable[[str], str], tmp_path: Path) -> None:
    for dsn in (postgres_dsn("never_made"), f"postgresql://nobody@/nothing?host={tmp_path}"):
        with pytest.raises(MigrationError, match="expected a database to connect to"):
            loop.run(migrate(dsn))


def test_a_user_without_the_rights(loop: LoopThread, empty_database: str) -> None:
    role = "honeylink_without_rights"
    loop.run(execute(empty_database, f"DROP ROLE IF EXISTS {role}", f"CREATE ROLE {role}"))
    as_role = f"{empty_database}{'&' if '?' in empty_database else '?'}role={role}"
    complaint = "expected a user that may create tables and roles, found: .*permission denied"
    try:
        with pytest.raises(MigrationError, match=complaint):
            loop.run(migrate(as_role))
        # One that may create tables gets further: to the service's role.
        loop.run(execute(empty_database, f"GRANT CREATE ON SCHEMA public TO {role}"))
        with pytest.raises(MigrationError, match=complaint):
            loop.run(migrate(as_role))
    finally:
        loop.run(execute(empty_database, f"DROP OWNED BY {role}", f"DROP ROLE {role}"))
    assert loop.run(stored_revision(empty_database)) is None


def test_a_migration_that_fails_leaves_nothing_behind(loop: LoopThread, empty_database: str) -> None:
    loop.run(execute(empty_database, "CREATE TABLE audit_events (from_elsewhere integer)"))
    with pytest.raises(asyncpg.DuplicateTableError):
        loop.run(migrate(empty_database))
    assert loop.run(stored_revision(empty_database)) is None
    loop.run(execute(empty_database, "DROP TABLE audit_events"))
    assert loop.run(migrate(empty_database)) == (None, HEAD_REVISION)


FIRST_SCHEMA = Path(migrations.__file__).parent / "versions" / "0001_initial.sql"
OLD_STREAM = """
INSERT INTO streams (tenant_id, session_id, position, stream_id, name, mode, priority, bandwidth_kbps, connection_id,
                     data_shards, parity_shards)
VALUES (gen_random_uuid(), gen_random_uuid(), 0, gen_random_uuid(), 'video', 'reliable', 'burst', 1, 'conn-001', 10, 5)
"""


@pytest.fixture
def old_database(loop: LoopThread, empty_database: str) -> str:
    """A database of the first release, with a stream in it."""
    versions = "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)"
    first = "INSERT INTO alembic_version VALUES ('0001')"
    loop.run(execute(empty_database, versions, FIRST_SCHEMA.read_text(), first, OLD_STREAM))
    return empty_database


def test_a_database_of_the_first_release(loop: LoopThread, old_database: str) -> None:
    assert loop.run(migrate(old_database)) == ("0001", HEAD_REVISION)
    assert loop.run(stored_revision(old_database)) == HEAD_REVISION
    # What was there is there still, and processes of that release go on writing until they are replaced.
    loop.run(execute(old_database, OLD_STREAM))
    streams = "SELECT name, parity_shards, loss_rate FROM streams"
    assert loop.run(fetch(old_database, streams)) == [("video", 5, None)] * 2


def test_a_migration_does_not_wait_behind_a_long_transaction(loop: LoopThread, old_database: str) -> None:
    async def migrate_during_a_dump() -> None:
        dump = await asyncpg.connect(old_database)
        try:
            async with dump.transaction():
                await dump.execute("LOCK TABLE streams IN ACCESS SHARE MODE")
                with pytest.raises(MigrationError, match="expected a moment without long transactions"):
                    await migrate(old_database)
        finally:
            await dump.close()

    loop.run(migrate_during_a_dump())
    assert loop.run(migrate(old_database)) == ("0001", HEAD_REVISION)


def test_processes_that_start_at_once_make_one_schema(loop: LoopThread, empty_database: str) -> None:
    with ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen([sys.executable, "-c", MIGRATE, empty_database])) for _ in range(3)
        ]
        assert [process.wait(PATIENCE_SECONDS) for process in processes] == [0, 0, 0]
    assert loop.run(stored_revision(empty_database)) == HEAD_REVISION


def test_the_code_needs_the_newest_script() -> None:
    scripts = Path(migrations.__file__).parent / "versions"
    newest = max(scripts.glob("*.sql")).name
    assert newest.startswith(f"{HEAD_REVISION}_")
    assert ScriptDirectory(str(scripts.parent)).get_current_head() == HEAD_REVISION
