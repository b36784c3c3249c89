"""Three times as many requests as the service can take: what becomes of those admitted, those refused, and the next."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benches.api import wrk
from benches.api.bench import LIGHT_PER_SECOND, say
from benches.api.driver import drive
from benches.api.messages import creates
from benches.api.results import percentile_ms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benches.api.bench import Bench
    from benches.api.results import Load
    from benches.api.throughput import Throughput

TIMES = 3
# Enough to offer the rate while each is held for 0.15 s; below the usual limit of open files in each process.
_CONNECTIONS = 1000
_WATCHED_SECONDS = 20
_SLICE_SECONDS = 0.5
_SLICE_CONNECTIONS = 64
GOOD_IN_A_ROW = 4
"""Two seconds. Without it a lucky half second would count; with more, the machine's own hiccups long after would."""


@dataclass(frozen=True, slots=True)
class Overload:
    """What was found, and what it compares with."""

    wanted_per_second: float
    seconds: float
    load: Load
    full_p99_ms: float
    """At full load: as many connections as the ratio of the run is measured with, each busy all the time."""
    recovered_after_seconds: float
    """Infinite if it had not at the end of the watch."""

    @property
    def p99_ratio(self) -> float:
        return self.load.percentile_ms(99) / self.full_p99_ms

    @property
    def refusals(self) -> int:
        return self.load.refusals_us.total()

    def refusal_ms(self, percent: float) -> float | None:
        """What `percent` of the refusals did not exceed; None if there were none."""
        return percentile_ms(self.load.refusals_us, percent) if self.refusals else None


def measure(bench: Bench, found: Throughput) -> Overload:
    """Overload all workers there are, then watch them at light load."""
    per_second, seconds = TIMES * found.best.best_per_second, bench.plan.overload_seconds
    say(f"Overload, {found.best.name}: {per_second:,.0f}/s for {seconds:.0f} s")
    ended = math.inf

    def offer() -> Load:
        nonlocal ended
        ended = time.monotonic() + seconds
        return wrk.overload(
            bench.ports,
            bench.population.devices,
            bench.work_dir,
            connections=_CONNECTIONS,
            seconds=seconds,
            per_second=per_second,
        )

    row = bench.step(f"{found.best.name}, overload", f"{per_second:,.0f}/s", _CONNECTIONS, offer)
    recovered = recovered_after_seconds(_watch(bench, ended, 2 * found.light.load.percentile_ms(99)))
    say(f"  normal again after {recovered:.1f} s" if recovered < _WATCHED_SECONDS else "  not normal again")
    return Overload(per_second, seconds, row.load, found.best.load.percentile_ms(99), recovered)


def _watch(bench: Bench, since: float, normal_p95_ms: float) -> Iterable[tuple[float, bool]]:
    """Light load in slices: how long after `since` each ended, and whether it was as ever.

    That is, every session was opened, within the usual time.
    """
    traffic = creates(bench.population.devices)
    yield time.monotonic() - since, False  # nobody has looked until now
    while (now := time.monotonic() - since) < _WATCHED_SECONDS:
        found = drive(
            bench.ports,
            traffic,
            connections=_SLICE_CONNECTIONS,
            seconds=_SLICE_SECONDS,
            per_second=LIGHT_PER_SECOND,
        )
        good = found.answered > 0 and not found.others and found.percentile_ms(95) <= normal_p95_ms
        if not good:
            say(f"  {now:.1f} s after: p95 {found.percentile_ms(95):.1f} ms", found.others)
        yield time.monotonic() - since, good


def recovered_after_seconds(slices: Iterable[tuple[float, bool]]) -> float:
    """When the first of some good slices in a row began; infinite if there were not as many."""
    began, in_a_row = 0.0, 0
    for ended, good in slices:
        in_a_row = in_a_row + 1 if good else 0
        if not good:
            began = ended
        if in_a_row == GOOD_IN_A_ROW:
            return began
    return float("inf")
