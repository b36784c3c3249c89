"""The link scheduler through Python: what a packet costs, queued and fetched, on a link that is always busy.

The load is that of the crate's example `figures`: packets of 64 bytes, 16 streams a class, mixed weights, 100 Gbit/s,
streams drawn at random, 32,768 packets queued. `packets` are those of a round; the table's ns/packet is by them.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import numpy as np
import pytest

from honeylink.scheduler import LinkScheduler

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture

PACKETS = 1 << 18
BACKLOG = 32_768
PACKET_BYTES = 64
RATE_KBPS = 100_000_000
YARDSTICK_PACKETS = 1 << 14


class Load:
    """A link with a backlog; the clock goes on by just what a batch takes, so that the link is never idle nor late."""

    def __init__(self, streams: int, batch: int) -> None:
        self.link = LinkScheduler(RATE_KBPS)
        handles = []
        for index in range(streams):
            if index % 16 == 0:
                cls = self.link.add_class(weight=1 + index // 16 % 8)
            handles.append(self.link.add_stream(cls, weight=1 + index * 7 % 13))
        drawn = np.random.default_rng(1).choice(np.array(handles, dtype=np.uint32), PACKETS)
        self.batches = [drawn[start : start + batch] for start in range(0, PACKETS, batch)]
        self.batch = batch
        self.sizes = np.full(batch, PACKET_BYTES, dtype=np.uint32)
        self.sent = 0
        for streams_of_batch in self.batches[: BACKLOG // batch]:
            self.link.enqueue(streams_of_batch, self.sizes, 0)

    def run(self) -> int:
        """Queue and fetch `PACKETS` packets."""
        fetched = 0
        for streams in self.batches:
            self.link.enqueue(streams, self.sizes, self.now_ns())
            self.sent += self.batch
            fetched += len(self.link.dequeue(self.now_ns(), self.batch))
        return fetched

    def now_ns(self) -> int:
        """When what was sent so far has been sent: 64 bytes take 5.12 ns."""
        return self.sent * 128 // 25


@pytest.mark.benchmark(group="link, enqueue and dequeue, 2^18 packets")
@pytest.mark.parametrize("batch", [64, 256, 1024])
@pytest.mark.parametrize("streams", [1024, 16_384, 65_536])
def test_batches(benchmark: BenchmarkFixture, streams: int, batch: int) -> None:
    """Expected: each batch fetches as many packets as it queues, and the link stays busy."""
    load = Load(streams, batch)
    benchmark.extra_info["packets"] = PACKETS
    fetched = benchmark.pedantic(load.run, rounds=8, warmup_rounds=1)  # type: ignore[no-untyped-call]
    assert fetched == PACKETS
    stats = load.link.stats()
    assert stats.dequeued == 9 * PACKETS
    assert stats.queued_packets > BACKLOG // 2


@pytest.mark.benchmark(group="link, one trace of 2^14 packets, 64 streams")
def test_trace(benchmark: BenchmarkFixture) -> None:
    """Expected: all packets of a trace that the link can just carry."""
    streams, times_ns = trace()

    def run() -> int:
        link = LinkScheduler(1_000_000)
        handles = np.array([link.add_stream(link.root, weight=1 + i % 13) for i in range(64)], dtype=np.uint32)
        fetched = 0
        sizes = np.full(256, 1000, dtype=np.uint32)
        for start in range(0, YARDSTICK_PACKETS, 256):
            now_ns = int(times_ns[start])
            link.enqueue(handles[streams[start : start + 256]], sizes, now_ns)
            fetched += len(link.dequeue(now_ns, 512))
        return fetched + len(link.dequeue(2**62, YARDSTICK_PACKETS))

    benchmark.extra_info["packets"] = YARDSTICK_PACKETS
    fetched = benchmark.pedantic(run, rounds=8, warmup_rounds=1)  # type: ignore[no-untyped-call]
    assert fetched == YARDSTICK_PACKETS


@pytest.mark.benchmark(group="link, one trace of 2^14 packets, 64 streams")
@pytest.mark.skipif(importlib.util.find_spec("ns") is None, reason="ns-py is not installed")
def test_trace_by_ns_py(benchmark: BenchmarkFixture) -> None:
    """Expected: the same packets, by the weighted fair queueing of `ns.py`."""
    import simpy
    from ns.packet.packet import Packet
    from ns.packet.sink import PacketSink
    from ns.scheduler.wfq import WFQServer

    streams, times_ns = trace()

    def run() -> int:
        env = simpy.Environment()
        server = WFQServer(env, 1e9, {i: 1 + i % 13 for i in range(64)})
        server.out = PacketSink(env, rec_arrivals=False, rec_waits=False)

        def source() -> Generator[simpy.Event, object, None]:
            for number, stream in enumerate(streams.tolist()):
                wait = times_ns[number] / 1e9 - env.now
                if wait > 0:
                    yield env.timeout(wait)
                server.put(Packet(env.now, 1000, number, flow_id=stream))

        env.process(source())
        env.run()
        return int(sum(server.out.packets_received.values()))

    benchmark.extra_info["packets"] = YARDSTICK_PACKETS
    fetched = benchmark.pedantic(run, rounds=3, warmup_rounds=0)  # type: ignore[no-untyped-call]
    assert fetched == YARDSTICK_PACKETS


def trace() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The stream of each packet, and when it comes: 256 at a time, as fast as 1 Gbit/s carries 1000 bytes each."""
    streams = np.random.default_rng(2).integers(0, 64, YARDSTICK_PACKETS)
    return streams, np.arange(YARDSTICK_PACKETS) // 256 * 256 * 8000
