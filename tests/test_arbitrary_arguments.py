"""Any value to any argument of the library: it does its work, or raises an error that is documented. It never panics.

The calls are found by walking the public classes, so a new one is tried too.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import honeylink.fec
import honeylink.scheduler
from honeylink.errors import FecError, SchedulerError
from honeylink.fec import PacketDecoder, PacketEncoder, ReedSolomon
from honeylink.scheduler import ActiveSession, Admitted, LinkScheduler, Pool, Request, StreamAsk

DOCUMENTED = (FecError, SchedulerError, TypeError, MemoryError)

# None of them is so large that work in proportion to it would be done: such a one is refused, or has no memory.
ASKS = [StreamAsk("a", "burst", 1, None, k, m) for k in (0, 1, 256, 2**64 - 1) for m in (0, 1, 2**64 - 1)]
ASKS += [StreamAsk("b", "latency", kbps, least) for kbps in (0, 5, 2**64 - 1) for least in (None, 0, 3, 2**64 - 1)]
POOLS = [
    Pool("a", level, capacity, reserved, charge, 2, 1, 1, preemption=True, withheld_kbps=withheld)
    for level in ("device", "node")
    for capacity in (0, 9, 2**64 - 1)
    for reserved in (0, 2**64 - 1)
    for charge in ("payload", "wire")
    for withheld in (0, 2**64 - 1)
]
SMALL = st.integers(-2, 12)
NUMBERS = SMALL | st.sampled_from([-(2**63) - 1, 2**16, 2**32, 2**48, 2**63, 2**64 - 1, 2**64, 10**30, 256, 257])
TEXTS = st.sampled_from(["", "burst", "device", "wire", "cauchy", "a", "\ud800", "\0", "rfc5510", "codel-drop"])
BYTES = st.binary(max_size=24)
ARRAYS = st.sampled_from(
    [
        np.zeros(shape, dtype)
        for shape in ((), (0,), (3,), (2, 3), (3, 4), (0, 3), (2, 3, 4), (2, 3, 0))
        for dtype in (np.uint8, np.bool_, np.uint32, np.int64)
    ]
    + [np.broadcast_to(np.uint32(1), (2**60,)), np.broadcast_to(np.zeros(4, np.uint8), (2**50, 3, 4))]
)
VALUES = st.sampled_from(
    [*ASKS, *POOLS, Request(ASKS[:1]), Request([]), ActiveSession("s", ["a"], ASKS[:2], 0, 0, 5), ReedSolomon(2, 1)]
)
PLAIN = st.none() | st.booleans() | NUMBERS | st.floats() | TEXTS | BYTES
ANY = st.recursive(
    PLAIN | ARRAYS | VALUES | st.sampled_from([range(10**17), range(2**62)]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def calls() -> list[tuple[str, Any]]:
    """Each public function, class and method, to be called with a self that is made anew."""
    found: list[tuple[str, Any]] = []
    for module in (honeylink.fec, honeylink.scheduler):
        for name in module.__all__:
            value = getattr(module, name)
            if name == "Drop":  # an enumeration of Python's own
                continue
            found.append((name, value))
            if inspect.isclass(value):
                methods = [each for each in dir(value) if not each.startswith("_") and callable(getattr(value, each))]
                found += [(f"{name}.{each}", (name, each)) for each in methods]
    return found


def subject(name: str) -> Any:
    """An object of that class, in use."""
    code, link = ReedSolomon(2, 1), LinkScheduler(10_000)
    if name == "LinkScheduler":
        link.enqueue([link.add_stream(link.add_class(), rate_kbps=5)] * 3, [100] * 3, 0)
        return link
    encoder = PacketEncoder(code)
    decoder = PacketDecoder(window_groups=2)
    decoder.add(encoder.add(b"one")[0])
    return {
        "ReedSolomon": code,
        "Encoder": code.encoder(),
        "PacketEncoder": encoder,
        "PacketDecoder": decoder,
        "Pool": POOLS[0],
        "Admitted": Admitted([], []),
    }[name]


CALLS = calls()
# Names of settings, with some that there are.
KEYWORDS = st.dictionaries(
    st.sampled_from(["rate_kbps", "ceil_kbps", "weight", "max_delay_us", "burst_bytes", "matrix", "out", "\ud800"]),
    ANY,
    max_size=2,
)


def test_the_calls_are_found() -> None:
    names = {name for name, _ in CALLS}
    assert {"plan", "Pool", "Pool.charged_kbps", "LinkScheduler.enqueue", "PacketDecoder.add", "Encoder.add"} <= names


@settings(max_examples=400)
@given(st.sampled_from(CALLS), st.lists(ANY, max_size=6), KEYWORDS)
def test_any_arguments_are_taken_or_refused(call: tuple[str, Any], arguments: list[Any], named: dict[str, Any]) -> None:
    _, target = call
    if isinstance(target, tuple):
        target = getattr(subject(target[0]), target[1])
    with suppress(*DOCUMENTED):
        target(*arguments, **named)


@settings(max_examples=400)
@given(st.data())
def test_arguments_of_the_right_types_are_taken_or_refused(data: st.DataObject) -> None:
    """Where random types would be refused at once, what lies behind them is looked at."""
    asks, pools = st.lists(st.sampled_from(ASKS), max_size=4), st.lists(st.sampled_from(POOLS), max_size=3)
    kbps = st.lists(NUMBERS, max_size=4)
    code = st.builds(ReedSolomon, st.integers(1, 5), st.integers(0, 3))
    sessions = st.builds(
        ActiveSession,
        st.sampled_from("st"),
        st.lists(st.sampled_from("ab"), max_size=2),
        asks,
        st.integers(-1, 1),
        st.sampled_from([0, 2**64 - 1]),
        st.sampled_from([0, 2**64 - 1]),
    )
    tries: list[Any] = [
        lambda: data.draw(st.sampled_from(POOLS)).charged_kbps(data.draw(asks), data.draw(kbps)),
        lambda: honeylink.scheduler.plan(
            data.draw(pools),
            Request(data.draw(asks), data.draw(st.integers(-1, 2))),
            data.draw(st.lists(sessions, max_size=3)),
            data.draw(st.sampled_from([0, 2**64 - 1])),
            data.draw(pools),
        ),
        lambda: honeylink.fec.plan(
            data.draw(st.floats()), data.draw(st.floats()), data.draw(NUMBERS), data.draw(st.none() | st.floats())
        ),
        lambda: data.draw(code).encode(data.draw(st.lists(BYTES, max_size=6) | ARRAYS | BYTES)),
        lambda: data.draw(code).reconstruct(data.draw(ARRAYS), data.draw(ARRAYS), data.draw(st.none() | ARRAYS)),
        lambda: data.draw(code).reconstruct_groups(data.draw(ARRAYS), data.draw(ARRAYS)),
        lambda: data.draw(code).encode_groups(data.draw(ARRAYS), data.draw(st.none() | ARRAYS)),
        lambda: data.draw(code).update(data.draw(ARRAYS), data.draw(NUMBERS), data.draw(BYTES), data.draw(BYTES)),
        lambda: data.draw(code).encoder().add(data.draw(NUMBERS), data.draw(BYTES | ARRAYS)),
        lambda: PacketDecoder(data.draw(NUMBERS), data.draw(NUMBERS)).add(data.draw(BYTES)),
        lambda: honeylink.fec.empty_shards(data.draw(NUMBERS), data.draw(NUMBERS), data.draw(st.none() | NUMBERS)),
    ]
    with suppress(*DOCUMENTED):
        data.draw(st.sampled_from(tries))()


@settings(max_examples=150)
@given(st.data())
def test_a_link_takes_or_refuses_any_numbers(data: st.DataObject) -> None:
    link: Any = LinkScheduler(10_000)
    handles = [link.root, link.add_class(), link.add_stream(link.root), 99]
    names = ["rate_kbps", "ceil_kbps", "weight", "burst_bytes", "max_delay_us", "queue_packets", "queue_bytes"]
    changes = st.dictionaries(st.sampled_from(names), NUMBERS | st.none(), max_size=3)
    handle, now = st.sampled_from(handles), st.integers(0, 10**6) | NUMBERS
    tries: list[Any] = [
        lambda: handles.append(link.add_class(data.draw(handle), **data.draw(changes))),
        lambda: handles.append(link.add_stream(data.draw(handle), **data.draw(changes))),
        lambda: link.enqueue(
            data.draw(st.lists(handle, max_size=4) | ARRAYS), data.draw(st.lists(NUMBERS, max_size=4)), data.draw(now)
        ),
        lambda: link.dequeue(data.draw(now), data.draw(NUMBERS), data.draw(st.none() | NUMBERS)),
        lambda: link.next_event_ns(data.draw(now)),
        lambda: link.reconfigure(data.draw(handle), data.draw(now), **data.draw(changes)),
        lambda: link.remove(data.draw(handle), data.draw(now)),
        lambda: link.stats(data.draw(handle)),
    ]
    for _ in range(12):
        with suppress(*DOCUMENTED):
            data.draw(st.sampled_from(tries))()
