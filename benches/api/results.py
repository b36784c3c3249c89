"""What a step of the benchmark found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Load:
    """Sessions created in a time, and how long each took, as a histogram of microseconds."""

    created: int = 0
    seconds: float = 0.0
    latencies_us: Counter[int] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    """Answers that were not the expected 201 with its keys, by status."""

    @property
    def per_second(self) -> float:
        return self.created / self.seconds if self.seconds else 0.0

    def percentile_ms(self, percent: float) -> float:
        """The least latency that `percent` of all do not exceed."""
        left = self.latencies_us.total() * percent / 100
        for latency_us in sorted(self.latencies_us):
            left -= self.latencies_us[latency_us]
            if left <= 0:
                return latency_us / 1000
        return float("nan")

    def add(self, other: Load) -> None:
        """Count in what ran after this."""
        self.seconds += other.seconds
        self.add_beside(other)

    def add_beside(self, other: Load) -> None:
        """Count in what ran at the same time."""
        self.created += other.created
        self.seconds = max(self.seconds, other.seconds)
        self.latencies_us += other.latencies_us
        self.others += other.others


@dataclass(slots=True)
class Row:
    """A line of the table: the rounds of one kind of step, together."""

    name: str
    clients: str
    load: Load = field(default_factory=Load)
    best_per_second: float = 0.0
    server_cpu_seconds: float = 0.0
    postgres_cpu_seconds: float = 0.0
    strange_cpu_seconds: float = 0.0
    """What programs took that are no part of the benchmark: much of it, and the row says little."""

    def add(
        self, load: Load, server_cpu_seconds: float, postgres_cpu_seconds: float, strange_cpu_seconds: float
    ) -> None:
        """Count in another round."""
        self.load.add(load)
        self.best_per_second = max(self.best_per_second, load.per_second)
        self.server_cpu_seconds += server_cpu_seconds
        self.postgres_cpu_seconds += postgres_cpu_seconds
        self.strange_cpu_seconds += strange_cpu_seconds
