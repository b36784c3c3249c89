"""Pages of lists, and who holds a pool: each reads about as many rows as it shows, however many are stored.

Measured by PostgreSQL itself, on the statements as the store runs them. Plans are generic, as on the service's
connections, and made at two moments: while the tables were empty, and when they were known to have grown.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import asyncpg
import pytest

from honeylink.domain.admission import PoolLevel
from honeylink.domain.audit import AuditFilter, Category
from honeylink.domain.paging import PAGE_MAX_BYTES, Cursor
from honeylink.domain.sessions import SessionStatus
from honeylink.store import audit, devices, pools, sessions
from honeylink.store.database import UnitOfWork
from tests.store.filling import CATEGORIES, DEVICES, ENDED, LIVE_AMONG_ENDED, MIXED, OTHER, ROWS, START, fill

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from asyncpg import Record

    from tests.conftest import LoopThread

LIMIT = 20
# What a page may read. Every fourth session has each status and every third event each category, and a session has
# two streams.
ROWS_MAX = 5 * LIMIT
# Of index and table, in all: a row of a page takes some of each of three tables.
BLOCKS_MAX = 15 * LIMIT

NOBODY = UUID(int=0)
"""Whose pool the node's is."""
CONTENDERS = LIMIT // 7
"""Of each kind. There are five, and what is read of each session are three reservations and two streams."""
STATUSES = (None, *SessionStatus)


@dataclass
class Reads:
    """What statements have read, at most: rows of one node of a plan, rows that were sorted at once, and blocks."""

    rows: int = 0
    sorted_rows: int = 0
    blocks: int = 0

    def add(self, plan: dict[str, Any]) -> None:
        """Count a plan that was run, with what is below it."""
        removed = sum(rows for name, rows in plan.items() if name.startswith("Rows Removed by"))
        self.rows = max(self.rows, round((plan["Actual Rows"] + removed) * plan["Actual Loops"]))
        if "Sort" in plan["Node Type"]:
            self.sorted_rows = max(self.sorted_rows, round(plan["Actual Rows"]))
        self.blocks = max(self.blocks, plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
        for child in plan.get("Plans", ()):
            self.add(child)


class ExplainingConnection:
    """A connection that also says what each statement has read; each has one plan, made when it first runs."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._prepared: dict[str, str] = {}
        self.reads = Reads()

    async def fetch(self, sql: str, *arguments: object) -> list[Record]:
        """As the driver's."""
        await self._explain(sql, arguments)
        return await self._connection.fetch(sql, *arguments)

    async def fetchrow(self, sql: str, *arguments: object) -> Record | None:
        """As the driver's."""
        await self._explain(sql, arguments)
        return await self._connection.fetchrow(sql, *arguments)

    async def _explain(self, sql: str, arguments: tuple[object, ...]) -> None:
        if sql not in self._prepared:
            self._prepared[sql] = f"statement_{len(self._prepared)}"
            await self._connection.execute(f"PREPARE {self._prepared[sql]} AS {sql}")
        literals = ", ".join("NULL" if argument is None else f"'{argument}'" for argument in arguments)
        [[answer]] = await self._connection.fetch(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {self._prepared[sql]} ({literals})"
        )
        self.reads.add(json.loads(answer)[0]["Plan"])


class Lists:
    """The lists of a database, as the store reads them, and plain SQL beside them."""

    def __init__(self, loop: LoopThread, connection: asyncpg.Connection) -> None:
        self._loop = loop
        self._connection = connection
        self._explaining = ExplainingConnection(connection)

    def read(self, page: Callable[[UnitOfWork], Awaitable[list[Any]]]) -> tuple[list[Any], Reads]:
        """A page, and what was read for it."""
        self._explaining.reads = Reads()

        async def run() -> list[Any]:
            return await page(UnitOfWork(cast("Any", self._explaining)))

        return self._loop.run(run()), self._explaining.reads

    def fetch(self, query: str, *arguments: object) -> list[Any]:
        """The first column of a query."""
        return [row[0] for row in self._loop.run(self._connection.fetch(query, *arguments))]


@pytest.fixture(scope="module", params=["planned while empty", "planned when grown"])
def lists(request: pytest.FixtureRequest, loop: LoopThread, new_database: Callable[[], str]) -> Iterator[Lists]:
    """A filled database."""

    async def connect() -> asyncpg.Connection:
        settings = {"plan_cache_mode": "force_generic_plan", "timezone": "UTC"}
        return await asyncpg.connect(new_database_dsn, server_settings=settings)

    new_database_dsn = new_database()
    connection = loop.run(connect())
    lists = Lists(loop, connection)
    for table in ("devices", "pools", "sessions", "streams", "reservations", "audit_events"):
        # Statistics are made where it says so, not in the middle of filling, when they are of a table without rows.
        loop.run(connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)"))
    loop.run(
        connection.execute(
            "INSERT INTO pools (tenant_id, level, pool_id, capacity_kbps, accepting, created_at)"
            " VALUES ($1, 2, 'node', 1000, true, $2)",
            NOBODY,
            START,
        )
    )
    if request.param == "planned while empty":
        for device_id, status in itertools.product((None, DEVICES[0]), STATUSES):
            lists.read(session_page(MIXED, device_id, status, None))
        for device_id in (None, DEVICES[0]):
            lists.read(event_page(AuditFilter(device_id), None))
        lists.read(device_page(None))
        lists.read(live_ids(MIXED, DEVICES[0]))
        lists.read(contenders(DEVICES[0], None))
    loop.run(fill(connection))
    if request.param == "planned when grown":
        loop.run(connection.execute("ANALYZE"))
    yield lists
    loop.run(connection.close())


# Pages.


def session_page(
    tenant_id: UUID, device_id: str | None, status: SessionStatus | None, before_id: UUID | None
) -> Callable[[UnitOfWork], Awaitable[list[Any]]]:
    return lambda work: sessions.list_sessions(work, tenant_id, device_id, status, before_id, LIMIT)


def event_page(matching: AuditFilter, before: Cursor | None) -> Callable[[UnitOfWork], Awaitable[list[Any]]]:
    return lambda work: audit.list_events(work, MIXED, matching, before, LIMIT)


def device_page(before: Cursor | None) -> Callable[[UnitOfWork], Awaitable[list[Any]]]:
    async def read(work: UnitOfWork) -> list[Any]:
        return (await devices.list_devices(work, OTHER, before, LIMIT - 1))[0]

    return read


def live_ids(tenant_id: UUID, device_id: str) -> Callable[[UnitOfWork], Awaitable[list[Any]]]:
    return lambda work: sessions.list_live_session_ids(work, tenant_id, device_id, LIMIT)


def contenders(device_id: str, weaker_than: int | None) -> Callable[[UnitOfWork], Awaitable[list[Any]]]:
    async def read(work: UnitOfWork) -> list[Any]:
        _, found = await sessions.find_contenders(work, MIXED, device_id, weaker_than, 0, CONTENDERS)
        return list(found.sessions)

    return read


# Checks.


def check(reads: Reads) -> None:
    assert reads.rows <= ROWS_MAX
    assert reads.sorted_rows <= LIMIT
    assert reads.blocks <= BLOCKS_MAX


SESSIONS = """
SELECT session_id FROM session_details
WHERE tenant_id = $1
  AND ($2::text IS NULL OR device_id = $2)
  AND ($3::text IS NULL OR status = $3)
  AND ($4::uuid IS NULL OR session_id < $4)
ORDER BY session_id DESC
"""


@pytest.mark.parametrize("start", ["newest", "middle", "last"])
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("device_id", [None, DEVICES[3]])
def test_pages_of_sessions(lists: Lists, device_id: str | None, status: SessionStatus | None, start: str) -> None:
    matching = lists.fetch(SESSIONS, MIXED, device_id, status, None)
    assert len(matching) > 4 * LIMIT
    before_id = {"newest": None, "middle": matching[len(matching) // 2], "last": matching[-2]}[start]
    page, reads = lists.read(session_page(MIXED, device_id, status, before_id))
    expected = lists.fetch(SESSIONS, MIXED, device_id, status, before_id)[:LIMIT]
    assert [session.session_id for session in page] == expected
    assert {len(session.streams) for session in page} == {2}
    assert status is None or {session.status for session in page} == {status}
    check(reads)


@pytest.mark.parametrize("device_id", [None, *DEVICES])
def test_few_live_sessions_among_many_that_have_ended(lists: Lists, device_id: str | None) -> None:
    page, reads = lists.read(session_page(ENDED, device_id, SessionStatus.ACTIVE, None))
    assert [session.session_id for session in page] == lists.fetch(SESSIONS, ENDED, device_id, "active", None)
    assert len(page) == LIVE_AMONG_ENDED if device_id is None else len(page) <= 1
    check(reads)


@pytest.mark.parametrize("device_id", DEVICES)
def test_few_sessions_to_end_among_many_that_have_ended(lists: Lists, device_id: str) -> None:
    page, reads = lists.read(live_ids(ENDED, device_id))
    assert page == lists.fetch(SESSIONS, ENDED, device_id, "active", None)
    check(reads)


@pytest.mark.parametrize("device_id", [None, DEVICES[0]])
@pytest.mark.parametrize("status", STATUSES)
def test_no_sessions(lists: Lists, device_id: str | None, status: SessionStatus | None) -> None:
    page, reads = lists.read(session_page(OTHER, device_id, status, None))
    assert page == []
    check(reads)


EVENTS = """
SELECT event_id FROM audit_events
WHERE tenant_id = $1
  AND ($2::text IS NULL OR device_id = $2)
  AND ($3::text IS NULL OR category = $3)
  AND ($4::timestamptz IS NULL OR at >= $4)
  AND ($5::timestamptz IS NULL OR at < $5)
  AND ($6::timestamptz IS NULL OR (at, event_id) < ($6, $7::uuid))
ORDER BY at DESC, event_id DESC
"""
MOMENTS = [START + timedelta(seconds=seconds) for seconds in (300, 700, 1_100)]


@pytest.mark.parametrize("at", [None, *MOMENTS])
@pytest.mark.parametrize("until", [None, MOMENTS[1], MOMENTS[2] + timedelta(milliseconds=1)])
@pytest.mark.parametrize("since", [None, MOMENTS[0], MOMENTS[2]])
@pytest.mark.parametrize("category", [None, CATEGORIES[0]])
@pytest.mark.parametrize("device_id", [None, DEVICES[3]])
def test_pages_of_events(
    lists: Lists,
    device_id: str | None,
    category: Category | None,
    since: datetime | None,
    until: datetime | None,
    at: datetime | None,
) -> None:
    matching = AuditFilter(device_id, category, since, until)
    before = None
    if at is not None:
        [event_id] = lists.fetch(
            "SELECT event_id FROM audit_events WHERE at = $1 ORDER BY event_id LIMIT 1 OFFSET 1", at
        )
        before = Cursor(at, str(event_id))
    page, reads = lists.read(event_page(matching, before))
    arguments = (device_id, category, since, until, before and before.at, before and before.row_uuid)
    assert [event.event_id for event in page] == lists.fetch(EVENTS, MIXED, *arguments)[:LIMIT]
    check(reads)


DEVICE_IDS = "SELECT device_id FROM devices WHERE tenant_id = $1 ORDER BY registered_at DESC, device_id DESC"


@pytest.mark.parametrize("place", [None, 0, 1_500, 1_501, ROWS - 1])
def test_pages_of_devices(lists: Lists, place: int | None) -> None:
    newest_first = lists.fetch(DEVICE_IDS, OTHER)
    before = None
    if place is not None:
        [at] = lists.fetch(
            "SELECT registered_at FROM devices WHERE tenant_id = $1 AND device_id = $2", OTHER, newest_first[place]
        )
        before = Cursor(at, newest_first[place])
    page, reads = lists.read(device_page(before))
    first = 0 if place is None else place + 1
    assert [device.device_id for device in page] == newest_first[first : first + LIMIT - 1]
    assert {device.pool_kbps for device in page} <= {1000}
    check(reads)


@pytest.mark.parametrize(
    ("metadata_bytes", "first", "shown"),
    [
        (300_000, 0, 3),
        (PAGE_MAX_BYTES // 4, 0, 3),
        (3_000_000, 0, 1),
        (3_000_000, ROWS - 2, 1),
        (3_000_000, ROWS - 1, 1),
    ],
)
def test_no_device_is_read_past_those_that_fill_a_page(
    lists: Lists, metadata_bytes: int, first: int, shown: int
) -> None:
    newest_first = lists.fetch(DEVICE_IDS, OTHER)
    large = newest_first[first : first + LIMIT]
    change = "UPDATE devices SET metadata = $3 WHERE tenant_id = $1 AND device_id = ANY ($2)"
    lists.fetch(change, OTHER, large, json.dumps("x" * (metadata_bytes - 2)))
    before = None
    if first:
        query = "SELECT registered_at FROM devices WHERE tenant_id = $1 AND device_id = $2"
        [at] = lists.fetch(query, OTHER, newest_first[first - 1])
        before = Cursor(at, newest_first[first - 1])
    found: list[bool] = []

    async def read(work: UnitOfWork) -> list[Any]:
        page, has_more = await devices.list_devices(work, OTHER, before, LIMIT)
        found.append(has_more)
        return page

    page, reads = lists.read(read)
    lists.fetch(change, OTHER, large, "{}")
    assert [device.device_id for device in page] == large[:shown]
    assert found == [len(large) > shown]
    assert reads.rows <= shown + 1


POOL_IDS = "SELECT pool_id FROM pools WHERE tenant_id IN ($1, $2) ORDER BY created_at DESC, level DESC, pool_id DESC"


@pytest.mark.parametrize("place", [None, 0, 1_500, 1_501, ROWS - 1])
def test_pages_of_pools(lists: Lists, place: int | None) -> None:
    newest_first = lists.fetch(POOL_IDS, OTHER, NOBODY)
    before = None
    if place is not None:
        [at] = lists.fetch(
            "SELECT created_at FROM pools WHERE tenant_id = $1 AND pool_id = $2", OTHER, newest_first[place]
        )
        before = (at, PoolLevel.DEVICE, newest_first[place])
    page, reads = lists.read(lambda work: pools.list_pools(work, OTHER, before, LIMIT))
    first = 0 if place is None else place + 1
    assert [pool.pool_id for pool, _ in page] == newest_first[first : first + LIMIT]
    check(reads)


@pytest.mark.parametrize("weaker_than", [None, 7])
def test_who_holds_a_pool(lists: Lists, weaker_than: int | None) -> None:
    found, reads = lists.read(contenders(DEVICES[3], weaker_than))
    assert len({each.session_id for each in found}) == len(found) >= 2 * CONTENDERS
    assert {each.device_id for each in found} > {DEVICES[3]}
    assert (ENDED in {each.tenant_id for each in found}) == (weaker_than is not None)
    check(reads)
