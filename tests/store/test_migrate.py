"""Bringing a schema up to date: once, again, and where it can't be done."""

from __future__ import annotations

import itertools
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg
import pytest

from honeylink.store import migrations
from honeylink.store.database import Database
from honeylink.store.migrate import HEAD_REVISION, MigrationError, migrate
from honeylink.store.schema import find_oldest_code, find_revision
from honeylink.store.sessions import EndingSession, end_sessions

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
            return await find_revision(work)
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


def test_a_schema_that_is_newer_than_the_code_is_left_as_it_is(loop: LoopThread, empty_database: str) -> None:
    loop.run(migrate(empty_database))
    loop.run(execute(empty_database, "UPDATE alembic_version SET version_num = '9999'"))
    assert loop.run(migrate(empty_database)) == ("9999", "9999")
    assert loop.run(stored_revision(empty_database)) == "9999"


def test_a_schema_says_which_code_it_is_for(
    loop: LoopThread, template: str, postgres_dsn: Callable[[str], str]
) -> None:
    async def ask() -> str:
        database = Database(postgres_dsn(template), role="honeylink_app")
        await database.open()
        try:
            async with database.work() as work:
                return await find_oldest_code(work)
        finally:
            await database.close()

    assert loop.run(ask()) <= HEAD_REVISION


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
OLD_TENANT = """
INSERT INTO tenants VALUES ('11111111-1111-1111-1111-111111111111', 'acme');
INSERT INTO data_keys VALUES ('11111111-1111-1111-1111-111111111111', gen_random_uuid(), 'test', 'key', 1, '');
INSERT INTO devices (tenant_id, device_id, status, public_key, firmware_version, capabilities, metadata,
                     pairing_code_mac, pairing_expires_at)
VALUES ('11111111-1111-1111-1111-111111111111', 'device-1', 'pending', decode(repeat('00', 32), 'hex'), '1.0.0', '{}',
        '{}', '', now());
INSERT INTO pools SELECT tenant_id, 1, 'acme', 1000, 0, true FROM data_keys;
INSERT INTO pools SELECT tenant_id, 0, 'device-1', 100, 0, true FROM data_keys;
"""
# As the first release opens a session, with its own columns named.
OLD_SESSION = """
WITH session AS (
    INSERT INTO sessions (tenant_id, session_id, device_id, status, created_at, expires_at, session_endpoint,
                          dek_id, key_nonce, key_ciphertext)
    SELECT tenant_id, gen_random_uuid(), 'device-1', 'active', now(), now() + interval '1 hour', '', dek_id, '', ''
    FROM data_keys
    RETURNING tenant_id, session_id
),
stream AS (
    INSERT INTO streams (tenant_id, session_id, position, stream_id, name, mode, priority, bandwidth_kbps,
                         connection_id, data_shards, parity_shards)
    SELECT tenant_id, session_id, 0, gen_random_uuid(), 'video', 'reliable', 'burst', 30, 'conn-001', 10, 5 FROM session
),
reservation AS (
    INSERT INTO reservations
    SELECT tenant_id, session_id, level, tenant_id, CASE level WHEN 0 THEN 'device-1' ELSE 'acme' END, 30
    FROM session CROSS JOIN generate_series(0, 1) AS level
)
UPDATE pools SET reserved_kbps = reserved_kbps + 30 WHERE level < 2
"""


@pytest.fixture
def old_database(loop: LoopThread, empty_database: str) -> str:
    """A database of the first release, with a live session in it."""
    versions = "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)"
    first = "INSERT INTO alembic_version VALUES ('0001')"
    loop.run(execute(empty_database, versions, FIRST_SCHEMA.read_text(), first, OLD_TENANT, OLD_SESSION))
    return empty_database


def test_a_database_of_the_first_release(loop: LoopThread, old_database: str) -> None:
    assert loop.run(migrate(old_database)) == ("0001", HEAD_REVISION)
    assert loop.run(stored_revision(old_database)) == HEAD_REVISION
    # What was there is there still, and processes of that release go on writing until they are replaced.
    loop.run(execute(old_database, OLD_SESSION))
    streams = "SELECT name, parity_shards, loss_rate, asked_bandwidth_kbps, min_bandwidth_kbps FROM streams"
    assert loop.run(fetch(old_database, streams)) == [("video", 5, None, None, None)] * 2
    details = "SELECT setup_priority, hold_priority, status, jsonb_array_length(streams) FROM session_details"
    assert loop.run(fetch(old_database, details)) == [(0, 0, "active", 1)] * 2
    pools = "SELECT reserved_kbps, charge::text, kept_kbps(pool), ceiling_kbps(pool) FROM pools AS pool ORDER BY level"
    assert loop.run(fetch(old_database, pools)) == [(60, "payload", 0, 100), (60, "payload", 0, 1000)]
    # Such sessions end as all others do.
    assert loop.run(end_all(old_database)) == 2
    assert loop.run(fetch(old_database, "SELECT reserved_kbps, withheld_kbps FROM pools")) == [(0, 0)] * 2


async def end_all(dsn: str) -> int:
    database = Database(dsn)
    await database.open()
    try:
        async with database.work() as work:
            rows = await fetch(dsn, "SELECT tenant_id, session_id FROM sessions")
            ending = [EndingSession(UUID(str(tenant)), UUID(str(session)), uuid4()) for tenant, session in rows]
            return len(await end_sessions(work, ending, reason="test", actor="test", trace_id=""))
    finally:
        await database.close()


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


def test_the_code_needs_the_newest_of_the_scripts_and_these_are_numbered() -> None:
    scripts = sorted((Path(migrations.__file__).parent / "versions").glob("*.sql"))
    revisions = [script.name.partition("_")[0] for script in scripts]
    assert revisions == [f"{number:04}" for number in range(1, len(scripts) + 1)]
    assert revisions[-1] == HEAD_REVISION
