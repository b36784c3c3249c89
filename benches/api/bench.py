"""What the steps of a run share: where it happens, how long it may take, and what it has found so far."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import asyncpg

from benches.api.population import populate
from benches.api.results import Row
from benches.api.servers import (
    cpu_seconds,
    dsn,
    family_cpu_seconds,
    machine_cpu_seconds,
    own_cpu_seconds,
    postmaster_pid,
    worker,
)

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    from benches.api.population import Population
    from benches.api.results import Load
    from benches.api.servers import Worker

OPEN_CONNECTIONS = 128
LIGHT_PER_SECOND = 100.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure, and for how long."""

    quick: bool
    tenants: int
    devices_per_tenant: int
    rounds: int
    step_seconds: float
    open_rounds: int
    open_seconds: float
    profile_seconds: int
    profile_connections: tuple[int, ...]
    overload_seconds: float
    live_sessions_rounds: int
    live_sessions_step_seconds: float
    memory_creates: int


FULL = Plan(
    quick=False,
    tenants=50,
    devices_per_tenant=100,
    rounds=2,
    step_seconds=8,
    open_rounds=3,
    open_seconds=40,
    profile_seconds=15,
    profile_connections=(8, 32),
    overload_seconds=120,
    live_sessions_rounds=10,
    live_sessions_step_seconds=4,
    memory_creates=1_000_000,
)
QUICK = Plan(
    quick=True,
    tenants=50,
    devices_per_tenant=20,
    rounds=1,
    step_seconds=3,
    open_rounds=1,
    open_seconds=15,
    profile_seconds=4,
    profile_connections=(8,),
    overload_seconds=15,
    live_sessions_rounds=2,
    live_sessions_step_seconds=3,
    memory_creates=0,
)


@dataclass(slots=True)
class Bench:
    """A data directory with its workers and its population, and the rows that were measured there."""

    plan: Plan
    data_dir: Path
    work_dir: Path
    population: Population
    workers: list[Worker]
    _stack: ExitStack
    rows: dict[str, Row] = field(default_factory=dict)

    @property
    def ports(self) -> list[int]:
        return [each.port for each in self.workers]

    def add_worker(self) -> None:
        """Serve by one more process."""
        self.workers.append(self._stack.enter_context(worker(self.data_dir, len(self.workers) + 1)))

    def step(self, name: str, clients: str, connections: int, work: Callable[[], Load]) -> Row:
        """Do a piece of work between two looks at the CPU, and check what the database says of it."""
        row = self.rows.setdefault(f"{name} {clients}", Row(name, clients))
        postmaster = postmaster_pid(self.data_dir)
        self._settle()
        stored = self.query("SELECT count(*) FROM sessions")
        before = self._cpu(postmaster)
        found = work()
        machine, own, postgres, servers = (now - then for now, then in zip(self._cpu(postmaster), before, strict=True))
        row.add(found, servers, postgres, max(machine - own - postgres - servers, 0))
        say(f"  {name}, {clients}: {found.per_second:,.0f}/s, p99 {found.percentile_ms(99):.1f} ms", found.others)
        stored = self.query("SELECT count(*) FROM sessions") - stored
        # Requests that were under way when the time was up are stored, but wrk doesn't wait for them.
        if not found.answered <= stored <= found.answered + found.others.total() + connections:
            raise RuntimeError(f"expected {found.answered} new sessions in the database, found {stored}")
        return row

    def _settle(self) -> None:
        """Wait for what an earlier step left under way."""
        busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%INSERT INTO sessions%'"
        deadline = time.monotonic() + 5
        while self.query(f"{busy} AND pid <> pg_backend_pid()") and time.monotonic() < deadline:
            time.sleep(0.05)

    def _cpu(self, postmaster: int) -> tuple[float, ...]:
        servers = sum(cpu_seconds(each.pid) for each in self.workers)
        return machine_cpu_seconds(), own_cpu_seconds(), family_cpu_seconds(postmaster), servers

    def query(self, *statements: str) -> Any:
        """The value of the last statement."""

        async def ask() -> Any:
            connection = await asyncpg.connect(dsn(self.data_dir))
            try:
                return [await connection.fetchval(statement) for statement in statements][-1]
            finally:
                await connection.close()

        return asyncio.run(ask())


@contextmanager
def serving(plan: Plan) -> Iterator[Bench]:
    """One worker over an empty database with a population, in a directory of its own, which goes at the end."""
    with TemporaryDirectory(prefix="honeylink-bench-") as place, ExitStack() as stack:
        data_dir = Path(place) / "data"
        data_dir.mkdir(mode=0o700)
        say("Starting `honeylink serve` with an embedded database")
        first = stack.enter_context(worker(data_dir, 1))
        say(f"Pairing {plan.tenants * plan.devices_per_tenant:,} devices of {plan.tenants} tenants")
        population = asyncio.run(populate(data_dir, plan.tenants, plan.devices_per_tenant))
        yield Bench(plan, data_dir, Path(place), population, [first], stack)


def say(text: str, others: Counter[str] | None = None) -> None:
    """A line for who waits; with what was not as it should be, if anything."""
    odd = "".join(f", {count} x {status}" for status, count in (others or {}).items())
    print(text + odd, flush=True)
