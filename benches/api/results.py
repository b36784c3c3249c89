"""What a step of the benchmark found."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NAN = float("nan")


def percentile_ms(latencies_us: Counter[int], percent: float) -> float:
    """The least latency that `percent` of all do not exceed."""
    left = latencies_us.total() * percent / 100
    for latency_us in sorted(latencies_us):
        left -= latencies_us[latency_us]
        if left <= 0:
            return latency_us / 1000
    return NAN


@dataclass(slots=True)
class Load:
    """Requests answered as expected in a time, and how long each took, as a histogram of microseconds."""

    answered: int = 0
    seconds: float = 0.0
    latencies_us: Counter[int] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    """Answers that were not the expected ones, by status."""
    refusals_us: Counter[int] = field(default_factory=Counter)
    """How long the refusals of an overloaded service took: 429 and 503."""
    without_retry_after: int = 0
    """Refusals that don't say when to come again."""
    late_us: Counter[int] = field(default_factory=Counter)
    """How long after they were due requests were sent. It is part of their latencies, but not the service's doing."""
    client_cpu_seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return self.answered / self.seconds if self.seconds else 0.0

    @property
    def offered_per_second(self) -> float:
        """All requests that were sent and came to an end, one way or the other, in a second."""
        ended = self.answered + self.others.total() - self.others["never sent"]
        return ended / self.seconds if self.seconds else 0.0

    def percentile_ms(self, percent: float) -> float:
        return percentile_ms(self.latencies_us, percent)

    def add(self, other: Load) -> None:
        """Count in what ran after this."""
        self.seconds += other.seconds
        self.add_concurrent(other)

    def add_concurrent(self, other: Load) -> None:
        """Count in what ran at the same time."""
        self.answered += other.answered
        self.seconds = max(self.seconds, other.seconds)
        self.latencies_us += other.latencies_us
        self.others += other.others
        self.refusals_us += other.refusals_us
        self.without_retry_after += other.without_retry_after
        self.late_us += other.late_us
        self.client_cpu_seconds += other.client_cpu_seconds


def median_ms(rounds: Iterable[Load], percent: float) -> float:
    """The percentile of the round in the middle: one that the machine spoilt does not count."""
    return statistics.median(each.percentile_ms(percent) for each in rounds)


@dataclass(slots=True)
class Row:
    """A line of the table: the rounds of one kind of step, together."""

    name: str
    clients: str
    load: Load = field(default_factory=Load)
    rounds: list[Load] = field(default_factory=list)
    best_per_second: float = 0.0
    server_cpu_seconds: float = 0.0
    postgres_cpu_seconds: float = 0.0
    strange_cpu_seconds: float = 0.0
    """What programs took that are no part of the benchmark: much of it, and the row says little."""

    @property
    def server_cpu_us(self) -> float:
        """The service's CPU for one session."""
        return self.server_cpu_seconds / self.load.answered * 1e6

    def add(
        self, load: Load, server_cpu_seconds: float, postgres_cpu_seconds: float, strange_cpu_seconds: float
    ) -> None:
        """Count in another round."""
        self.load.add(load)
        self.rounds.append(load)
        self.best_per_second = max(self.best_per_second, load.per_second)
        self.server_cpu_seconds += server_cpu_seconds
        self.postgres_cpu_seconds += postgres_cpu_seconds
        self.strange_cpu_seconds += strange_cpu_seconds
