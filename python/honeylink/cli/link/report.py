"""What a simulation has found, as a table for people and as JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from honeylink.cli.link.simulation import Outcome, StreamOutcome

_HEADER = (
    "stream",
    "offered kbit/s",
    "sent kbit/s",
    "p50 ms",
    "p99 ms",
    "packets",
    "dropped",
    "marked",
    "lost",
    "recovered",
)
_PERCENTILES = (50, 99)


def document(outcome: Outcome) -> dict[str, Any]:
    """Everything, rates over time too."""
    scenario = outcome.scenario
    return {
        "title": scenario.title,
        "duration_seconds": scenario.duration_ns / 1e9,
        "seed": scenario.seed,
        "streams": [_stream(each) for each in outcome.streams],
        "seconds": [round(second, 6) for second in outcome.seconds.tolist()],
        "link_kbps": outcome.link_kbps.tolist(),
    }


def _stream(found: StreamOutcome) -> dict[str, Any]:
    stats = found.stats
    return {
        "name": found.name,
        "offered_kbps": found.offered_kbps,
        "sent_kbps": found.sent_kbps,
        "delay_ms": {f"p{percent}": found.delay_ms(percent) for percent in _PERCENTILES},
        "packets": _packets(found),
        "sent": stats.dequeued,
        "queued": stats.queued_packets,
        "marked": stats.marked,
        "dropped": {
            "queue_packets": stats.dropped_queue_packets,
            "queue_bytes": stats.dropped_queue_bytes,
            "memory": stats.dropped_memory,
            "aqm": stats.dropped_aqm,
        },
        "lost": found.lost,
        "recovered": found.recovered,
        "kbps": [round(kbps, 3) for kbps in found.kbps.tolist()],
    }


def lines(outcome: Outcome) -> Iterator[str]:
    """The table, with a line for each stream."""
    scenario = outcome.scenario
    yield f"{scenario.title}: {scenario.duration_ns / 1e9:g} s on a link of {scenario.link['rate_kbps']:,} kbit/s"
    rows = [_HEADER, *(_row(each) for each in outcome.streams)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join([row[0].ljust(widths[0]), *cells]).rstrip()


def _row(found: StreamOutcome) -> tuple[str, ...]:
    delays = (found.delay_ms(percent) for percent in _PERCENTILES)
    return (
        found.name,
        f"{found.offered_kbps:,.0f}",
        f"{found.sent_kbps:,.0f}",
        *("-" if delay is None else f"{delay:.2f}" for delay in delays),
        f"{_packets(found):,}",
        *(f"{count:,}" for count in (found.dropped, found.stats.marked, found.lost, found.recovered)),
    )


def _packets(found: StreamOutcome) -> int:
    """All that came, taken or not."""
    stats = found.stats
    return stats.enqueued + stats.dropped_queue_packets + stats.dropped_queue_bytes
