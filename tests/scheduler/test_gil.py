"""Other threads go on while a link is at work, while somebody waits for it, and while a large decision is made.

A thread gives up the GIL only where it says so: the switch interval is made so long that nothing takes it away. So what
runs during a call runs since the call has given it up, however fast or slow the machine is.
"""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from honeylink.fec import ReedSolomon
from honeylink.scheduler import ActiveSession, LinkScheduler, Pool, Request, StreamAsk, plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PACKETS = 1 << 20
ROUNDS = 50
HANG_SECONDS = 120


@pytest.fixture(autouse=True)
def _nothing_takes_the_gil_away() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(interval)


class Call:
    """A call in a thread of its own."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.is_on = self.is_over = False
        self._work = work
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.is_on = True
        self._work()
        self.is_on, self.is_over = False, True

    def join(self) -> None:
        self._thread.join()


def others_go_on(*works: Callable[[], object]) -> bool:
    """Whether this thread runs at some moment when each of the calls has begun and none has returned."""
    calls = [Call(work) for work in works]
    has_run = False
    while not any(call.is_over for call in calls):
        has_run |= all(call.is_on for call in calls)
        time.sleep(0)  # gives the GIL to whoever waits for it
    for call in calls:
        call.join()
    return has_run


def busy_link() -> tuple[LinkScheduler, int]:
    link = LinkScheduler(1_000_000_000)
    stream = link.add_stream(link.root, queue_packets=PACKETS)
    link.enqueue(np.full(PACKETS, stream, np.uint32), np.full(PACKETS, 64, np.uint32), 0)
    return link, stream


SHORT: dict[str, Callable[[LinkScheduler, int], Any]] = {
    "root": lambda link, _: link.root,
    "add_class": lambda link, _: link.add_class(now_ns=10**9),
    "add_stream": lambda link, _: link.add_stream(0, now_ns=10**9),
    "enqueue": lambda link, stream: link.enqueue([stream], [64], 10**9),
    "dequeue": lambda link, _: link.dequeue(10**9, 1),
    "next_event_ns": lambda link, _: link.next_event_ns(10**9),
    "reconfigure": lambda link, stream: link.reconfigure(stream, 10**9, weight=5),
    "remove": lambda link, stream: link.remove(stream, 10**9),
    "stats": lambda link, _: link.stats(),
}


@pytest.mark.parametrize("name", SHORT)
def test_who_waits_for_a_link_lets_others_go_on(name: str) -> None:
    def has_run() -> bool:
        link, stream = busy_link()
        return others_go_on(lambda: link.dequeue(10**9, PACKETS), lambda: SHORT[name](link, stream))

    # The second call may come before the first has the link.
    assert any(has_run() for _ in range(ROUNDS))


def test_who_waits_for_an_encoder_lets_others_go_on() -> None:
    shard = bytes(1 << 24)

    def has_run() -> bool:
        encoder = ReedSolomon(3, 8).encoder()
        encoder.add(0, shard)
        return others_go_on(lambda: encoder.add(1, shard), lambda: encoder.add(2, shard))

    assert any(has_run() for _ in range(ROUNDS))


def test_a_decision_beside_thousands_of_sessions_lets_others_go_on() -> None:
    ask = StreamAsk("video", "burst", 5, min_bandwidth_kbps=1)
    active = [ActiveSession(f"s-{number}", ["a"], [ask], -1, number, number) for number in range(5000)]
    path, request = [Pool("a", "device", 25_000, 25_000, preemption=True)], Request([ask])
    assert any(others_go_on(lambda: plan(path, request, active)) for _ in range(ROUNDS))


def test_nobody_waits_in_a_circle() -> None:
    # Who waits in a circle may hold the GIL, and then no thread of that process could tell.
    process = multiprocessing.get_context("spawn").Process(target=long_calls_and_short_ones)
    process.start()
    process.join(timeout=HANG_SECONDS)
    hangs = process.is_alive()
    process.kill()
    process.join()

    assert not hangs
    assert process.exitcode == 0


def long_calls_and_short_ones() -> None:
    """Each of them takes link and GIL in an order of its own."""
    link, stream = busy_link()
    encoder = ReedSolomon(200, 4).encoder()
    shard = bytes(1 << 16)

    def long_calls() -> None:
        for _ in range(100):
            link.enqueue([stream] * 100, [64] * 100, 10**9)
            link.dequeue(10**9, 1000)

    def short_calls() -> None:
        for _ in range(300):
            link.next_event_ns(10**9)
            link.dequeue(10**9, 1)
            link.stats()

    def add(part: int) -> None:
        for index in range(part, 200, 2):
            encoder.add(index, shard)

    sys.setswitchinterval(1e-6)
    calls = [
        Call(work) for work in (long_calls, short_calls, long_calls, short_calls, partial(add, 0), partial(add, 1))
    ]
    for call in calls:
        call.join()
    assert all(call.is_over for call in calls)
    assert encoder.parity.shape == (4, 1 << 16)
