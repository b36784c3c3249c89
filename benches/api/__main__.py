"""Runs the steps, writes the tables of benches/README.md and the chart benches/api.svg."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from benches.api import load, pgbench, report
from benches.api.population import Device, populate
from benches.api.results import Load, Row
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
    from collections.abc import Callable, Sequence

    from benches.api.servers import Worker

CLIENTS = (1, 8, 32)
OPEN_CONNECTIONS = 128
LIGHT_PER_SECOND = 100.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure."""

    tenants: int
    devices_per_tenant: int
    rounds: int
    step_seconds: float
    open_seconds: float


FULL = Plan(tenants=50, devices_per_tenant=100, rounds=2, step_seconds=8, open_seconds=40)
QUICK = Plan(tenants=50, devices_per_tenant=20, rounds=1, step_seconds=4, open_seconds=12)


@dataclass(slots=True)
class Bench:
    """The run: its place, its population, and what it has found so far."""

    plan: Plan
    data_dir: Path
    work_dir: Path
    devices: list[Device] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)

    def step(self, name: str, clients: str, work: Callable[[], Load]) -> Row:
        """Do a piece of work between two looks at the CPU, and check what the database says of it."""
        row = self.rows.setdefault(f"{name} {clients}", Row(name, clients))
        postmaster = postmaster_pid(self.data_dir)
        stored = self.query("SELECT count(*) FROM sessions")
        before = self._cpu(postmaster)
        found = work()
        machine, own, postgres, servers = (now - then for now, then in zip(self._cpu(postmaster), before, strict=True))
        row.add(found, servers, postgres, max(machine - own - postgres - servers, 0))
        say(f"  {name}, {clients}: {found.per_second:,.0f}/s, p99 {found.percentile_ms(99):.1f} ms", found.others)
        stored = self.query("SELECT count(*) FROM sessions") - stored
        # Requests that were under way when the time was up are stored, but wrk doesn't wait for them.
        if not found.created <= stored <= found.created + found.others.total() + OPEN_CONNECTIONS:
            raise RuntimeError(f"expected {found.created} new sessions in the database, found {stored}")
        return row

    def _cpu(self, postmaster: int) -> tuple[float, ...]:
        servers = sum(cpu_seconds(each.pid) for each in self.workers)
        return machine_cpu_seconds(), own_cpu_seconds(), family_cpu_seconds(postmaster), servers

    def serve(self, connections: int, devices: Sequence[Device], name: str) -> Row:
        """wrk, over all workers there are."""
        ports, seconds = [each.port for each in self.workers], self.plan.step_seconds
        return self.step(
            name,
            f"{connections}",
            lambda: load.closed_loop(ports, devices, self.work_dir, connections=connections, seconds=seconds),
        )

    def pgbench(self, clients: int, tenants: int, name: str) -> Row:
        """The statement alone."""
        text = pgbench.script(tenants, self.plan.devices_per_tenant)
        where, seconds = dsn(self.data_dir), self.plan.step_seconds
        return self.step(
            name,
            f"{clients}",
            lambda: pgbench.run(where, self.work_dir, text, clients=clients, seconds=seconds),
        )

    def schedule(self, per_second: float, name: str) -> Row:
        """Open loop, over all workers there are."""
        ports, seconds = [each.port for each in self.workers], self.plan.open_seconds
        return self.step(
            name,
            f"{per_second:,.0f}/s",
            lambda: load.drive(
                ports, self.devices, connections=OPEN_CONNECTIONS, seconds=seconds, per_second=per_second
            ),
        )

    def statements_per_create(self, connections: int) -> float:
        """Statements of server and create, counted in PostgreSQL's own log of them.

        Each is one round trip: the driver prepares it once for a connection and then only executes.
        """
        log = self.data_dir / "postgres.log"
        ports = [each.port for each in self.workers]
        self.query("ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()")
        time.sleep(0.2)
        begin = log.stat().st_size
        try:
            found = load.closed_loop(ports, self.devices, self.work_dir, connections=connections, seconds=2)
        finally:
            self.query("ALTER SYSTEM RESET log_statement", "SELECT pg_reload_conf()")
        with log.open("rb") as lines:
            lines.seek(begin)
            statements = sum(b"LOG:  execute " in line or b"LOG:  statement: " in line for line in lines)
        say(f"  statements, {connections} connections: {statements:,} for {found.created:,} sessions", found.others)
        return statements / found.created

    def query(self, *statements: str) -> Any:
        """The value of the last statement."""

        async def ask() -> Any:
            connection = await asyncpg.connect(dsn(self.data_dir))
            try:
                return [await connection.fetchval(statement) for statement in statements][-1]
            finally:
                await connection.close()

        return asyncio.run(ask())


def say(text: str, others: Counter[str] | None = None) -> None:
    """A line for who waits; with what was not as it should be, if anything."""
    odd = "".join(f", {count} x {status}" for status, count in (others or {}).items())
    print(text + odd, flush=True)


def run(bench: Bench, stack: ExitStack) -> report.Findings:
    """All steps, in order."""
    plan = bench.plan
    say("Starting `honeylink serve` with an embedded database")
    bench.workers.append(stack.enter_context(worker(bench.data_dir, 1)))
    say(f"Pairing {plan.tenants * plan.devices_per_tenant:,} devices of {plan.tenants} tenants")
    bench.devices = asyncio.run(populate(bench.data_dir, plan.tenants, plan.devices_per_tenant))
    hot = [device for device in bench.devices if device.tenant == 1]
    statements: dict[int, float] = {}
    for workers in (1, 2):
        name = f"{workers} worker{'s' * (workers > 1)}"
        if workers > len(bench.workers):
            say("Starting a second `honeylink serve`")
            bench.workers.append(stack.enter_context(worker(bench.data_dir, 2)))
        say(f"Warming up, {name}")
        ports = [each.port for each in bench.workers]
        load.closed_loop(ports, bench.devices, bench.work_dir, connections=8, seconds=3)
        say(f"Closed loop, {name} and pgbench in turns, {plan.step_seconds:.0f} s each")
        for _ in range(plan.rounds):
            # One connection reaches one worker only.
            for clients in CLIENTS[workers - 1 :]:
                bench.serve(clients, bench.devices, name)
                bench.pgbench(clients, plan.tenants, "pgbench")
        if workers == 1:
            say("Counting statements, 1 worker")
            statements = {clients: bench.statements_per_create(clients) for clients in CLIENTS}
    say("All sessions in one tenant")
    for _ in range(plan.rounds):
        bench.serve(32, hot, "2 workers, one tenant")
        bench.pgbench(32, 1, "pgbench, one tenant")
    best = max(
        (row for row in bench.rows.values() if row.name in {"1 worker", "2 workers"}), key=lambda r: r.best_per_second
    )
    if best.name == "1 worker":
        del bench.workers[1:]
    say(f"Open loop, {best.name}, {plan.open_seconds:.0f} s each")
    half = bench.schedule(best.best_per_second / 2, f"{best.name}, half of its maximum")
    light = bench.schedule(LIGHT_PER_SECOND, f"{best.name}, light load")
    check_pools(bench)
    return report.Findings(list(bench.rows.values()), statements, half, light)


def check_pools(bench: Bench) -> None:
    """Each pool must count exactly what live sessions hold of it."""
    off = bench.query(
        "SELECT count(*) FROM pools AS pool WHERE reserved_kbps <> (SELECT coalesce(sum(held.reserved_kbps), 0) "
        "FROM (SELECT pool_tenant_id, level, pool_id, sum(reserved_kbps) AS reserved_kbps FROM reservations "
        "GROUP BY pool_tenant_id, level, pool_id) AS held WHERE held.pool_tenant_id = pool.tenant_id "
        "AND held.level = pool.level AND held.pool_id = pool.pool_id)"
    )
    if off:
        raise RuntimeError(f"expected every pool to count what its sessions hold, found {off} that don't")


def main() -> None:
    """Run in a directory of its own, which goes at the end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the servers end with us
    if load.WRK is None:
        say("wrk was not found; get it with: apt install wrk (Debian package wrk). Using the slower built-in driver.")
    plan = QUICK if os.environ.get("QUICK", "0") not in {"", "0"} else FULL
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="honeylink-bench-") as place, ExitStack() as stack:
        bench = Bench(plan, Path(place) / "data", Path(place))
        bench.data_dir.mkdir(mode=0o700)
        findings = run(bench, stack)
    report.write(findings, quick=plan is QUICK)
    say(f"Done in {time.monotonic() - started:.0f} s")
    print(report.summary(findings))


if __name__ == "__main__":
    main()
