"""A database with 100 000 live sessions beside one with next to none: what creating and listing take in each."""

from __future__ import annotations

import asyncio
import statistics
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

from benches.api.bench import say, serving
from benches.api.driver import drive
from benches.api.filling import fill
from benches.api.messages import creates, lists
from benches.api.servers import dsn

if TYPE_CHECKING:
    from benches.api.bench import Bench, Plan
    from benches.api.messages import Traffic
    from benches.api.results import Load

MANY, EMPTY = 100_000, 3_000
"""Sessions stored before. Next to none are a full page for each tenant: a shorter list would be another answer."""
PAGE = 50
# Far from what one worker can take: what is compared is how long one request takes, not how many wait.
CREATES_PER_SECOND, LISTS_PER_SECOND = 300.0, 150.0
_CONNECTIONS = 32
_WARM_UP_SECONDS = 1


@dataclass(slots=True)
class LiveSessions:
    """The rounds in each database, by what was asked."""

    many: dict[str, list[Load]] = field(default_factory=dict)
    empty: dict[str, list[Load]] = field(default_factory=dict)

    def p99_ratio(self, what: str) -> float:
        """The median over pairs of rounds, one right after the other: a moment that the machine spoilt counts once."""
        pairs = zip(self.many[what], self.empty[what], strict=True)
        return statistics.median(many.percentile_ms(99) / empty.percentile_ms(99) for many, empty in pairs)


def measure(plan: Plan) -> LiveSessions:
    """One worker on each database, only one of them busy at a time, in turns."""
    live_sessions = LiveSessions()
    with ExitStack() as stack:
        sides: list[tuple[Bench, str, dict[str, list[Load]]]] = []
        for stored, found in ((EMPTY, live_sessions.empty), (MANY, live_sessions.many)):
            bench = stack.enter_context(serving(plan))
            say(f"Storing {stored:,} live sessions")
            asyncio.run(_fill(bench, stored))
            sides.append((bench, f"{stored:,} stored", found))
        say(f"In turns, {plan.live_sessions_step_seconds:.0f} s each")
        for seconds in (_WARM_UP_SECONDS, *[plan.live_sessions_step_seconds] * plan.live_sessions_rounds):
            for bench, name, found in sides:
                for what, (traffic, per_second) in _traffics(bench).items():
                    load = drive(bench.ports, traffic, connections=_CONNECTIONS, seconds=seconds, per_second=per_second)
                    if seconds != _WARM_UP_SECONDS:
                        found.setdefault(what, []).append(load)
                        say(f"  {what}, {name}: p99 {load.percentile_ms(99):.1f} ms", load.others)
    return live_sessions


def _traffics(bench: Bench) -> dict[str, tuple[Traffic, float]]:
    return {
        "create": (creates(bench.population.devices), CREATES_PER_SECOND),
        "list": (lists(bench.population.operators, PAGE), LISTS_PER_SECOND),
    }


async def _fill(bench: Bench, sessions: int) -> None:
    connection = await asyncpg.connect(dsn(bench.data_dir))
    try:
        await fill(connection, sessions, bench.plan.tenants, bench.plan.devices_per_tenant)
    finally:
        await connection.close()
