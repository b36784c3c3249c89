"""All codecs on all cases, in turns."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from honeylink.cli.bench.cases import Case, Codec, CodecFailed, Operation
from honeylink.cli.bench.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Effort:
    """How long is measured: the medians of so many samples, each so long."""

    rounds: int
    sample_seconds: float
    shard_bytes: tuple[int, ...]


FULL = Effort(rounds=9, sample_seconds=0.01, shard_bytes=(1200, 4096, 65536, 1048576))
QUICK = Effort(rounds=5, sample_seconds=0.002, shard_bytes=(1200, 65536))


@dataclass(frozen=True)
class Result:
    """How fast a codec did one case."""

    codec: Codec
    case: Case
    seconds: float

    @property
    def gib_per_second(self) -> float:
        """GiB of data bytes a second."""
        return self.case.data_bytes / self.seconds / 2**30


@dataclass
class Measurement:
    """What came of it, and by codec why some of its results are not there."""

    results: list[Result] = field(default_factory=list)
    failures: dict[Codec, str] = field(default_factory=dict)

    def fail(self, codec: Codec, case: Case, reason: str) -> None:
        """Note the first failure of a codec."""
        self.failures.setdefault(codec, f"{case}: {reason}")


def cases(codes: Sequence[tuple[int, int]], shard_bytes: Sequence[int]) -> list[Case]:
    """Each operation of each code on each length."""
    return [Case(operation, k, m, n) for operation in Operation for k, m in codes for n in shard_bytes]


def measure(
    codecs: Sequence[Codec], wanted: Sequence[Case], effort: Effort, progress: Callable[[float, str], None]
) -> Measurement:
    """Measure each codec on each case; `progress` is told how much is done, from 0 to 1, and what is being done."""
    found = Measurement()
    workers: list[Worker] = []
    try:
        for codec in codecs:
            workers.append(Worker(codec, effort.sample_seconds))  # noqa: PERF401 - those before one that can't start
        for number, case in enumerate(wanted):
            samples = _prepare(workers, case, found)
            for turn in range(effort.rounds):
                progress((number + turn / effort.rounds) / len(wanted), str(case))
                for worker, seconds in samples.items():
                    try:
                        seconds.append(worker.sample())
                    except CodecFailed as error:
                        found.fail(worker.codec, case, str(error))
            found.results += [
                Result(worker.codec, case, statistics.median(seconds)) for worker, seconds in samples.items() if seconds
            ]
    finally:
        for worker in workers:
            worker.stop()
    return found


def _prepare(workers: Sequence[Worker], case: Case, found: Measurement) -> dict[Worker, list[float]]:
    """Those that can do the case and do it right, with room for their samples."""
    ready: dict[Worker, list[float]] = {}
    parity_digest = ""
    for worker in workers:
        try:
            answer = worker.prepare(case)
        except CodecFailed as error:
            found.fail(worker.codec, case, str(error))
            continue
        if answer is None:
            continue
        parity_digest = parity_digest or answer
        if answer in ("", parity_digest):
            ready[worker] = []
        else:
            found.fail(worker.codec, case, "expected the parity of the other engines, found other bytes")
    return ready
