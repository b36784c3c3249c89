"""The tables of benches/README.md and the chart beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benches.api import charts, goals, page
from benches.api.live_sessions import CREATES_PER_SECOND, EMPTY, LISTS_PER_SECOND, MANY, PAGE
from benches.api.overload import TIMES
from benches.api.results import median_ms, percentile_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benches.api.findings import Findings
    from benches.api.overload import Overload
    from benches.api.results import Row
    from benches.api.throughput import Throughput

HEADER = (
    "what", "connections", "sessions/s", "p50", "p95", "p99", "p99.9",
    "CPU serve", "CPU PostgreSQL", "CPU of strangers", "not 201",
)  # fmt: skip
SERIES = ("1 worker", "2 workers", "pgbench")
CLIENTS = ("1", "8", "32")


def write(findings: Findings, *, quick: bool) -> None:
    """Print the tables, and put them into the page with the chart."""
    page.put("api", lines(findings, quick=quick))
    rows = findings.throughput.rows
    rates = {name: {row.clients: row.load.per_second for row in rows if row.name == name} for name in SERIES}
    title = "POST /sessions: sessions per second by busy connections"
    charts.bars(page.BENCHES / "api.svg", title, CLIENTS, rates)


def lines(findings: Findings, *, quick: bool) -> Iterator[str]:
    """Everything for the page, as Markdown."""
    found = findings.throughput
    yield from page.circumstances(quick=quick)
    counted = ", ".join(f"{number:.2f} at {clients}" for clients, number in found.statements_per_create.items())
    yield f"- statements and round trips per session, of 1 worker by connections: {counted}"
    yield f"- `{findings.summary()}`"
    yield ""
    yield from goals.table(goals.goals(findings))
    yield ""
    yield f"| {' | '.join(HEADER)} |"
    yield f"|---|{'---:|' * (len(HEADER) - 1)}"
    for row in found.rows:
        yield f"| {' | '.join(_cells(row))} |"
    yield ""
    yield from _notes(findings)
    if found.shares:
        yield ""
        yield from _parts(found)


def _cells(row: Row) -> Iterator[str]:
    yield row.name
    yield row.clients
    yield f"{row.load.per_second:,.0f}"
    for percent in (50, 95, 99, 99.9):
        yield f"{row.load.percentile_ms(percent):.2f} ms"
    yield "" if row.name.startswith("pgbench") else f"{row.server_cpu_us:.0f} µs"
    yield f"{row.postgres_cpu_seconds / row.load.answered * 1e6:.0f} µs"
    yield f"{row.strange_cpu_seconds / row.load.seconds:.2f} cores"
    yield ", ".join(f"{count} x {status}" for status, count in row.load.others.items()) or "0"


def _notes(findings: Findings) -> Iterator[str]:
    """What does not fit a table of sessions."""
    for row in (findings.throughput.half, findings.throughput.light):
        late, cpu_us = percentile_ms(row.load.late_us, 99), row.load.client_cpu_seconds / row.load.answered * 1e6
        rounds = ", ".join(f"{each.percentile_ms(99):.1f}" for each in row.rounds)
        yield f"- the client at {row.clients}: sent p99 {late:.2f} ms after it was due, {cpu_us:.0f} µs CPU a request"
        yield f"- p99 of the rounds at {row.clients}: {rounds} ms"
    yield from _overload(findings.overload)
    for what, rate in (
        ("create", f"{CREATES_PER_SECOND:.0f}/s"),
        ("list", f"{PAGE} at a time, {LISTS_PER_SECOND:.0f}/s"),
    ):
        places = ((MANY, findings.live_sessions.many), (EMPTY, findings.live_sessions.empty))
        loads = [(f"with {stored:,} stored", side[what]) for stored, side in places]
        texts = [f"{name} p50 {median_ms(it, 50):.2f} ms, p99 {median_ms(it, 99):.2f} ms" for name, it in loads]
        yield f"- {what}, 1 worker, {rate}: {'; '.join(texts)}"
    if findings.memory:
        points = findings.memory.points
        first, last = (f"{held / 2**20:.1f} MiB after {created:,}" for created, held in (points[0], points[-1]))
        yield f"- memory of 1 worker: {first} creates, {last}: {findings.memory.bytes_per_create:.2f} bytes a create"


def _overload(overload: Overload) -> Iterator[str]:
    load = overload.load
    offered, wanted = load.offered_per_second, overload.wanted_per_second
    yield (
        f"- overload for {overload.seconds:.0f} s: {offered:,.0f}/s answered of {wanted:,.0f}/s wanted, "
        f"{TIMES * offered / wanted:.1f} times the maximum; admitted {load.per_second:,.0f}/s, "
        f"p50 {load.percentile_ms(50):.1f} ms, p99 {load.percentile_ms(99):.1f} ms; at full load p99 was "
        f"{overload.full_p99_ms:.1f} ms"
    )
    counts = ", ".join(f"{count:,} x {status}" for status, count in load.others.items()) or "none"
    slowest = ", ".join(
        f"p{percent:g} {percentile_ms(load.refusals_us, percent):.1f} ms" for percent in (50, 99, 99.9, 100)
    )
    yield f"- not admitted: {counts}{f'; refusals {slowest}' if overload.refusals else ''}"


def _parts(found: Throughput) -> Iterator[str]:
    """CPU of one session by part: what share of the samples it had, of the CPU measured while nobody sampled."""
    rows = {row.clients: row for row in found.rows if row.name == "1 worker"}
    every = {clients: rows[f"{clients}"].server_cpu_us for clients in found.shares}
    yield f"| CPU of 1 worker for one session | {' | '.join(f'{clients} connections' for clients in every)} |"
    yield f"|---|{'---:|' * len(every)}"
    for part in next(iter(found.shares.values())):
        cells = [
            f"{found.shares[clients][part] * cpu_us:.0f} µs ({found.shares[clients][part]:.0%})"
            for clients, cpu_us in every.items()
        ]
        yield f"| {part} | {' | '.join(cells)} |"
    yield f"| all | {' | '.join(f'{cpu_us:.0f} µs' for cpu_us in every.values())} |"
