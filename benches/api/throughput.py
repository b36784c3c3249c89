"""How many sessions a second the service opens, beside pgbench; and how long one takes at a fixed rate."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benches.api import pgbench, profile, wrk
from benches.api.bench import LIGHT_PER_SECOND, OPEN_CONNECTIONS, say
from benches.api.driver import drive
from benches.api.messages import creates
from benches.api.servers import dsn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benches.api.bench import Bench
    from benches.api.parts import Shares
    from benches.api.population import Device
    from benches.api.results import Row

CLIENTS = (1, 8, 32)


@dataclass(frozen=True, slots=True)
class Throughput:
    """What these steps found."""

    rows: Sequence[Row]
    statements_per_create: Mapping[int, float]
    shares: Mapping[int, Shares]
    """Of the CPU of one worker, by connections; empty if it could not be profiled."""
    best: Row
    """At 32 connections, the faster of one worker and two."""
    half: Row
    light: Row

    def best_per_second(self, names: set[str], clients: str) -> float:
        """The best round of any of these."""
        return max(row.best_per_second for row in self.rows if row.name in names and row.clients == clients)


def measure(bench: Bench) -> Throughput:
    """All steps, in order; leaves as many workers as did best."""
    plan = bench.plan
    everybody = bench.population.devices
    statements: dict[int, float] = {}
    shares: dict[int, Shares] = {}
    for workers in (1, 2):
        name = f"{workers} worker{'s' * (workers > 1)}"
        if workers > len(bench.workers):
            say("Starting a second `honeylink serve`")
            bench.add_worker()
        say(f"Warming up, {name}")
        wrk.closed_loop(bench.ports, everybody, bench.work_dir, connections=8, seconds=3)
        say(f"Closed loop, {name} and pgbench in turns, {plan.step_seconds:.0f} s each")
        for _ in range(plan.rounds):
            # One connection reaches one worker only.
            for clients in CLIENTS[workers - 1 :]:
                _serve(bench, clients, everybody, name)
                _pgbench(bench, clients, plan.tenants, "pgbench")
        if workers == 1:
            say("Counting statements, 1 worker")
            statements = {clients: _statements_per_create(bench, clients) for clients in CLIENTS}
            shares = profile.measure(bench)
    say("All sessions in one tenant")
    hot = [device for device in everybody if device.tenant == 1]
    for _ in range(plan.rounds):
        _serve(bench, 32, hot, "2 workers, one tenant")
        _pgbench(bench, 32, 1, "pgbench, one tenant")
    best = max((bench.rows["1 worker 32"], bench.rows["2 workers 32"]), key=lambda row: row.best_per_second)
    if best.name == "1 worker":
        del bench.workers[1:]
    say(f"Open loop, {best.name}, {plan.open_seconds:.0f} s each")
    for _ in range(plan.open_rounds):
        # Half of what the machine does now: it may have been faster or slower minutes ago.
        maximum = _serve(bench, 32, everybody, best.name).rounds[-1]
        _pgbench(bench, 32, plan.tenants, "pgbench")
        half = _schedule(bench, maximum.per_second / 2, f"{best.name}, half of its maximum", "half")
        light = _schedule(bench, LIGHT_PER_SECOND, f"{best.name}, light load", f"{LIGHT_PER_SECOND:.0f}/s")
    return Throughput(list(bench.rows.values()), statements, shares, best, half, light)


def _serve(bench: Bench, connections: int, devices: Sequence[Device], name: str) -> Row:
    """wrk, over all workers there are."""
    seconds = bench.plan.step_seconds
    return bench.step(
        name,
        f"{connections}",
        connections,
        lambda: wrk.closed_loop(bench.ports, devices, bench.work_dir, connections=connections, seconds=seconds),
    )


def _pgbench(bench: Bench, clients: int, tenants: int, name: str) -> None:
    """The statement alone."""
    text = pgbench.script(tenants, bench.plan.devices_per_tenant)
    where, seconds = dsn(bench.data_dir), bench.plan.step_seconds
    bench.step(
        name,
        f"{clients}",
        clients,
        lambda: pgbench.run(where, bench.work_dir, text, clients=clients, seconds=seconds),
    )


def _schedule(bench: Bench, per_second: float, name: str, clients: str) -> Row:
    """Open loop, over all workers there are."""
    traffic, seconds = creates(bench.population.devices), bench.plan.open_seconds
    return bench.step(
        name,
        clients,
        OPEN_CONNECTIONS,
        lambda: drive(bench.ports, traffic, connections=OPEN_CONNECTIONS, seconds=seconds, per_second=per_second),
    )


def _statements_per_create(bench: Bench, connections: int) -> float:
    """Statements of server and create, counted in PostgreSQL's own log of them.

    Each is one round trip: the driver prepares it once for a connection and then only executes.
    """
    log = bench.data_dir / "postgres.log"
    bench.query("ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()")
    time.sleep(0.2)
    begin = log.stat().st_size
    try:
        found = wrk.closed_loop(
            bench.ports, bench.population.devices, bench.work_dir, connections=connections, seconds=2
        )
    finally:
        bench.query("ALTER SYSTEM RESET log_statement", "SELECT pg_reload_conf()")
    with log.open("rb") as lines:
        lines.seek(begin)
        statements = sum(b"LOG:  execute " in line or b"LOG:  statement: " in line for line in lines)
    say(f"  statements, {connections} connections: {statements:,} for {found.answered:,} sessions", found.others)
    return statements / found.answered
