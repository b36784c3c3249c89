"""What one worker holds of the machine's memory while it opens a million sessions."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benches.api import wrk
from benches.api.bench import say, serving
from benches.api.servers import memory_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benches.api.bench import Plan

EVERY = 100_000
"""The first of them are the warm-up: caches fill, and the interpreter comes to its working size."""
_CONNECTIONS = 32
_SLICE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident bytes by sessions opened before, from the end of the warm-up on."""

    points: Sequence[tuple[int, int]]

    @property
    def growth(self) -> float:
        """What the last is over the first: 1 if it is flat."""
        return self.points[-1][1] / self.points[0][1]

    @property
    def bytes_per_create(self) -> float:
        """The slope through all points."""
        created, held = zip(*self.points, strict=True)
        return statistics.linear_regression(created, held).slope


def measure(plan: Plan) -> Memory:
    """Real requests, over connections that are busy all the time."""
    points: list[tuple[int, int]] = []
    with serving(plan) as bench:
        say(f"Opening {plan.memory_creates:,} sessions by 1 worker")
        created = 0
        while created < plan.memory_creates:
            found = wrk.closed_loop(
                bench.ports, bench.population.devices, bench.work_dir, connections=_CONNECTIONS, seconds=_SLICE_SECONDS
            )
            before, created = created, created + found.answered
            if not found.answered:
                raise RuntimeError(f"expected sessions, found {dict(found.others)}")
            if before // EVERY != created // EVERY:
                points.append((created, memory_bytes(bench.workers[0].pid)))
                say(f"  {created:,} opened: {points[-1][1] / 2**20:.1f} MiB")
    return Memory(points)
