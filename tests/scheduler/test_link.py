"""What a link promises, seen through the arrays of Python."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import numpy as np
import pytest

from honeylink.errors import LinkError, TimeBackwards
from honeylink.scheduler import Batch, Drop, LinkScheduler

if TYPE_CHECKING:
    from numpy.typing import NDArray

MS = 1_000_000
SECOND = 1_000_000_000


def drain(link: LinkScheduler) -> Batch:
    return link.dequeue(2**63, 2**40)


def kbps(batch: Batch, stream: int, until_ns: int) -> float:
    """What a stream got until then."""
    theirs = (batch.streams == stream) & (batch.departures_ns < until_ns)
    return float(batch.sizes[theirs].sum()) * 8 * 1_000_000 / until_ns


def test_a_departure_is_the_start_of_sending() -> None:
    link = LinkScheduler(8_000, overhead_bytes=500)  # a byte takes 1 us
    stream = link.add_stream(link.root)
    link.enqueue([stream] * 3, [500, 1000, 1500], now_ns=7)
    batch = drain(link)
    assert batch.departures_ns.tolist() == [7, 7 + 1 * MS, 7 + 2_500_000]
    assert batch.sequences.tolist() == [0, 1, 2]
    assert batch.sizes.tolist() == [500, 1000, 1500]
    assert [array.dtype for array in (batch.streams, batch.sequences, batch.sizes, batch.departures_ns)] == [
        np.uint32,
        np.uint64,
        np.uint32,
        np.uint64,
    ]
    assert batch.marks.dtype == np.bool_
    assert not batch.marks.any()


def test_polling_at_the_next_event_starts_a_packet_just_then() -> None:
    link = LinkScheduler(3_333)
    stream = link.add_stream(link.root, ceil_kbps=777, burst_bytes=0)
    assert link.next_event_ns(0) is None
    link.enqueue([stream] * 5, [1000] * 5, now_ns=0)
    now_ns, starts = 0, []
    while (event_ns := link.next_event_ns(now_ns)) is not None:
        if event_ns > now_ns:
            assert len(link.dequeue(event_ns - 1, 256)) == 0
        now_ns = event_ns
        batch = link.dequeue(now_ns, 256)
        assert batch.departures_ns.tolist() == [now_ns]
        starts.append(now_ns)
    assert len(starts) == 5
    assert min(np.diff(starts)) >= 1000 * 8 * MS / 777


def test_limits_of_a_batch() -> None:
    link = LinkScheduler(10_000)
    stream = link.add_stream(link.root)
    link.enqueue([stream] * 4, [1000, 400, 500, 100], now_ns=0)
    assert len(link.dequeue(SECOND, 0)) == 0
    assert len(link.dequeue(SECOND, 256, max_bytes=999)) == 0
    assert link.dequeue(SECOND, 256, max_bytes=1899).sizes.tolist() == [1000, 400]
    assert link.dequeue(SECOND, 1).sizes.tolist() == [500]
    assert repr(link.dequeue(SECOND, 1)).startswith("Batch(streams=array([")
    assert len(link.dequeue(SECOND, 1)) == 0


def test_more_than_is_fetched_at_once() -> None:
    link = LinkScheduler(10_000)
    stream = link.add_stream(link.root, queue_packets=5000)
    link.enqueue(np.full(5000, stream, np.uint32), np.full(5000, 100, np.uint32), now_ns=0)
    first = link.dequeue(2**62, 2**50, max_bytes=4000 * 100 + 99)
    assert first.sequences.tolist() == list(range(4000))
    assert drain(link).sequences.tolist() == list(range(4000, 5000))


def test_guarantees_ceilings_and_what_is_left() -> None:
    link = LinkScheduler(10_000)
    video = link.add_stream(link.root, priority="burst", rate_kbps=5_000, queue_packets=10_000)
    capped = link.add_stream(link.root, rate_kbps=1_000, ceil_kbps=1_000, queue_packets=10_000)
    bulk = link.add_stream(link.root, weight=1, queue_packets=10_000)
    for stream in (video, capped, bulk):
        link.enqueue([stream] * 3000, [1000] * 3000, now_ns=0)
    batch = drain(link)
    assert kbps(batch, video, SECOND) >= 5_000 * 0.99
    assert kbps(batch, capped, SECOND) == pytest.approx(1_000, rel=0.03)
    assert kbps(batch, bulk, SECOND) > 0
    assert sum(kbps(batch, each, SECOND) for each in (video, capped, bulk)) == pytest.approx(10_000, rel=0.01)


def test_classes_share_by_rate_and_inside_them_by_weight() -> None:
    link = LinkScheduler(10_000)
    large, small = link.add_class(rate_kbps=7_500), link.add_class(link.root, rate_kbps=2_500)
    streams = [link.add_stream(large, weight=1), link.add_stream(large, weight=2), link.add_stream(small)]
    for stream in streams:
        link.enqueue([stream] * 1000, [1000] * 1000, now_ns=0)
    batch = drain(link)
    half = SECOND // 2
    assert [kbps(batch, each, half) for each in streams] == pytest.approx([2_500, 5_000, 2_500], rel=0.03)


def test_a_delay_is_kept_beside_a_full_queue() -> None:
    link = LinkScheduler(10_000)
    control = link.add_stream(link.root, priority="latency", rate_kbps=100, max_delay_us=4_000)
    bulk = link.add_stream(link.root)
    link.enqueue([bulk] * 1000, [1514] * 1000, now_ns=0)
    for at_ms in range(0, 1000, 20):
        link.enqueue([control], [200], now_ns=at_ms * MS)
    batch = drain(link)
    starts = batch.departures_ns[batch.streams == control].astype(np.int64)
    waits_us = (starts - np.arange(0, 1000, 20) * MS) / 1000 + 200 * 8 / 10
    assert waits_us.max() <= 4_000


def test_codel_marks_what_stands() -> None:
    link = LinkScheduler(1_000, aqm="codel-mark")
    stream = link.add_stream(link.root)
    link.enqueue([stream] * 200, [1000] * 200, now_ns=0)
    batch = drain(link)
    assert 0 < batch.marks.sum() < 200
    assert link.stats(stream).marked == batch.marks.sum()


def test_codel_drops_what_stands_and_memory_the_fattest() -> None:
    link = LinkScheduler(1_000, aqm="codel-drop", memory_bytes=150_000)
    fat, thin = link.add_stream(link.root), link.add_stream(link.root)
    link.enqueue([fat] * 200, [1000] * 200, now_ns=0)
    link.enqueue([thin], [1000], now_ns=0)
    batch = drain(link)
    stats = link.stats()
    assert stats.dropped_memory == 51
    assert stats.dropped_aqm > 0
    assert len(batch) == stats.dequeued == 201 - stats.dropped_after_acceptance
    assert link.stats(thin).dropped_after_acceptance == 0


def test_each_drop_code_has_its_name_and_its_count() -> None:
    link = LinkScheduler(10_000)
    few = link.add_stream(link.root, queue_packets=2)
    small = link.add_stream(link.root, queue_bytes=2_000)
    drops = link.enqueue([few, few, few, small, small], [10, 10, 10, 1500, 501], now_ns=0)
    assert drops.dtype == np.uint8
    assert [Drop(code) for code in drops] == [
        Drop.ACCEPTED,
        Drop.ACCEPTED,
        Drop.QUEUE_PACKETS,
        Drop.ACCEPTED,
        Drop.QUEUE_BYTES,
    ]
    assert link.stats(few).dropped_queue_packets == 1
    assert link.stats(small).dropped_queue_bytes == 1
    stats = link.stats()
    assert (stats.enqueued, stats.queued_packets, stats.queued_bytes) == (3, 3, 1520)
    assert repr(stats).startswith("LinkStats(enqueued=3, dequeued=0, ")
    assert stats == link.stats(link.root) != link.stats(few)


def test_changes_hold_from_their_time_on() -> None:
    link = LinkScheduler(8_000)
    stream = link.add_stream(link.root)
    link.enqueue([stream] * 4, [1000] * 4, now_ns=0)
    link.reconfigure(link.root, 1_500_000, rate_kbps=4_000)
    assert drain(link).departures_ns.tolist() == [0, 1 * MS, 2 * MS, 4 * MS]


def test_who_is_added_comes_at_its_time() -> None:
    """Who has nothing to send yet changes nothing for the others, whenever it comes."""
    starts = []
    for now_ns in (0, 5 * MS, 20 * MS):
        link = LinkScheduler(8_000)
        urgent = link.add_stream(link.root, priority="latency", rate_kbps=100, burst_bytes=10_000)
        link.enqueue([urgent] * 10, [1000] * 10, now_ns=0)
        other = link.add_class(now_ns=now_ns)
        late = link.add_stream(other, now_ns=now_ns, rate_kbps=7_000)
        link.enqueue([late], [1000], now_ns=20 * MS)
        with pytest.raises(TimeBackwards):
            link.add_stream(other, now_ns=19 * MS)
        starts.append(drain(link).departures_ns.tolist())
    assert starts[0] == starts[1] == starts[2]


def test_a_stream_that_comes_amid_traffic_says_when() -> None:
    link = LinkScheduler(10_000)
    stream = link.add_stream(link.root)
    link.enqueue([stream] * 2, [1250] * 2, now_ns=0)
    with pytest.raises(LinkError, match="the time") as queued:
        link.add_stream(link.root)
    assert (queued.value.field, queued.value.found) == ("now_ns", "none")
    link.remove(stream, now_ns=3 * MS)
    with pytest.raises(LinkError, match="the time"):  # both have started, and nobody has fetched them
        link.add_class()
    assert len(link.dequeue(now_ns=3 * MS, max_packets=9)) == 2
    link.add_stream(link.add_class())


def test_a_changed_guarantee_does_not_reach_back() -> None:
    """A backlog of many seconds, and then a rate: another stream's delay is kept all the same."""
    link = LinkScheduler(10_000)
    bulk = link.add_stream(link.root, weight=1, queue_packets=20_000)
    control = link.add_stream(link.root, rate_kbps=100, max_delay_us=10_000)
    video = link.add_stream(link.root, weight=1_000_000, queue_packets=20_000)
    for stream in (bulk, video):
        link.enqueue([stream] * 12_000, [1500] * 12_000, now_ns=0)
    link.dequeue(10 * SECOND, 2**20)
    link.reconfigure(bulk, 10 * SECOND, rate_kbps=2_700)
    link.enqueue([control], [1000], now_ns=10 * SECOND)
    batch = link.dequeue(11 * SECOND, 2**20)
    (start_ns,) = batch.departures_ns[batch.streams == control].tolist()
    assert start_ns + 800_000 <= 10 * SECOND + 10 * MS
    assert batch.sizes[batch.streams == bulk].sum() * 8 >= 2_690_000


def test_time_in_which_it_stood_still_is_credited_to_nobody() -> None:
    link = LinkScheduler(10_000)
    bulk = link.add_stream(link.root, rate_kbps=5_000, queue_packets=150_000)
    control = link.add_stream(link.root, rate_kbps=100, max_delay_us=5_000)
    link.enqueue(np.full(150_000, bulk), np.full(150_000, 125), now_ns=0)
    link.enqueue([control], [1000], now_ns=14 * SECOND)  # 65,536 packets have started by 6.6 s and were not fetched
    batch = link.dequeue(15 * SECOND, 2**20)
    (start_ns,) = batch.departures_ns[batch.streams == control].tolist()
    assert start_ns + 800_000 <= 14 * SECOND + 5 * MS


def test_none_takes_a_limit_away_and_what_is_not_named_stays() -> None:
    link = LinkScheduler(8_000)
    cls = link.add_class(ceil_kbps=1_000, burst_bytes=0)
    stream = link.add_stream(cls, ceil_kbps=1_000, burst_bytes=0, queue_packets=3)
    link.reconfigure(cls, 0, ceil_kbps=None)
    link.reconfigure(stream, 0, weight=7)
    assert link.enqueue([stream] * 4, [1000] * 4, now_ns=0).tolist() == [0, 0, 0, Drop.QUEUE_PACKETS]
    assert link.dequeue(8 * MS, 256).departures_ns.tolist() == [0, 8 * MS]
    link.reconfigure(stream, 8 * MS, ceil_kbps=None)
    assert drain(link).departures_ns.tolist() == [9 * MS]


def test_removing_drops_and_handles_never_come_back() -> None:
    link = LinkScheduler(8_000)
    seen = {link.root}
    for _ in range(50):
        cls = link.add_class()
        stream = link.add_stream(cls)
        assert not {cls, stream} & seen
        seen |= {cls, stream}
        link.enqueue([stream], [100], now_ns=5)
        link.remove(cls, now_ns=5)
    stats = link.stats()
    assert (stats.enqueued, stats.dropped_removed, stats.queued_packets) == (50, 50, 0)


@pytest.mark.parametrize(
    "column",
    [
        lambda values: np.array(values, dtype=np.uint32),
        lambda values: np.repeat(np.array(values, dtype=np.uint32), 3)[::3],
        lambda values: np.array(values, dtype=np.uint32)[::-1][::-1],
        lambda values: np.array(values, dtype=">u4"),
        lambda values: np.array(values, dtype=np.int64),
        lambda values: np.frombuffer(b"\0" + np.array(values, dtype=np.uint32).tobytes(), np.uint8)[1:].view(np.uint32),
        list,
        tuple,
    ],
)
def test_columns_of_any_layout(column: object) -> None:
    link = LinkScheduler(8_000)
    streams = [link.add_stream(link.root) for _ in range(3)]
    sizes = [100, 200, 300]
    assert link.enqueue(column(streams), column(sizes), now_ns=0).tolist() == [0, 0, 0]  # type: ignore[operator]
    batch = drain(link)
    assert sorted(zip(batch.streams.tolist(), batch.sizes.tolist(), strict=True)) == list(
        zip(streams, sizes, strict=True)
    )


def test_an_empty_batch_is_nothing() -> None:
    link = LinkScheduler(8_000)
    assert link.enqueue(np.empty(0, np.uint32), [], now_ns=3).shape == (0,)
    assert drain(link).streams.shape == (0,)


def run(cuts: int) -> list[NDArray[np.generic]]:
    """One trace of packets, fetched in that many parts."""
    random = np.random.default_rng(5)
    link = LinkScheduler(20_000, aqm="codel-drop", memory_bytes=200_000)
    classes = [link.add_class(rate_kbps=6_000), link.add_class(ceil_kbps=4_000)]
    streams = np.array(
        [link.add_stream(classes[i % 2], rate_kbps=100 * i, ceil_kbps=3_000, queue_packets=50) for i in range(8)],
        dtype=np.uint32,
    )
    parts: list[Batch] = []
    for step in range(400):
        now_ns = step * MS
        # Made between two fetches, while some packets have left that nobody has fetched.
        if step == 110:
            link.reconfigure(classes[1], now_ns, ceil_kbps=None)
        elif step == 150:
            link.reconfigure(int(streams[3]), now_ns, ceil_kbps=5_000, rate_kbps=200, priority="latency")
        elif step == 190:
            link.reconfigure(link.root, now_ns, rate_kbps=12_000)
        elif step == 230:
            link.reconfigure(classes[0], now_ns, rate_kbps=8_000, ceil_kbps=9_000)
        elif step == 270:
            link.remove(int(streams[7]), now_ns)
            streams = streams[:7]
        count = int(random.integers(0, 9))
        link.enqueue(random.choice(streams, count), random.integers(1, 1515, count, np.uint32), now_ns)
        if step % 40 == 39:
            parts += [link.dequeue(now_ns, int(random.integers(0, 9))) for _ in range(cuts)]
            parts.append(link.dequeue(now_ns, 2**20))
            random = np.random.default_rng(step)
    parts.append(drain(link))
    return [
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("streams", "sequences", "sizes", "departures_ns", "marks")
    ]


def test_what_comes_out_is_the_same_however_it_is_split() -> None:
    whole = run(0)
    assert len(whole[0]) > 1000
    for cuts in (1, 7, 60):
        np.testing.assert_equal(run(cuts), whole)


def test_threads_share_a_link() -> None:
    """Two that queue and two that fetch, with batches that keep the GIL and batches that release it."""
    link = LinkScheduler(1_000_000_000)
    streams = [link.add_stream(link.root, queue_packets=500) for _ in range(4)]
    fetched: list[tuple[int, int]] = []
    done = threading.Event()

    def queue(count: int) -> None:
        columns = np.array([streams[i % 4] for i in range(count)], np.uint32), np.full(count, 100, np.uint32)
        for _ in range(300):
            with contextlib.suppress(TimeBackwards):  # another thread has read the clock later, and came first
                link.enqueue(*columns, now_ns=time.monotonic_ns())
            link.stats()

    def fetch(count: int) -> None:
        while not done.is_set():
            with contextlib.suppress(TimeBackwards):
                batch = link.dequeue(time.monotonic_ns(), count)
                fetched.extend(zip(batch.streams.tolist(), batch.sequences.tolist(), strict=True))

    with ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(fetch, count) for count in (5, 700)]
        writers = [threads.submit(queue, count) for count in (7, 640)]
        wait(writers)
        done.set()
        for thread in (*readers, *writers):
            thread.result()
    rest = drain(link)
    fetched += zip(rest.streams.tolist(), rest.sequences.tolist(), strict=True)
    stats = link.stats()
    assert stats.enqueued == stats.dequeued == len(fetched) == len(set(fetched)) > 2000


def test_the_gil_is_free_while_a_batch_is_worked_on() -> None:
    """A thread that waits for nothing but the GIL gets on while a long call runs."""
    link = LinkScheduler(1_000_000_000, mtu_bytes=64)
    stream = link.add_stream(link.root, queue_packets=2_000_000)
    columns = np.full(2_000_000, stream, np.uint32), np.full(2_000_000, 64, np.uint32)
    ended = threading.Event()
    steps = 0

    def call() -> None:
        link.enqueue(*columns, now_ns=0)
        drain(link)
        ended.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)  # so that nobody is made to give the GIL up
    try:
        thread = threading.Thread(target=call)
        thread.start()
        while not ended.wait(0.0001):
            steps += 1
        thread.join(60)
    finally:
        sys.setswitchinterval(interval)
    assert steps > 10
