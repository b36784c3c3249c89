"""All that a run of `make bench-api` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benches.api.results import median_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benches.api.growth import Cost
    from benches.api.live_sessions import LiveSessions
    from benches.api.memory import Memory
    from benches.api.overload import Overload
    from benches.api.throughput import Throughput


@dataclass(frozen=True, slots=True)
class Findings:
    """By part of the run."""

    throughput: Throughput
    overload: Overload
    live_sessions: LiveSessions
    memory: Memory | None
    """Only a full run has the time for it, and for growth."""
    growth: Sequence[Cost] | None

    @property
    def ratio(self) -> float:
        """Sessions a second over what pgbench stores, both at 32 connections."""
        found = self.throughput
        return found.best_per_second({"1 worker", "2 workers"}, "32") / found.best_per_second({"pgbench"}, "32")

    @property
    def hot_ratio(self) -> float:
        """Sessions a second of one tenant over those of many."""
        found = self.throughput
        return found.best_per_second({"2 workers, one tenant"}, "32") / found.best_per_second({"2 workers"}, "32")

    def summary(self) -> str:
        """The three numbers to compare versions by, for machines."""
        p99 = median_ms(self.throughput.half.rounds, 99)
        p95 = median_ms(self.throughput.light.rounds, 95)
        return f"ratio={self.ratio:.3f} p99_half_ms={p99:.2f} p95_100rps_ms={p95:.2f}"
