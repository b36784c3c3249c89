"""Two services that meet at a lock: the first is held just before it commits, and what is left must hold together."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import asyncpg

from honeylink.domain.access import Role
from honeylink.errors import DependencyUnavailable, NotFound, ServiceError
from honeylink.services.pools import set_node_pool
from honeylink.services.runtime import open_services
from tests.races import operations as ops
from tests.races.operations import Scene, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from honeylink.services.runtime import Services
    from honeylink.settings import Settings
    from honeylink.store.database import UnitOfWork

GATE = 42
# A transaction of the held connection waits at its end, with all its locks, for the gate to open.
HOLD = f"""
CREATE TABLE held_backend (pid integer);
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF EXISTS (SELECT FROM held_backend WHERE pid = pg_backend_pid()) THEN
        PERFORM pg_advisory_xact_lock({GATE});
    END IF;
    RETURN NULL;
END
$$;
"""
HASTEN = """
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$
"""
HELD_TABLES = ("audit_events", "devices", "pools", "tokens", "tenants")
HOLD_TABLE = """
CREATE CONSTRAINT TRIGGER hold AFTER INSERT OR UPDATE ON {} DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION hold()
"""
# So that one scene leaves nothing for the next to meet.
CLEAR = """
DELETE FROM reservations;
UPDATE sessions SET status = 'terminated', ended_at = now() WHERE ended_at IS NULL;
UPDATE devices SET drained_at = now() WHERE status = 'revoked';
UPDATE pools SET reserved_kbps = 0, withheld_kbps = 0, draining_kbps = 0, guaranteed_kbps = NULL;
DELETE FROM pools WHERE level = 2;
"""

# A device as a process leaves it that dies while it revokes.
LEAVE_DRAINING = """
WITH device AS (
    UPDATE devices SET status = 'revoked', revoked_at = now() WHERE tenant_id = $1 AND device_id = $2
),
token AS (
    UPDATE tokens SET revoked_at = now() WHERE tenant_id = $1 AND device_id = $2
)
UPDATE pools SET accepting = false WHERE tenant_id = $1 AND pool_id = $2
"""
# Pools whose children are guaranteed more than they may ever give.
BROKEN_PROMISES = """
WITH share AS (
    SELECT tenant_id, level, pool_id, least(coalesce(guaranteed_kbps, 0), capacity_kbps) AS kbps, ceiling_kbps(pool)
    FROM pools AS pool
),
tenant AS (
    SELECT tenant.tenant_id, tenant.ceiling_kbps, sum(device.kbps) AS children_kbps,
           greatest(tenant.kbps, sum(device.kbps)) AS kbps
    FROM share AS tenant
    JOIN share AS device ON device.tenant_id = tenant.tenant_id AND device.level = 0
    WHERE tenant.level = 1
    GROUP BY tenant.tenant_id, tenant.ceiling_kbps, tenant.kbps
)
SELECT tenant_id FROM tenant WHERE children_kbps > ceiling_kbps
UNION ALL
SELECT node.tenant_id FROM share AS node WHERE level = 2 AND ceiling_kbps < (SELECT sum(kbps) FROM tenant)
"""
# What a revoked device still has; a sweep may not have come by yet for one that was left draining.
LEFT_OVER = f"""
SELECT device_id FROM devices JOIN tokens USING (tenant_id, device_id)
WHERE tenant_id = $1 AND devices.status = 'revoked' AND tokens.revoked_at IS NULL
UNION ALL
SELECT device_id FROM devices JOIN sessions USING (tenant_id, device_id)
WHERE tenant_id = $1 AND devices.status = 'revoked' AND sessions.ended_at IS NULL
  AND (device_id <> '{ops.DRAINING}' OR devices.drained_at IS NOT NULL)
"""
# Of a tenant and of the node since it was made, by pool and in their order, beside what the pool now is.
POOL_EVENTS = """
SELECT pool.level || ':' || pool.pool_id AS pool, event.details, to_json(pool) AS now
FROM pools AS pool
JOIN audit_events AS event ON event.tenant_id = pool.tenant_id AND event.category = 'pool-change'
    AND event.outcome = 'success' AND event.at >= pool.created_at
    AND split_part(event.details ->> 'pool', ':', 2) = pool.pool_id
WHERE pool.tenant_id = $1 OR pool.level = 2
ORDER BY pool.level, pool.pool_id, event.at, event.event_id
"""

BETWEEN_STATEMENTS: ContextVar[Callable[[], Awaitable[None]] | None] = ContextVar("between_statements", default=None)
"""What the operation at hand is interrupted by, after each of its statements."""

_numbers = itertools.count(1)


class Arena:
    """Two services on one database, each with one connection, and a gate that can hold what the first commits."""

    def __init__(self, owner: asyncpg.Connection, gate: asyncpg.Connection, first: Services, second: Services) -> None:
        self.owner = owner
        self._gate = gate
        self.first = first
        self.second = second
        self._pids = {id(first): 0, id(second): 0}

    async def prepare(self) -> None:
        """Lay the triggers, and learn which connection is whose."""
        await self.owner.execute(HOLD)
        for table in HELD_TABLES:
            await self.owner.execute(HOLD_TABLE.format(table))
        for services in (self.first, self.second):
            async with services.database.work() as work:
                self._pids[id(services)] = await work._connection.fetchval("SELECT pg_backend_pid()")
        await self.owner.execute("INSERT INTO held_backend VALUES ($1)", self._pids[id(self.first)])

    async def race(self, first: Awaitable[Any], second: Awaitable[Any]) -> tuple[Any, Any]:
        """Run the first until it would commit, the second until it waits or is done, then both to their ends."""
        await self._gate.execute(f"SELECT pg_advisory_lock({GATE})")
        try:
            held = asyncio.ensure_future(outcome_of(first))
            await self.until_stuck(self.first, held)
            waiting = asyncio.ensure_future(outcome_of(second))
            await self.until_stuck(self.second, waiting)
        finally:
            await self._gate.execute(f"SELECT pg_advisory_unlock({GATE})")
        return await held, await waiting

    async def interrupt(
        self, second: Callable[[], Awaitable[Any]], first: Callable[[], Awaitable[Any]], after: int
    ) -> tuple[Any, Any] | None:
        """Run the first, until it is done or waits, after so many statements of the second; None past its end."""
        started: list[asyncio.Future[Any]] = []
        statements = itertools.count(1)

        async def between() -> None:
            if next(statements) == after:
                started.append(asyncio.ensure_future(outcome_of(first())))
                await self.until_stuck(self.first, started[0])

        token = BETWEEN_STATEMENTS.set(between)
        waiting = asyncio.ensure_future(outcome_of(second()))
        BETWEEN_STATEMENTS.reset(token)
        outcome = await waiting
        return (await started[0], outcome) if started else None

    async def until_stuck(self, services: Services, task: asyncio.Future[Any]) -> None:
        """Return when these services wait for a lock, or the task is done."""
        stuck = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)"
        while not task.done() and not await self.owner.fetchval(stuck, self._pids[id(services)]):
            pass


async def outcome_of(act: Awaitable[Any]) -> Any:
    try:
        return await act
    except DependencyUnavailable:  # a deadlock is one
        raise
    except ServiceError as refusal:
        return refusal


def interruptible(method: Any) -> Any:
    """A unit of work's method that lets others in after its statement."""

    async def call(self: UnitOfWork, statement: str, **parameters: object) -> Any:
        result = await method(self, statement, **parameters)
        between = BETWEEN_STATEMENTS.get()
        if between is not None:
            # Not in what is run in between.
            token = BETWEEN_STATEMENTS.set(None)
            try:
                await between()
            finally:
                BETWEEN_STATEMENTS.reset(token)
        return result

    return call


@asynccontextmanager
async def open_arena(settings: Settings) -> AsyncIterator[Arena]:
    """Services of these settings, which have one connection each, and triggers in their database."""
    assert settings.database_dsn is not None
    dsn = settings.database_dsn.get_secret_value()
    owner, gate = [await asyncpg.connect(dsn) for _ in range(2)]
    # Nothing here outlives a crash, and hundreds of scenes are set.
    await owner.execute(HASTEN)
    async with open_services(settings) as first, open_services(settings) as second:
        arena = Arena(owner, gate, first, second)
        await arena.prepare()
        yield arena
    await owner.close()
    await gate.close()


async def set_scene(arena: Arena, state: State, *, node: bool) -> Scene:
    """A tenant whose device stands so; if it is paired its pool is nearly full, and something is due and draining."""
    await arena.owner.execute(CLEAR)
    services = arena.second
    name = f"tenant-{next(_numbers)}"
    token = await services.tenants.create_token(name, Role.OPERATOR, ops.TOKEN)
    scene = Scene(name, token.tenant_id, state)
    if node:
        await set_node_pool(services.database, ops.pool_change(ops.NODE_KBPS))
    await services.devices.register(scene.caller(), ops.registration(ops.SIBLING, 500))
    await services.pools.change_device_pool(
        scene.caller(), ops.SIBLING, ops.pool_change(500, guaranteed_kbps=200, lend_limit_kbps=0)
    )
    if state is not State.ABSENT:
        scene.device = await ops.register(services, scene, 0)
    if state is State.PAIRED:
        await _fill(arena, services, scene)
    return scene


async def _fill(arena: Arena, services: Services, scene: Scene) -> None:
    await ops.pair(services, scene, 0)
    await services.pools.change_device_pool(scene.caller(), ops.DEVICE, ops.pool_change(1000))
    scene.session = await services.sessions.open(scene.caller(), ops.request(ops.DEVICE, 300))
    await services.sessions.open(scene.caller(), ops.request(ops.DEVICE, 500, min_kbps=150))
    due = await services.sessions.open(scene.caller(), ops.request(ops.DEVICE, 50))
    await arena.owner.execute("UPDATE sessions SET expires_at = now() WHERE session_id = $1", due.session_id)
    draining = await services.devices.register(scene.caller(), ops.registration(ops.DRAINING, 500))
    itself = scene.caller(Role.DEVICE, ops.DRAINING)
    await services.devices.pair(itself, ops.DRAINING, draining.pairing_code)
    await services.sessions.open(scene.caller(), ops.request(ops.DRAINING, 50))
    await arena.owner.execute(LEAVE_DRAINING, scene.tenant_id, ops.DRAINING)


# What must hold after.


async def check(arena: Arena, scene: Scene, outcomes: dict[Any, Any]) -> None:
    reconciled = await arena.second.operations.check_pools()
    assert [each for each in reconciled if not each.reconciles] == []
    assert await arena.owner.fetch(BROKEN_PROMISES) == []
    assert await arena.owner.fetch(LEFT_OVER, scene.tenant_id) == []
    await check_device(arena, scene, outcomes)
    await check_pool_events(arena, scene)


async def check_device(arena: Arena, scene: Scene, outcomes: dict[Any, Any]) -> None:
    """What was answered is what is stored, and the trail tells the device's life in its order."""
    rows = await arena.owner.fetch(
        "SELECT status FROM devices WHERE tenant_id = $1 AND device_id = $2", scene.tenant_id, ops.DEVICE
    )
    status = rows[0]["status"] if rows else None
    revoked = outcomes.get(ops.revoke)
    if revoked is not None:
        assert isinstance(revoked, NotFound) or revoked.status == "revoked"
        assert (status == "revoked") == (not isinstance(revoked, NotFound))
    live = await arena.owner.fetch(
        "SELECT token_id FROM tokens WHERE tenant_id = $1 AND device_id = $2 AND revoked_at IS NULL",
        scene.tenant_id,
        ops.DEVICE,
    )
    assert len(live) == (status in {"pending", "paired"})
    assert {row["token_id"] for row in live} <= {token.token_id for token in scene.tokens}
    events = await arena.owner.fetch(
        "SELECT category FROM audit_events WHERE tenant_id = $1 AND device_id = $2 AND outcome = 'success'"
        " AND (category LIKE 'device-%' OR category = 'session-creation') ORDER BY at, event_id",
        scene.tenant_id,
        ops.DEVICE,
    )
    categories = [row["category"] for row in events]
    # A session is created only while its device is paired.
    assert "session-creation" not in itertools.takewhile(lambda each: each != "device-pairing", categories)
    assert "session-creation" not in itertools.dropwhile(lambda each: each != "device-revocation", categories)
    life = "".join(each.removeprefix("device-")[:3] + " " for each in categories if each.startswith("device-"))
    assert re.fullmatch(r"(reg )*(pai )?(rev )?", life)
    assert status == {"": None, "reg": "pending", "pai": "paired", "rev": "revoked"}[life.strip()[-3:]]


async def check_pool_events(arena: Arena, scene: Scene) -> None:
    """Each change of a pool begins where the one before it ended, and the last one tells what the pool is."""
    rows = await arena.owner.fetch(POOL_EVENTS, scene.tenant_id)
    events = [(row["pool"], json.loads(row["details"]), json.loads(row["now"])) for row in rows]
    for _, group in itertools.groupby(events, key=lambda event: event[0]):
        changes = [(details.pop("was"), details, now) for _, details, now in group]
        for (_, before, _), (was, _, _) in itertools.pairwise(changes):
            assert was == {name: before[name] for name in was}
        was, after, now = changes[-1]
        assert {name: after[name] for name in was} == {name: now[name] for name in was}
