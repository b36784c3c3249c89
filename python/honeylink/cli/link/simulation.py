"""Runs a scenario on a clock of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from honeylink.cli.link.scenario import Change, Loss, Parity, Scenario, Stream
    from honeylink.scheduler import Batch, LinkScheduler, LinkStats

_ALL = 1 << 40  # packets
_TOLD_EVERY = 500  # moments
_PARTS = 120  # of the time, in the chart


@dataclass(frozen=True)
class StreamOutcome:
    """What has become of one stream's packets, those of parity with them."""

    name: str
    offered_kbps: float
    sent_kbps: float
    """On average over the time; what is lost on the link counts as sent."""
    kbps: NDArray[np.float64]
    """In each part of the time."""
    delays_ms: NDArray[np.float64]
    """From a packet's arrival to the end of its sending; of one that parity brought back, to the end of the last packet
    that this took. Sorted, without lost packets and without parity's own."""
    stats: LinkStats
    lost: int
    recovered: int

    def delay_ms(self, percent: float) -> float | None:
        """A percentile of the delays; none if nothing arrived."""
        return float(np.percentile(self.delays_ms, percent)) if len(self.delays_ms) else None

    @property
    def dropped(self) -> int:
        """Packets that the queue did not take, or gave up."""
        stats = self.stats
        return stats.dropped_queue_packets + stats.dropped_queue_bytes + stats.dropped_after_acceptance


@dataclass(frozen=True)
class Outcome:
    """What has become of a scenario."""

    scenario: Scenario
    streams: list[StreamOutcome]
    seconds: NDArray[np.float64]
    """The middle of each part of the time."""
    link_kbps: NDArray[np.float64]
    """The link's rate in each part of the time."""


@dataclass(frozen=True)
class _Packets:
    """All packets that come, by time."""

    times_ns: NDArray[np.int64]
    streams: NDArray[np.int64]
    """Which of the scenario's streams."""
    sizes: NDArray[np.uint32]


@dataclass(frozen=True)
class _Left:
    """All packets that left the queues, in order, and whether the link lost them."""

    streams: NDArray[np.uint32]
    """Handles."""
    sequences: NDArray[np.int64]
    starts_ns: NDArray[np.int64]
    is_lost: NDArray[np.bool_]

    def of(self, handle: int) -> _Left:
        """Those of one stream."""
        mine = self.streams == handle
        return _Left(self.streams[mine], self.sequences[mine], self.starts_ns[mine], self.is_lost[mine])


def simulate(scenario: Scenario, progress: Callable[[float, str], None]) -> Outcome:
    """Run a scenario to its end; `progress` is told how much is done, from 0 to 1, and what is being done."""
    random = np.random.default_rng(scenario.seed)
    each = [_of_stream(stream, scenario.duration_ns, random) for stream in scenario.streams.values()]
    counts = [len(times_ns) for times_ns, _ in each]
    order = np.argsort(np.concatenate([times_ns for times_ns, _ in each]), kind="stable")
    packets = _Packets(
        np.concatenate([times_ns for times_ns, _ in each])[order],
        np.repeat(np.arange(len(each)), counts)[order],
        np.concatenate([sizes for _, sizes in each])[order],
    )
    link, handles = scenario.build()
    of_streams = np.array([handles[name] for name in scenario.streams], dtype=np.uint32)
    accepted = np.zeros(len(order), dtype=bool)
    batches = list(_run(scenario, link, handles, of_streams, packets, accepted, progress))
    streams, sequences, starts_ns = (
        np.concatenate([getattr(batch, name) for batch in batches])
        for name in ("streams", "sequences", "departures_ns")
    )
    left = _Left(
        streams, sequences.astype(np.int64), starts_ns.astype(np.int64), _losses(scenario.loss, len(streams), random)
    )
    outcomes = []
    for number, name in enumerate(scenario.streams):
        came = np.flatnonzero(packets.streams == number)
        mine = left.of(int(of_streams[number]))
        sent = np.flatnonzero(accepted[came])[mine.sequences]
        stats = link.stats(int(of_streams[number]))
        outcomes.append(_outcome(scenario, name, packets.times_ns[came], packets.sizes[came], sent, mine, stats))
    middles_ns = (np.arange(_PARTS) + 0.5) * scenario.duration_ns / _PARTS
    return Outcome(scenario, outcomes, middles_ns / 1e9, _rates_kbps(scenario, middles_ns))


def _outcome(
    scenario: Scenario,
    name: str,
    times_ns: NDArray[np.int64],
    sizes: NDArray[np.uint32],
    sent: NDArray[np.int64],
    left: _Left,
    stats: LinkStats,
) -> StreamOutcome:
    """What has become of a stream's packets; `sent` are the places among them of those that left."""
    took_ns = (sizes[sent].astype(np.int64) + int(scenario.link.get("overhead_bytes", 0))) * 8_000_000
    ends_ns = left.starts_ns + took_ns / _rates_kbps(scenario, left.starts_ns)
    arrived_ns = np.full(len(times_ns), np.inf)
    arrived_ns[sent[~left.is_lost]] = ends_ns[~left.is_lost]
    delivered_ns, is_data = _delivered(arrived_ns, scenario.streams[name].fec)
    delays_ns = (delivered_ns - times_ns)[is_data & np.isfinite(delivered_ns)]
    seconds = scenario.duration_ns / 1e9
    kilobits = sizes * 8 / 1000
    in_parts = np.histogram(left.starts_ns, _PARTS, (0, scenario.duration_ns), weights=kilobits[sent])[0]
    return StreamOutcome(
        name=name,
        offered_kbps=float(kilobits.sum()) / seconds,
        sent_kbps=float(kilobits[sent].sum()) / seconds,
        kbps=in_parts / (seconds / _PARTS),
        delays_ms=np.sort(delays_ns) / 1e6,
        stats=stats,
        lost=int(left.is_lost.sum()),
        recovered=int((np.isfinite(delivered_ns) & np.isinf(arrived_ns) & is_data).sum()),
    )


def _run(
    scenario: Scenario,
    link: LinkScheduler,
    handles: dict[str, int],
    of_streams: NDArray[np.uint32],
    packets: _Packets,
    accepted: NDArray[np.bool_],
    progress: Callable[[float, str], None],
) -> Iterator[Batch]:
    """What the link sends. Packets of one moment are queued in one call."""
    handles_of_packets = of_streams[packets.streams]
    moments = np.flatnonzero(np.diff(packets.times_ns, prepend=-1))
    ends = np.append(moments, len(packets.times_ns))[1:]
    changes = scenario.changes_by_time
    fetched_ns = 0
    for number, (first, end) in enumerate(zip(moments.tolist(), ends.tolist(), strict=True)):
        now_ns = int(packets.times_ns[first])
        while changes and changes[0].at_ns <= now_ns:
            fetched_ns = changes[0].at_ns
            yield from _change(link, handles, changes.pop(0))
        if now_ns > fetched_ns:
            yield link.dequeue(now_ns - 1, _ALL)
        drops = link.enqueue(handles_of_packets[first:end], packets.sizes[first:end], now_ns)
        accepted[first:end] = drops == 0
        if number % _TOLD_EVERY == 0:
            progress(now_ns / scenario.duration_ns, f"{now_ns / 1e9:.1f} s of {scenario.duration_ns / 1e9:g} s")
    for change in changes:
        yield from _change(link, handles, change)
    yield link.dequeue(scenario.duration_ns, _ALL)


def _change(link: LinkScheduler, handles: dict[str, int], change: Change) -> Iterator[Batch]:
    yield link.dequeue(change.at_ns, _ALL)
    link.reconfigure(handles[change.of], change.at_ns, **change.settings)


def _of_stream(
    stream: Stream, duration_ns: int, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """All packets of a stream by time, each full group with its parity right behind it."""
    parts = [traffic.packets(duration_ns, random) for traffic in stream.traffic]
    times_ns = np.concatenate([part[0] for part in parts])
    order = np.argsort(times_ns, kind="stable")
    times_ns, sizes = times_ns[order], np.concatenate([part[1] for part in parts])[order]
    if stream.fec is None:
        return times_ns, sizes
    k, m = stream.fec.data_shards, stream.fec.parity_shards
    groups = len(times_ns) // k
    whole = groups * k
    parity_ns = np.repeat(times_ns[:whole].reshape(groups, k)[:, -1:], m, axis=1)
    parity_bytes = np.repeat(sizes[:whole].reshape(groups, k).max(axis=1, keepdims=True, initial=0), m, axis=1)
    with_parity_ns = np.hstack([times_ns[:whole].reshape(groups, k), parity_ns]).ravel()
    with_parity_bytes = np.hstack([sizes[:whole].reshape(groups, k), parity_bytes]).ravel()
    return np.append(with_parity_ns, times_ns[whole:]), np.append(with_parity_bytes, sizes[whole:])


def _delivered(arrived_ns: NDArray[np.float64], fec: Parity | None) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """When each packet is there, by itself or from any k of its group; and which packets are data."""
    is_data = np.ones(len(arrived_ns), dtype=bool)
    if fec is None:
        return arrived_ns, is_data
    k, m = fec.data_shards, fec.parity_shards
    groups = len(arrived_ns) // (k + m)
    whole = groups * (k + m)
    shards = arrived_ns[:whole].reshape(groups, k + m)
    enough_ns = np.sort(shards, axis=1)[:, k - 1 : k]
    delivered_ns = arrived_ns.copy()
    delivered_ns[:whole] = np.minimum(shards, enough_ns).ravel()
    is_data[:whole] = np.tile(np.arange(k + m) < k, groups)
    return delivered_ns, is_data


def _losses(loss: Loss | None, count: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which of the packets that leave it the link loses: all while it is in the bad one of its two states."""
    is_lost = np.zeros(count, dtype=bool)
    if loss is None or loss.loss == 0:
        return is_lost
    leave_bad = 1 / loss.mean_burst
    enter_bad = leave_bad * loss.loss / (1 - loss.loss)
    at = 0
    is_bad = bool(random.random() < loss.loss)
    while at < count:
        stay = int(random.geometric(leave_bad if is_bad else enter_bad))
        is_lost[at : at + stay] = is_bad
        at, is_bad = at + stay, not is_bad
    return is_lost


def _rates_kbps(scenario: Scenario, at_ns: NDArray[np.number[Any]]) -> NDArray[np.float64]:
    """The link's rate at those times."""
    of_link = [change for change in scenario.changes_by_time if change.of == "link"]
    from_ns = [0, *(change.at_ns for change in of_link)]
    rates_kbps = [scenario.link["rate_kbps"], *(change.settings["rate_kbps"] for change in of_link)]
    return np.array(rates_kbps, dtype=np.float64)[np.searchsorted(from_ns, at_ns, side="right") - 1]
