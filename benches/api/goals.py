"""What the service is held to under load, and how far a run met it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benches.api import growth
from benches.api.results import median_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benches.api.findings import Findings

FLAT = 1.05
"""Memory: less than a twentieth more after ten times as many sessions is no leak that a test of this length can see."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure with its limits, which are inclusive; `found` is None where the run did not measure it."""

    what: str
    least: float
    aim: float
    found: float | None
    unit: str = ""
    more_is_better: bool = False

    @property
    def verdict(self) -> str:
        if self.found is None:
            return "not measured"
        if self._meets(self.found, self.aim):
            return "aim met"
        return "met" if self._meets(self.found, self.least) else "**missed**"

    def _meets(self, found: float, limit: float) -> bool:
        return found >= limit if self.more_is_better else found <= limit

    def text(self, value: float | None) -> str:
        """A value with its unit."""
        if value is None:
            return ""
        return f"{value:,.0f}{self.unit}" if value >= 100 else f"{value:.3g}{self.unit}"


def goals(findings: Findings) -> list[Goal]:
    """All of them, from what the run found."""
    served, stored, overload, memory = findings.throughput, findings.live_sessions, findings.overload, findings.memory
    unexplained = overload.load.without_retry_after / overload.refusals if overload.refusals else None
    times = " times"

    def grown(figure: Callable[[growth.Cost], float]) -> float | None:
        return growth.growth(findings.growth, figure) if findings.growth else None

    return [
        Goal(
            "creates/s over pgbench's one-statement rate, 32 connections",
            0.5, 1.0, findings.ratio, times, more_is_better=True,
        ),
        Goal("p99 at half of the maximum rate, median of the rounds", 20, 5, median_ms(served.half.rounds, 99), " ms"),
        Goal("p95 at 100 requests/s, median of the rounds", 10, 3, median_ms(served.light.rounds, 95), " ms"),
        Goal("one hot tenant over many tenants", 0.5, 0.9, findings.hot_ratio, times, more_is_better=True),
        Goal("100,000 live sessions: create p99 against empty", 1.5, 1.1, stored.p99_ratio("create"), times),
        Goal("100,000 live sessions: list p99 against empty", 1.5, 1.1, stored.p99_ratio("list"), times),
        Goal("memory of one worker, 10⁶ creates against 10⁵", FLAT, FLAT, memory.growth if memory else None, times),
        Goal("10⁶ sessions stored: create p50 against 10³", 1.5, 1.1, grown(lambda cost: cost.create_p50_ms), times),
        Goal("10⁶ sessions stored: ending one against 10³", 1.5, 1.1, grown(lambda cost: cost.expiry_us), times),
        Goal("overload: admitted p99 against full load", 2, 2, overload.p99_ratio, times),
        Goal("overload: p99 of refusals", 50, 50, overload.refusal_ms(99), " ms"),
        Goal("overload: slowest refusal", 50, 50, overload.refusal_ms(100), " ms"),
        Goal("overload: share of refusals without `Retry-After`", 0, 0, unexplained),
        Goal("overload: normal again after", 5, 5, overload.recovered_after_seconds, " s"),
    ]  # fmt: skip


def table(all_goals: Sequence[Goal]) -> Iterator[str]:
    """Lines of Markdown."""
    yield "| what | at least | aim | found | |"
    yield "|---|---:|---:|---:|---|"
    for goal in all_goals:
        sign = "≥" if goal.more_is_better else "≤"
        limits = " | ".join(f"{sign} {goal.text(limit)}" for limit in (goal.least, goal.aim))
        yield f"| {goal.what} | {limits} | {goal.text(goal.found)} | {goal.verdict} |"
