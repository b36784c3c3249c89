"""What was measured, as a table for people and as JSON for programs."""

from __future__ import annotations

import platform
import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from honeylink import __version__
from honeylink.cli.bench.cases import Case
from honeylink.fec import engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from honeylink.cli.bench.measuring import Effort, Measurement

_UNIT = "GiB/s of data bytes (k shards of n bytes; parity comes on top)"
_CIRCUMSTANCES = ("python", "system", "cpu", "measured_at")
_NAME_WIDTH, _CELL_WIDTH = 26, 9


def document(found: Measurement, effort: Effort, absent: Sequence[str]) -> dict[str, Any]:
    """Everything, with the circumstances without which numbers mean nothing."""
    return {
        "honeylink": __version__,
        "engine_in_use": engine(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_model(),
        "measured_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "unit": _UNIT,
        "rounds": effort.rounds,
        "sample_seconds": effort.sample_seconds,
        "results": [
            {
                **asdict(result.codec),
                **asdict(result.case),
                "seconds": result.seconds,
                "gib_per_second": result.gib_per_second,
            }
            for result in found.results
        ],
        "failures": [
            {"package": codec.package, "engine": codec.engine, "reason": reason}
            for codec, reason in found.failures.items()
        ],
        "not_installed": list(absent),
    }


def lines(found: Measurement, effort: Effort, absent: Sequence[str]) -> Iterator[str]:
    """A block for each code, a line for each codec, and what there is to know about them."""
    told = document(found, effort, absent)
    yield ", ".join(["HoneyLink " + told["honeylink"], *(told[each] for each in _CIRCUMSTANCES)])
    yield f"{_UNIT}, one thread, medians of {effort.rounds} in turns"
    yield "reconstruct: as many data shards as there are parity shards are lost, in a pattern seen before"
    yield ""
    yield from _table(found)
    yield ""
    yield f"* in use: {engine()}, the fastest here unless HONEYLINK_FEC_ENGINE names another"
    if absent:
        yield f"not installed, so not measured: {', '.join(absent)} (pip install {' '.join(absent)})"
    for codec, reason in found.failures.items():
        yield f"{codec.label} failed: {reason}"


def size(count: int) -> str:
    """Bytes as people read them."""
    for unit, factor in (("MiB", 2**20), ("KiB", 2**10)):
        if count % factor == 0:
            return f"{count // factor} {unit}"
    return f"{count} B"


def _table(found: Measurement) -> Iterator[str]:
    speeds = {(each.codec, each.case): each.gib_per_second for each in found.results}
    columns = list(dict.fromkeys((case.operation, case.shard_bytes) for _, case in speeds))
    first = {operation: place for place, (operation, _) in reversed(list(enumerate(columns)))}
    yield _line("", [operation if first[operation] == place else "" for place, (operation, _) in enumerate(columns)])
    yield _line("", [size(shard_bytes) for _, shard_bytes in columns])
    codecs = list(dict.fromkeys(codec for codec, _ in speeds))
    for k, m in dict.fromkeys((case.data_shards, case.parity_shards) for _, case in speeds):
        yield f"{k}+{m}"
        for codec in codecs:
            row = [speeds.get((codec, Case(operation, k, m, n))) for operation, n in columns]
            if any(row):
                mark = "* " if codec.engine == engine() else "  "
                yield _line(f"{mark}{codec.label}", ["-" if speed is None else _figure(speed) for speed in row])


def _line(name: str, cells: Sequence[str]) -> str:
    return f"{name:{_NAME_WIDTH}}{''.join(f'{cell:>{_CELL_WIDTH}}' for cell in cells)}".rstrip()


def _figure(speed: float) -> str:
    """Three digits, but none for less than a millionth."""
    return f"{speed:.0f}" if speed >= 100 else f"{speed:#.3g}" if speed >= 0.001 else f"{speed:.6f}"


def cpu_model() -> str:
    """What the machine's maker calls its CPU, or else its architecture."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"^model name\s*: (.+)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return model[1] if model else platform.processor() or platform.machine()
