"""What pools keep for their children: the statements agree with the planner, kbps for kbps."""

from __future__ import annotations

import asyncio
import random
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg
import pytest

from honeylink.domain.access import Role
from honeylink.domain.admission import Charge, decide
from honeylink.domain.audit import AuditEvent, Category
from honeylink.domain.devices import DeviceStatus
from honeylink.domain.keys import SealedKey
from honeylink.domain.sessions import Mode, Priority, SessionRequest, StreamRequest
from honeylink.errors import BandwidthExceeded
from honeylink.store import sessions as session_store
from honeylink.store.sessions import EndingSession, NewSession
from tests.conftest import run_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from honeylink.domain.admission import Pool
    from honeylink.settings import Settings
    from honeylink.store.sessions import SessionContext
    from tests.conftest import Service

TENANTS = ("acme", "other")
DEVICES = ("device-1", "device-2", "device-3")

# Of tenants too, whose claims follow from those of their devices.
WITHHOLD = """
WITH tenant AS (
    UPDATE pools AS tenant SET withheld_kbps = coalesce((
        SELECT sum(claim_kbps(device)) FROM pools AS device
        WHERE device.tenant_id = tenant.tenant_id AND device.level = 0 AND device.charge = tenant.charge
    ), 0)
    WHERE level = 1
    RETURNING claim_kbps(tenant) AS claim_kbps, charge
)
UPDATE pools AS node
SET withheld_kbps = coalesce((SELECT sum(claim_kbps) FROM tenant WHERE tenant.charge = node.charge), 0)
WHERE level = 2
"""


@pytest.fixture(scope="module")
def shared(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    with run_service(make_settings(node_pool_kbps=10**6, expiry_interval_seconds=3600)) as service:
        for tenant in TENANTS:
            operator = service.token(role=Role.OPERATOR, tenant=tenant)
            for device in DEVICES:
                service.new_device(operator=operator, device_id=device)
        yield service


class Expected:
    """The pools of some tenants, and sessions that are opened and ended in them by the store alone."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._database = service.services.database
        self._tenants = {
            row["name"]: row
            for row in service.fetch("SELECT name, tenant_id, dek_id FROM tenants JOIN data_keys USING (tenant_id)")
        }

    def reset(self, rng: random.Random, charges: list[Charge]) -> None:
        """Pools of any shares that fit into each other."""
        self._service.fetch("UPDATE pools SET withheld_kbps = 0, draining_kbps = 0, guaranteed_kbps = NULL")
        for level in (0, 1, 2):
            for row in self._service.fetch("SELECT tenant_id, pool_id FROM pools WHERE level = $1", level):
                capacity = rng.randint(0, 400 * 3**level)
                guaranteed = rng.choice([None, rng.randint(0, 130 * 2**level)]) if level < 2 else None
                self._service.fetch(
                    "UPDATE pools SET capacity_kbps = $4, charge = $5, guaranteed_kbps = $6, borrow_limit_kbps = $7,"
                    " lend_limit_kbps = $8, draining_kbps = 10000"
                    " WHERE tenant_id = $1 AND level = $2 AND pool_id = $3",
                    row["tenant_id"],
                    level,
                    row["pool_id"],
                    capacity,
                    rng.choice(charges),
                    guaranteed,
                    rng.choice([None, rng.randint(0, 400)]),
                    rng.choice([None, 0, rng.randint(0, 130)]),
                )
        self._service.fetch(WITHHOLD)
        self._service.fetch("UPDATE pools AS pool SET draining_kbps = greatest(0, withheld_kbps - ceiling_kbps(pool))")

    def contexts(self, devices: list[tuple[UUID, str]]) -> dict[tuple[UUID, str], SessionContext]:
        async def read() -> dict[tuple[UUID, str], SessionContext]:
            async with self._database.work() as work:
                return await session_store.find_session_contexts(work, set(devices))

        return self._service.loop.run(read())

    def any_ask(self, rng: random.Random) -> tuple[UUID, SessionRequest]:
        streams = tuple(
            StreamRequest(f"s{n}", Mode.RELIABLE, rng.choice(list(Priority)), rng.randint(1, 60))
            for n in range(rng.randint(1, 3))
        )
        return self._tenants[rng.choice(TENANTS)]["tenant_id"], SessionRequest(rng.choice(DEVICES), streams, 3600)

    def new(self, tenant_id: UUID, request: SessionRequest, path: tuple[Pool, ...], *, planned: bool) -> NewSession:
        """A session as the planner admits it; or, where it does not, as if there had been room."""
        if not planned:
            path = tuple(_boundless(pool) for pool in path)
        context = self.contexts([(tenant_id, request.device_id)])[tenant_id, request.device_id]
        ids = [uuid4() for _ in request.streams]
        streams = decide(request, context.device_status, path, ids, 16).streams
        event = AuditEvent(uuid4(), tenant_id, Category.SESSION_CREATION, {}, "")
        [dek_id] = [row["dek_id"] for row in self._tenants.values() if row["tenant_id"] == tenant_id]
        deadline = datetime.now(UTC) + timedelta(minutes=5)
        return NewSession(uuid4(), request, streams, path[1].pool_id, SealedKey(dek_id, b"", b""), deadline, event)

    def charges(self, request: SessionRequest, path: Sequence[Pool]) -> tuple[tuple[int, int], ...]:
        return decide(request, DeviceStatus.PAIRED, path, [uuid4() for _ in request.streams], 16).charges

    def create(self, sessions: list[NewSession]) -> list[NewSession]:
        """Store them; returns those that were."""

        async def write() -> set[UUID]:
            async with self._database.work() as work:
                return set(await session_store.create_sessions(work, sessions, "quic://127.0.0.1"))

        stored = self._service.loop.run(write())
        return [session for session in sessions if session.session_id in stored]

    def end(self, sessions: list[NewSession]) -> None:
        async def write() -> int:
            async with self._database.work() as work:
                ending = [EndingSession(each.event.tenant_id, each.session_id, uuid4()) for each in sessions]
                return len(await session_store.end_sessions(work, ending, reason="test", actor="test", trace_id=""))

        assert self._service.loop.run(write()) == len(sessions)

    def check(self) -> None:
        reconciled = self._service.loop.run(self._service.services.operations.check_pools())
        assert [each for each in reconciled if not each.reconciles] == []
        assert self._service.fetch("SELECT FROM pools WHERE draining_kbps > 0 AND reserved_kbps > 0") == []


def _boundless(pool: Pool) -> Pool:
    return replace(pool, capacity_kbps=10**9, borrow_limit_kbps=None)


@pytest.mark.parametrize("charges", [[Charge.PAYLOAD], [Charge.WIRE], list(Charge)], ids=["payload", "wire", "mixed"])
@pytest.mark.parametrize("seed", range(6))
def test_groups_are_stored_as_they_were_planned(shared: Service, seed: int, charges: list[Charge]) -> None:
    """What the planner admits is stored; what it does not admit is not, nor disturbs the rest."""
    rng = random.Random(seed)
    expected = Expected(shared)
    expected.reset(rng, charges)
    live: list[NewSession] = []
    for _ in range(8):
        asks = [expected.any_ask(rng) for _ in range(rng.choice([1, rng.randint(2, 8)]))]  # one has its own statement
        paths = {key: each.path for key, each in expected.contexts([(t, r.device_id) for t, r in asks]).items()}
        after: dict[str, Pool] = {}
        planned: list[NewSession] = []
        wanted: NewSession | None = None
        for tenant_id, request in asks:
            path = tuple(after.get(pool.key, pool) for pool in paths[tenant_id, request.device_id])
            try:
                new = expected.new(tenant_id, request, path, planned=True)
            except BandwidthExceeded:
                wanted = expected.new(tenant_id, request, path, planned=False)
                continue
            planned.append(new)
            after |= {
                pool.key: pool.with_charge(*charge)
                for pool, charge in zip(path, expected.charges(request, path), strict=True)
            }
        place = rng.randint(0, len(planned))
        group = planned if wanted is None else [*planned[:place], wanted, *planned[place:]]
        stored = expected.create(group)
        expected.check()
        assert all(each in stored for each in planned[:place])
        if wanted is not None and wanted in stored:
            assert place < len(planned)
            expected.end([wanted])
        # Behind one that found no room some may have to ask again, and then there is room.
        missing = [each for each in planned if each not in stored]
        assert expected.create(missing) == missing
        stored = planned
        expected.check()
        live += stored
        rng.shuffle(live)
        ending, live = live[: len(live) // 2], live[len(live) // 2 :]
        expected.end(ending)
        expected.check()
    expected.end(live)
    expected.check()


def test_pools_that_change_while_their_locks_are_awaited_are_found_all_the_same(shared: Service) -> None:
    expected = Expected(shared)
    expected.reset(random.Random(1), [Charge.PAYLOAD])
    shared.fetch(
        "UPDATE pools SET guaranteed_kbps = NULL, borrow_limit_kbps = NULL, capacity_kbps = 100000, withheld_kbps = 0,"
        " draining_kbps = 0"
    )
    tenant_id, request = expected.any_ask(random.Random(2))
    # As many as make the planner look them up by a join that it would not take for a few.
    shared.fetch(
        "INSERT INTO pools (tenant_id, level, pool_id, capacity_kbps, accepting)"
        " SELECT tenant_id, 0, 'more-' || n, 1, true FROM tenants CROSS JOIN generate_series(1, 5000) AS n"
        " WHERE name = ANY ($1)",
        TENANTS,
    )
    shared.fetch("ANALYZE pools")
    path = expected.contexts([(tenant_id, request.device_id)])[tenant_id, request.device_id].path
    new = expected.new(tenant_id, request, path, planned=True)
    with all_pools_changing(shared):
        assert expected.create([new]) == [new]
    expected.check()
    with all_pools_changing(shared):
        expected.end([new])
    expected.check()


@contextmanager
def all_pools_changing(service: Service) -> Iterator[None]:
    """Hold all pools until a statement waits for one, and leave them as new versions of their rows."""

    async def change(connection: asyncpg.Connection[asyncpg.Record]) -> None:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        async with asyncio.timeout(30):
            while not await connection.fetchval(waiting):  # noqa: ASYNC110 - a lock that is awaited is no event
                await asyncio.sleep(0.01)
        await connection.execute("COMMIT")
        await connection.close()

    async def hold() -> asyncpg.Connection[asyncpg.Record]:
        connection = await asyncpg.connect(service.dsn)
        await connection.execute("BEGIN; UPDATE pools SET reserved_kbps = reserved_kbps")
        return connection

    changing = asyncio.run_coroutine_threadsafe(change(service.loop.run(hold())), service.loop._loop)
    yield
    changing.result(30)
