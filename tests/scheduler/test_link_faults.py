"""What a link refuses: a typed error that names the field, and nothing has changed."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from honeylink.errors import (
    DelayOutOfReach,
    LinkError,
    OverCommitted,
    SchedulerError,
    TimeBackwards,
    UnknownHandle,
)
from honeylink.scheduler import LinkScheduler

if TYPE_CHECKING:
    from collections.abc import Callable

Link: Any = LinkScheduler  # with arguments of wrong types
HUGE = 10**40
FEC = {"data_shards": 10, "parity_shards": 1}
STREAM = {"name": "control", "priority": "latency", "allocated_bandwidth_kbps": 50, "fec": FEC}


class Scene:
    """A link with a class, a stream in it with two packets queued, and a handle that is gone."""

    def __init__(self) -> None:
        self.link = LinkScheduler(10_000)
        self.cls = self.link.add_class(rate_kbps=4_000, ceil_kbps=5_000)
        self.stream = self.link.add_stream(self.cls, rate_kbps=3_000)
        self.gone = self.link.add_stream(self.cls)
        self.link.remove(self.gone, 0)
        self.link.enqueue([self.stream] * 2, [1000] * 2, now_ns=1000)

    def state(self) -> tuple[object, ...]:
        stats = [repr(self.link.stats(each)) for each in (None, self.cls, self.stream)]
        return (*stats, self.link.next_event_ns(1000))


@pytest.mark.parametrize(
    ("call", "error", "field"),
    [
        (lambda s: Link(0), LinkError, "rate_kbps"),
        (lambda s: Link(-1), LinkError, "rate_kbps"),
        (lambda s: Link(HUGE), LinkError, "rate_kbps"),
        (lambda s: Link(1, mtu_bytes=63), LinkError, "mtu_bytes"),
        (lambda s: Link(1, overhead_bytes=2**32), LinkError, "overhead_bytes"),
        (lambda s: Link(1, memory_bytes=1), LinkError, "memory_bytes"),
        (lambda s: Link(1, aqm="red"), LinkError, "aqm"),
        (lambda s: s.link.add_class(s.gone, now_ns=1000), UnknownHandle, "parent"),
        (lambda s: s.link.add_class(s.stream, now_ns=1000), LinkError, "parent"),
        (lambda s: s.link.add_class(), LinkError, "now_ns"),
        (lambda s: s.link.add_stream(s.cls), LinkError, "now_ns"),
        (lambda s: s.link.add_class(now_ns=1000, ceil_kbps=0), LinkError, "ceil_kbps"),
        (lambda s: s.link.add_class(now_ns=1000, weight=0), LinkError, "weight"),
        (lambda s: s.link.add_class(now_ns=1000, rate_kbps=7_000), OverCommitted, "rate_kbps"),
        (lambda s: s.link.add_stream(s.gone, now_ns=1000), UnknownHandle, "cls"),
        (lambda s: s.link.add_stream(s.stream, now_ns=1000), LinkError, "cls"),
        (lambda s: s.link.add_stream(2**32, now_ns=1000), LinkError, "cls"),
        (lambda s: s.link.add_stream(s.cls, now_ns=1000, priority="urgent"), LinkError, "priority"),
        (lambda s: s.link.add_stream(s.cls, now_ns=1000, priority="\ud800"), LinkError, "priority"),
        (lambda s: s.link.add_stream(s.cls, now_ns=1000, rate_kbps=2_001), OverCommitted, "rate_kbps"),
        (
            lambda s: s.link.add_stream(s.link.root, now_ns=1000, rate_kbps=1, max_delay_us=10),
            DelayOutOfReach,
            "max_delay_us",
        ),
        (
            lambda s: s.link.add_stream(s.cls, now_ns=1000, rate_kbps=1, max_delay_us=10_000),
            DelayOutOfReach,
            "max_delay_us",
        ),
        (
            lambda s: s.link.add_stream(s.link.root, now_ns=1000, rate_kbps=1, ceil_kbps=9, max_delay_us=10_000),
            DelayOutOfReach,
            "max_delay_us",
        ),
        (lambda s: s.link.add_stream(s.cls, now_ns=1000, max_delay_us=10), LinkError, "max_delay_us"),
        (lambda s: s.link.add_stream(s.cls, now_ns=1000, burst_bytes=-1), LinkError, "burst_bytes"),
        (lambda s: s.link.add_stream(s.cls, now_ns=1000, queue_packets=0), LinkError, "queue_packets"),
        (lambda s: s.link.add_stream(s.cls, now_ns=1000, queue_bytes=HUGE), LinkError, "queue_bytes"),
        (lambda s: s.link.add_class(now_ns=999), TimeBackwards, "now_ns"),
        (lambda s: s.link.add_class(now_ns=-1), LinkError, "now_ns"),
        (lambda s: s.link.add_stream(s.cls, now_ns=999), TimeBackwards, "now_ns"),
        (lambda s: s.link.add_stream(s.cls, now_ns=HUGE), LinkError, "now_ns"),
        (lambda s: s.link.enqueue([s.stream, s.gone], [9, 9], 1000), UnknownHandle, "streams[1]"),
        (lambda s: s.link.enqueue([s.cls], [9], 1000), LinkError, "streams[0]"),
        (lambda s: s.link.enqueue([s.stream, -1], [9, 9], 1000), LinkError, "streams[1]"),
        (lambda s: s.link.enqueue([s.stream] * 2, [9, 0], 1000), LinkError, "sizes[1]"),
        (lambda s: s.link.enqueue([s.stream] * 2, [1515, 9], 1000), LinkError, "sizes[0]"),
        (lambda s: s.link.enqueue([s.stream] * 2, [9], 1000), LinkError, "sizes"),
        (lambda s: s.link.enqueue([s.stream], np.array([2**40]), 1000), LinkError, "sizes[0]"),
        (lambda s: s.link.enqueue([s.stream], [9], 999), TimeBackwards, "now_ns"),
        (lambda s: s.link.enqueue([s.stream], [9], -1), LinkError, "now_ns"),
        (lambda s: s.link.dequeue(999, 1), TimeBackwards, "now_ns"),
        (lambda s: s.link.dequeue(999, 0), TimeBackwards, "now_ns"),
        (lambda s: s.link.dequeue(1000, -1), LinkError, "max_packets"),
        (lambda s: s.link.dequeue(1000, 1, HUGE), LinkError, "max_bytes"),
        (lambda s: s.link.next_event_ns(999), TimeBackwards, "now_ns"),
        (lambda s: s.link.next_event_ns(2**64), LinkError, "now_ns"),
        (lambda s: s.link.reconfigure(s.gone, 1000, weight=1), UnknownHandle, "handle"),
        (lambda s: s.link.reconfigure(s.stream, 999, weight=1), TimeBackwards, "now_ns"),
        (lambda s: s.link.reconfigure(s.stream, 1000, rate_kbps=5_001), OverCommitted, "rate_kbps"),
        (lambda s: s.link.reconfigure(s.cls, 1000, ceil_kbps=2_999), LinkError, "ceil_kbps"),
        (lambda s: s.link.reconfigure(s.stream, 1000, ceil_kbps=2_999), LinkError, "ceil_kbps"),
        (lambda s: s.link.reconfigure(s.link.root, 1000, rate_kbps=3_999), OverCommitted, "rate_kbps"),
        (lambda s: s.link.remove(s.gone, 1000), UnknownHandle, "handle"),
        (lambda s: s.link.remove(s.link.root, 1000), LinkError, "handle"),
        (lambda s: s.link.stats(s.gone), UnknownHandle, "handle"),
        (lambda s: LinkScheduler.from_session({}, 1), LinkError, "answer.streams"),
        (lambda s: LinkScheduler.from_session({"streams": [{}]}, 1), LinkError, "answer.streams[0].name"),
        (
            lambda s: LinkScheduler.from_session({"streams": [STREAM, {**STREAM, "priority": "x"}]}, 1),
            LinkError,
            "answer.streams[1].priority",
        ),
        (
            lambda s: LinkScheduler.from_session({"streams": [{**STREAM, "qos": {"priority": "x"}}]}, 1),
            LinkError,
            "answer.streams[0].qos.priority",
        ),
        (
            lambda s: LinkScheduler.from_session({"streams": [{**STREAM, "fec": {"data_shards": 300}}]}, 1),
            LinkError,
            "answer.streams[0].fec.data_shards",
        ),
        (
            lambda s: LinkScheduler.from_session({"streams": [{**STREAM, "allocated_bandwidth_kbps": -1}]}, 1),
            LinkError,
            "answer.streams[0].allocated_bandwidth_kbps",
        ),
        (
            lambda s: LinkScheduler.from_session({"streams": [STREAM, {**STREAM, "name": "b"}]}, 99),
            OverCommitted,
            "rate_kbps",
        ),
        (
            lambda s: LinkScheduler.from_session({"streams": [STREAM, STREAM]}, 10_000),
            LinkError,
            "answer.streams[1].name",
        ),
        (
            lambda s: LinkScheduler.from_session(
                {"streams": [{**STREAM, "fec": {"data_shards": 0, "parity_shards": 1}}]}, 10_000
            ),
            LinkError,
            "answer.streams[0].fec.data_shards",
        ),
        (
            lambda s: LinkScheduler.from_session({"streams": [STREAM, {**STREAM, "name": "\ud800"}]}, 10_000),
            LinkError,
            "answer.streams[1].name",
        ),
        (lambda s: LinkScheduler.from_session({"streams": []}, 0), LinkError, "rate_kbps"),
    ],
)
def test_bad_values(call: Callable[[Scene], object], error: type[LinkError], field: str) -> None:
    scene = Scene()
    before = scene.state()
    with pytest.raises(error) as caught:
        call(scene)
    assert type(caught.value) is error
    assert caught.value.field == field
    assert str(caught.value) == f"{field}: expected {caught.value.expected}, found {caught.value.found}"
    assert isinstance(caught.value, SchedulerError)
    assert isinstance(caught.value, ValueError)
    assert scene.state() == before


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda s: Link("fast"), "rate_kbps: expected an integer, found str"),
        (lambda s: Link(True), "rate_kbps: expected an integer, found bool"),
        (lambda s: Link(1, aqm=1), "aqm: expected text, found int"),
        (lambda s: Link(1, mtu=1), "mtu: there is no such setting"),
        (lambda s: Link(1, **{"\ud800": 1}), r"'\ud800': there is no such setting"),
        (lambda s: s.link.add_class(**{"\ud800": 1}), r"'\ud800': there is no such setting"),
        (lambda s: s.link.add_class(now_ns=1000, priority="normal"), "priority: a class has no such setting"),
        (lambda s: s.link.add_stream(s.cls, now_ns=1000, colour=1), "colour: there is no such setting"),
        (
            lambda s: s.link.add_stream(s.cls, now_ns=1000, burst_bytes=None),
            "burst_bytes: expected an integer, found NoneType",
        ),
        (lambda s: s.link.add_stream(s.cls, now_ns=1000, weight=1.5), "weight: expected an integer, found float"),
        (lambda s: s.link.add_stream(s.cls, now_ns=1.5), "now_ns: expected an integer, found float"),
        (lambda s: s.link.enqueue(s.stream, [1], 1000), "streams: expected uint32[n], found int"),
        (lambda s: s.link.enqueue({s.stream: 1}, [1], 1000), "streams: expected uint32[n], found dict"),
        (
            lambda s: s.link.enqueue([s.stream], np.ones((1, 1), np.uint32), 1000),
            "sizes: expected uint32[n], found uint32[1, 1]",
        ),
        (
            lambda s: s.link.enqueue(np.ones((2, 3)), [1], 1000),
            "streams: expected uint32[n], found float64[2, 3]",
        ),
        (lambda s: s.link.enqueue(np.zeros((), np.uint32), [1], 1000), "streams: expected uint32[n], found uint32[]"),
        (lambda s: s.link.enqueue([s.stream], np.uint32(1), 1000), "sizes: expected uint32[n], found uint32"),
        (lambda s: s.link.enqueue([s.stream], [1.0], 1000), "sizes[0]: expected an integer, found float"),
        (lambda s: s.link.enqueue([s.stream], np.ones(1), 1000), "sizes[0]: expected an integer, found float64"),
        (lambda s: s.link.reconfigure(s.cls, 1000, queue_packets=1), "queue_packets: a class has no such setting"),
        (lambda s: s.link.reconfigure(s.link.root, 1000, ceil_kbps=1), "ceil_kbps: the root has no such setting"),
        (lambda s: Link.from_session([], 1), "answer: expected a JSON object, found list"),
        (lambda s: LinkScheduler.from_session({"streams": {}}, 1), "answer.streams: expected a list, found dict"),
        (
            lambda s: LinkScheduler.from_session({"streams": [{"name": 1}]}, 1),
            "streams[0].name: expected text, found int",
        ),
    ],
)
def test_wrong_types(call: Callable[[Any], object], told: str) -> None:
    scene = Scene()
    before = scene.state()
    with pytest.raises(TypeError) as caught:
        call(scene)
    assert told in str(caught.value)
    assert scene.state() == before


def test_a_link_can_not_be_subclassed() -> None:
    with pytest.raises(TypeError, match="LinkScheduler is not an acceptable base type"):
        type("Other", (LinkScheduler,), {})


def test_a_link_for_a_session_has_the_options_of_any_link() -> None:
    of_link, of_session = (inspect.signature(each).parameters for each in (LinkScheduler, LinkScheduler.from_session))
    defaults = {name: (each.kind, each.default) for name, each in of_session.items() if name != "answer"}
    assert defaults == {name: (each.kind, each.default) for name, each in of_link.items()}


def test_errors_carry_their_facts() -> None:
    scene = Scene()
    with pytest.raises(OverCommitted) as over:
        scene.link.add_stream(scene.cls, now_ns=1000, rate_kbps=2_001)
    assert (over.value.handle, over.value.capacity_kbps, over.value.guaranteed_kbps) == (scene.cls, 5_000, 5_001)
    with pytest.raises(TimeBackwards) as back:
        scene.link.next_event_ns(7)
    assert (back.value.last_ns, back.value.found_ns) == (1000, 7)
    with pytest.raises(UnknownHandle) as unknown:
        scene.link.stats(scene.gone)
    assert unknown.value.handle == scene.gone
    with pytest.raises(DelayOutOfReach) as delay:
        scene.link.add_stream(scene.link.root, now_ns=1000, rate_kbps=1, max_delay_us=1)
    assert delay.value.handle == scene.link.root
    assert delay.value.least_us is not None
    scene.link.add_stream(scene.link.root, now_ns=1000, rate_kbps=1, max_delay_us=delay.value.least_us + 10_000)
    with pytest.raises(DelayOutOfReach) as capped:
        scene.link.add_stream(scene.cls, now_ns=1000, rate_kbps=1, max_delay_us=10_000)
    assert (capped.value.handle, capped.value.least_us) == (scene.cls, None)
    with pytest.raises(DelayOutOfReach, match="no delay beside a ceil_kbps") as own:
        scene.link.add_stream(scene.link.root, now_ns=1000, rate_kbps=1, ceil_kbps=9, max_delay_us=10_000)
    assert (own.value.handle, own.value.least_us) == (None, None)
    with pytest.raises(LinkError) as unnamed:
        LinkScheduler.from_session({"streams": [{**STREAM, "name": "a\ud800"}]}, 10_000)
    assert (unnamed.value.expected, unnamed.value.found) == ("valid Unicode", r"'a\ud800'")


def test_what_a_value_raises_is_raised() -> None:
    class Odd:
        def __index__(self) -> int:
            raise RuntimeError("odd")

    with pytest.raises(RuntimeError, match="odd"):
        Scene().link.add_class(weight=Odd())  # type: ignore[arg-type]
