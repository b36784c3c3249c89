"""All calls in any order: only typed errors, counts that add up, packets in order, however often it is asked."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from honeylink.errors import LinkError
from honeylink.scheduler import Batch, Drop, LinkScheduler

rates = st.integers(0, 6_000)
node = {
    "rate_kbps": rates,
    "ceil_kbps": st.none() | rates,
    "weight": st.none() | st.integers(0, 50),
    "burst_bytes": st.integers(0, 6_000),
}
classes = st.fixed_dictionaries({}, optional=node)
streams = st.fixed_dictionaries(
    {},
    optional={
        **node,
        "priority": st.sampled_from(["latency", "normal", "burst"]),
        "max_delay_us": st.none() | st.integers(0, 60_000),
        "queue_packets": st.integers(0, 20),
        "queue_bytes": st.none() | st.integers(1_000, 9_000),
    },
)


class Link(RuleBasedStateMachine):
    """Beside the link it keeps how many packets went in and came out, and a twin that is asked at other moments too."""

    @initialize(
        memory_bytes=st.none() | st.integers(1_514, 20_000), aqm=st.sampled_from([None, "codel-drop", "codel-mark"])
    )
    def make(self, memory_bytes: int | None, aqm: object) -> None:
        self.link, self.twin = (
            LinkScheduler(10_000, memory_bytes=memory_bytes, aqm=aqm)  # type: ignore[arg-type]
            for _ in range(2)
        )
        self.sent: tuple[list[Batch], list[Batch]] = [], []
        self.handles = [self.link.root]
        self.now_ns = 0
        self.accepted = self.refused = self.fetched = 0
        self.last_ns = 0
        self.last_sequence: dict[int, int] = {}

    def handle(self, place: int) -> int:
        """Any that was ever given, removed ones too."""
        return self.handles[place % len(self.handles)]

    def attempt(self, call: str, *arguments: object, **changes: object) -> int | None:
        """The call; after an error everything is as it was, and the twin has the same one."""
        before = repr(self.link.stats()), self.link.next_event_ns(self.now_ns)
        try:
            answer = getattr(self.link, call)(*arguments, **changes)
        except LinkError:
            with pytest.raises(LinkError):
                getattr(self.twin, call)(*arguments, **changes)
        except TypeError as error:  # streams have more settings than classes
            if "no such setting" not in str(error):
                raise
        else:
            assert repr(answer) == repr(getattr(self.twin, call)(*arguments, **changes))
            return answer  # type: ignore[no-any-return]
        assert before == (repr(self.link.stats()), self.link.next_event_ns(self.now_ns))
        return None

    def keep(self, handle: int | None) -> None:
        if handle is not None:
            assert handle not in self.handles
            self.handles.append(handle)

    @rule(place=st.integers(0, 99), config=classes)
    def add_class(self, place: int, config: dict[str, object]) -> None:
        self.keep(self.attempt("add_class", self.handle(place), now_ns=self.now_ns, **config))

    @rule(place=st.integers(0, 99), config=streams)
    def add_stream(self, place: int, config: dict[str, object]) -> None:
        self.keep(self.attempt("add_stream", self.handle(place), now_ns=self.now_ns, **config))

    @rule(packets=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 1_520)), max_size=90))
    def enqueue(self, packets: list[tuple[int, int]]) -> None:
        handles = np.array([self.handle(place) for place, _ in packets], np.uint32)
        drops = self.attempt("enqueue", handles, np.array([size for _, size in packets], np.uint32), self.now_ns)
        if drops is not None:
            codes = Counter(Drop(code) for code in drops)  # type: ignore[attr-defined]
            self.accepted += codes[Drop.ACCEPTED]
            self.refused += codes[Drop.QUEUE_PACKETS] + codes[Drop.QUEUE_BYTES]

    @rule(packets=st.integers(0, 90), max_bytes=st.none() | st.integers(0, 9_000))
    def dequeue(self, packets: int, max_bytes: int | None) -> None:
        batch = self.link.dequeue(self.now_ns, packets, max_bytes)
        assert len(batch) <= packets
        assert max_bytes is None or batch.sizes.sum() <= max_bytes
        self.look_at(batch)
        self.now_ns += 1  # what starts at this very moment may have been decided, or not

    def look_at(self, batch: Batch) -> None:
        self.sent[0].append(batch)
        self.fetched += len(batch)
        for start_ns in batch.departures_ns.tolist():
            assert start_ns >= self.last_ns
            self.last_ns = start_ns
        for stream, sequence in zip(batch.streams.tolist(), batch.sequences.tolist(), strict=True):
            assert sequence > self.last_sequence.get(stream, -1)
            self.last_sequence[stream] = sequence

    @rule(place=st.integers(0, 99), changes=streams | classes)
    def reconfigure(self, place: int, changes: dict[str, object]) -> None:
        self.attempt("reconfigure", self.handle(place), self.now_ns, **changes)

    @rule(place=st.integers(0, 99))
    def remove(self, place: int) -> None:
        self.attempt("remove", self.handle(place), self.now_ns)

    @rule(ns=st.integers(0, 20_000_000), polls=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 9)), max_size=3))
    def wait(self, ns: int, polls: list[tuple[int, int]]) -> None:
        for percent, packets in sorted(polls):
            if ns:
                polled_ns = self.now_ns + (ns - 1) * percent // 100
                self.twin.next_event_ns(polled_ns)
                self.sent[1].append(self.twin.dequeue(polled_ns, packets))
        self.now_ns += ns

    @invariant()
    def counts_add_up(self) -> None:
        if not hasattr(self, "link"):
            return
        stats = self.link.stats()
        assert stats.enqueued == stats.dequeued + stats.queued_packets + stats.dropped_after_acceptance
        assert stats.enqueued == self.accepted
        assert stats.dequeued == self.fetched
        assert stats.dropped_queue_packets + stats.dropped_queue_bytes == self.refused
        assert (self.link.next_event_ns(self.now_ns) is None) == (stats.queued_packets == 0)

    def teardown(self) -> None:
        if hasattr(self, "link"):
            self.look_at(self.link.dequeue(2**63, 2**20))
            self.sent[1].append(self.twin.dequeue(2**63, 2**20))
            self.counts_add_up_at_the_end()
            self.twins_sent_the_same()

    def twins_sent_the_same(self) -> None:
        for name in ("streams", "sequences", "sizes", "departures_ns", "marks"):
            one, other = (np.concatenate([getattr(batch, name) for batch in sent]) for sent in self.sent)
            np.testing.assert_array_equal(one, other, name)

    def counts_add_up_at_the_end(self) -> None:
        stats = self.link.stats()
        assert stats.queued_packets == stats.queued_bytes == 0
        assert stats.dequeued == self.fetched


Link.TestCase.settings = settings(max_examples=150, stateful_step_count=60)
test_all_calls = Link.TestCase
