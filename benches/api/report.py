"""The tables of benches/README.md and the chart beside it."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benches.api.results import Row

BENCHES = Path(__file__).parents[1]
BEGIN, END = "<!-- api results: begin -->", "<!-- api results: end -->"
HEADER = (
    "what", "connections", "sessions/s", "p50", "p95", "p99", "p99.9",
    "CPU serve", "CPU PostgreSQL", "CPU of strangers", "not 201",
)  # fmt: skip
SERIES = {"1 worker": "#93c5fd", "2 workers": "#2563eb", "pgbench": "#9ca3af"}
CLIENTS = ("1", "8", "32")


@dataclass(frozen=True, slots=True)
class Findings:
    """What the run is for."""

    rows: Sequence[Row]
    statements_per_create: Mapping[int, float]
    half: Row
    light: Row

    def best(self, names: set[str], clients: str) -> float:
        """The best round of any of these."""
        return max(row.best_per_second for row in self.rows if row.name in names and row.clients == clients)


def summary(findings: Findings) -> str:
    """The three numbers to compare versions by, for machines."""
    ratio = findings.best({"1 worker", "2 workers"}, "32") / findings.best({"pgbench"}, "32")
    p99 = findings.half.load.percentile_ms(99)
    p95 = findings.light.load.percentile_ms(95)
    return f"ratio={ratio:.3f} p99_half_ms={p99:.2f} p95_100rps_ms={p95:.2f}"


def write(findings: Findings, *, quick: bool) -> None:
    """Print the table, and put it into the page with the chart."""
    text = "\n".join(_lines(findings, quick=quick))
    print(f"\n{text}\n")
    page = BENCHES / "README.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    page.write_text(f"{before.rstrip()}\n\n{BEGIN}\n{text}\n{END}{rest.partition(END)[2] or chr(10)}", encoding="utf-8")
    (BENCHES / "api.svg").write_text(_chart(findings), encoding="utf-8")


def _lines(findings: Findings, *, quick: bool) -> Iterator[str]:
    yield f"- machine: {_cpu_model()}, {os.cpu_count()} cores, shared by clients, service and database"
    yield f"- system: {platform.system()} {platform.release()} {platform.machine()}, Python {platform.python_version()}"
    yield f"- date: {datetime.now(UTC):%Y-%m-%d}{', quick run' if quick else ''}"
    counted = ", ".join(f"{number:.2f} at {clients}" for clients, number in findings.statements_per_create.items())
    yield f"- statements and round trips per session, of 1 worker by connections: {counted}"
    yield f"- `{summary(findings)}`"
    yield ""
    yield f"| {' | '.join(HEADER)} |"
    yield f"|---|{'---:|' * (len(HEADER) - 1)}"
    for row in findings.rows:
        yield f"| {' | '.join(_cells(row))} |"


def _cells(row: Row) -> Iterator[str]:
    yield row.name
    yield row.clients
    yield f"{row.load.per_second:,.0f}"
    for percent in (50, 95, 99, 99.9):
        yield f"{row.load.percentile_ms(percent):.2f} ms"
    served = not row.name.startswith("pgbench")
    yield f"{row.server_cpu_seconds / row.load.created * 1e6:.0f} µs" if served else ""
    yield f"{row.postgres_cpu_seconds / row.load.created * 1e6:.0f} µs"
    yield f"{row.strange_cpu_seconds / row.load.seconds:.2f} cores"
    yield ", ".join(f"{count} x {status}" for status, count in row.load.others.items()) or "0"


def _chart(findings: Findings) -> str:
    """Sessions per second by connections: a bar for each series that was measured."""
    rates = {(row.name, row.clients): row.load.per_second for row in findings.rows if row.name in SERIES}
    top, height, bar, left, base = max(rates.values()), 200, 44, 40, 250
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 300" font-family="sans-serif" font-size="12">',
        '<rect width="600" height="300" fill="#ffffff"/>',
        f'<text x="{left}" y="20" font-size="14">POST /sessions: sessions per second by busy connections</text>',
    ]
    x = left
    for clients in CLIENTS:
        start = x
        for name, colour in SERIES.items():
            if (name, clients) not in rates:
                continue
            rate = rates[name, clients]
            y = base - height * rate / top
            parts.append(f'<rect x="{x}" y="{y:.0f}" width="{bar - 4}" height="{base - y:.0f}" fill="{colour}"/>')
            parts.append(f'<text x="{x + bar // 2 - 2}" y="{y - 4:.0f}" text-anchor="middle">{rate:,.0f}</text>')
            x += bar
        parts.append(f'<text x="{(start + x) // 2}" y="{base + 16}" text-anchor="middle">{clients}</text>')
        x += bar
    for place, (name, colour) in enumerate(SERIES.items()):
        parts.append(f'<rect x="{left + 110 * place}" y="278" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{left + 18 + 110 * place}" y="289">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    model = re.search(r"^model name\s*: (.+)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return model[1] if model else platform.machine()
