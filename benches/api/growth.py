"""What a session costs to store and to expire, by how many are stored already: `make bench-growth`."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from benches.api import charts, page, pgbench
from benches.api.bench import say
from benches.api.filling import fill
from benches.api.population import populate
from benches.api.servers import POOL_KBPS, dsn
from honeylink.cli.logs import configure_logging
from honeylink.services.runtime import open_services
from honeylink.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SIZES = (1_000, 10_000, 100_000, 1_000_000)
TENANTS, DEVICES_PER_TENANT = 50, 20
CREATE_SECONDS = 6
SWEEPS, DUE = 5, 1_000

# The oldest, as where all sessions live equally long.
_MAKE_DUE = """
UPDATE sessions SET expires_at = now()
WHERE (tenant_id, session_id) IN (
    SELECT tenant_id, session_id FROM sessions WHERE status = 'active' ORDER BY session_id LIMIT $1
)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one session, with so many stored before."""

    stored: int
    create_p50_ms: float
    create_p99_ms: float
    expiry_us: float


async def _measure_at(data_dir: Path, size: int) -> Cost:
    """A line of the table, from a database of its own."""
    settings = Settings(data_dir=data_dir, tenant_pool_kbps=POOL_KBPS, log_level="warning", database_timeout_seconds=30)
    async with open_services(settings) as services:
        await populate(data_dir, TENANTS, DEVICES_PER_TENANT)
        connection = await asyncpg.connect(dsn(data_dir))
        try:
            await fill(connection, size, TENANTS, DEVICES_PER_TENANT)
            text = pgbench.script(TENANTS, DEVICES_PER_TENANT)
            created = await asyncio.to_thread(
                pgbench.run, dsn(data_dir), data_dir, text, clients=1, seconds=CREATE_SECONDS
            )
            sweeps_us = []
            for _ in range(SWEEPS):
                await connection.execute(_MAKE_DUE, DUE, timeout=60)
                started = time.perf_counter()
                ended = await services.expiry.sweep()
                sweeps_us.append((time.perf_counter() - started) / DUE * 1e6)
                if ended != DUE:
                    raise RuntimeError(f"expected {DUE} sessions to end, found {ended}")
        finally:
            await connection.close()
    return Cost(size, created.percentile_ms(50), created.percentile_ms(99), statistics.median(sweeps_us))


def measure() -> list[Cost]:
    """All sizes, each said as soon as it is known."""
    configure_logging("error")
    costs = []
    for size in SIZES:
        say(f"Storing {size:,} sessions")
        with tempfile.TemporaryDirectory(prefix="honeylink-growth-") as place:
            data_dir = Path(place) / "data"
            data_dir.mkdir(mode=0o700)
            cost = asyncio.run(_measure_at(data_dir, size))
        say(
            f"  create p50 {cost.create_p50_ms:.2f} ms, p99 {cost.create_p99_ms:.2f} ms; "
            f"expiry of one {cost.expiry_us:.0f} µs"
        )
        costs.append(cost)
    return costs


def growth(costs: Sequence[Cost], figure: Callable[[Cost], float]) -> float:
    """What the last is over the first: 1 if it is flat."""
    return figure(costs[-1]) / figure(costs[0])


def table(costs: Sequence[Cost]) -> Iterator[str]:
    """Lines of Markdown."""
    yield "| sessions stored before | create p50 | create p99 | expiry of one, in sweeps |"
    yield "|---:|---:|---:|---:|"
    for cost in costs:
        yield (
            f"| {cost.stored:,} | {cost.create_p50_ms:.2f} ms | {cost.create_p99_ms:.2f} ms | {cost.expiry_us:.0f} µs |"
        )


def write(costs: Sequence[Cost]) -> None:
    """Into the page, with the chart."""
    page.put("growth", [*page.circumstances(quick=False), "", *table(costs)])
    charts.lines(
        page.BENCHES / "growth.svg",
        "One session, by how many are stored already: milliseconds",
        [f"{cost.stored:,}" for cost in costs],
        {
            "create, p99": [cost.create_p99_ms for cost in costs],
            "create, p50": [cost.create_p50_ms for cost in costs],
            "expiry": [cost.expiry_us / 1000 for cost in costs],
        },
    )


if __name__ == "__main__":
    write(measure())
