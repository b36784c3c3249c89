"""What there is no memory for raises `MemoryError`, changes nothing, and never ends the process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from honeylink.errors import PlannerError
from honeylink.fec import ReedSolomon, empty_shards
from honeylink.scheduler import ActiveSession, Admitted, LinkScheduler, Pool, Rejected, Request, StreamAsk, plan

if TYPE_CHECKING:
    from collections.abc import Callable

ASK = StreamAsk("a", "burst", 1)
POOL = Pool("a", "device", 1, 1)


class Endless(Sequence[Any]):
    """A sequence that says to be longer than any memory. What it says of its first item is true."""

    def __init__(self, item: object) -> None:
        self._item = item

    def __len__(self) -> int:
        return 2**50

    def __getitem__(self, index: Any) -> Any:
        return self._item


@pytest.mark.parametrize("length", [2**50, 2**62])
@pytest.mark.parametrize(
    "call",
    [
        lambda endless: plan(endless, Request([ASK])),
        lambda endless: plan([POOL], Request([ASK]), endless),
        lambda endless: plan([POOL], Request([ASK]), [], 0, endless),
        Request,
        lambda endless: ActiveSession("s", endless, [ASK], 0, 0, 0),
        lambda endless: ActiveSession("s", ["a"], endless, 0, 0, 0),
        lambda endless: Admitted(endless, [1]),
        lambda endless: Admitted([1], endless),
        lambda endless: Admitted([1], [1], endless),
        lambda endless: Admitted([1], [1], [("s", endless)]),
        lambda endless: Admitted([1], [1], [], endless),
        lambda endless: Rejected(POOL, 1, 1, endless),
        lambda endless: POOL.charged_kbps(endless, [1]),
        lambda endless: POOL.charged_kbps([ASK], endless),
        lambda endless: LinkScheduler(1).enqueue(endless, [1], 0),
        lambda endless: LinkScheduler(1).enqueue([0], endless, 0),
    ],
)
def test_a_sequence_is_not_as_long_as_it_says(call: Callable[[Any], object], length: int) -> None:
    with pytest.raises(MemoryError, match="no room for"):
        call(range(length))


def test_a_sequence_of_a_class_of_its_own_is_read_like_a_list() -> None:
    class Few(Sequence[Any]):
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: Any) -> Any:
            return (3, 4)[index]

    assert Admitted(Few(), [1]).allocations == (3, 4)
    assert Admitted(np.array([3, 4]), [1]).allocations == (3, 4)  # type: ignore[arg-type]
    with pytest.raises(MemoryError):
        Admitted(Endless(1), [1])
    with pytest.raises(TypeError, match="expected a sequence, found str"):
        ActiveSession("s", "pools", [ASK], 0, 0, 0)
    with pytest.raises(PlannerError, match="one for each of 0 streams"):
        POOL.charged_kbps([], [1])


def test_arrays_that_claim_more_than_there_is() -> None:
    many = np.broadcast_to(np.uint32(1), (2**60,))
    calls: list[Callable[[], object]] = [
        lambda: LinkScheduler(1).enqueue(many, many, 0),
        lambda: ReedSolomon(3, 2).encode_groups(np.broadcast_to(np.zeros(4, np.uint8), (2**50, 3, 4))),
        lambda: empty_shards(2**40, 2**20),
        lambda: empty_shards(2**62, 2**62),
        lambda: empty_shards(0, 2**63),
    ]
    for call in calls:
        with pytest.raises(MemoryError):
            call()


LIMITED = """
import resource
import numpy as np
from honeylink.fec import PacketDecoder, PacketEncoder, ReedSolomon
from honeylink.scheduler import LinkScheduler

MIB = 1 << 20

def limit(mib):
    '''So much more than there is now.'''
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + mib * MIB, resource.RLIM_INFINITY))

def refused(call):
    try:
        call()
    except MemoryError:
        return True
    return False

link = LinkScheduler(10**9)
stream = link.add_stream(link.root, queue_packets=2**32 - 1)
batch = [np.full(2**22, number, np.uint32) for number in (stream, 64)]
for _ in range(3):
    link.enqueue(*batch, now_ns=0)
shard = bytes(64 * MIB)
encoder = ReedSolomon(2, 8).encoder()

# Each of these needs more, some of it after it has got a part.
limit(40)
assert refused(lambda: encoder.add(0, shard))
assert refused(lambda: ReedSolomon(2, 8).encode(shard))
claimed = [np.broadcast_to(column[0], (2**24,)) for column in batch]
assert refused(lambda: link.enqueue(*claimed, now_ns=0))

# There is room for both columns and the drops, but not for the packets.
limit(64)
for mib in range(64, 512, 32):
    limit(mib)
    if not refused(lambda: link.enqueue(*batch, now_ns=0)):
        break
stats = link.stats()
assert stats.enqueued % 2**22 == 0 and stats.enqueued >= 3 * 2**22, stats

# What can't be fetched at once stays.
limit(40)
fetched = 0
while fetched < stats.enqueued:
    got = link.dequeue(2**63, 2**32)
    assert len(got) > 0
    assert got.sequences[0] == fetched and got.sequences[-1] == fetched + len(got) - 1
    fetched += len(got)
    del got
assert link.stats().dequeued == stats.enqueued
encoder.add(0, b"ab")
print("done", flush=True)
"""


PACKETS = (
    LIMITED.partition("link = LinkScheduler")[0]
    + """
packet = bytes(65533)

# An encoder whose group takes more.
wide = PacketEncoder(ReedSolomon(200, 56))
assert len(wide.add(b"short")) == 1
limit(4)
assert refused(lambda: wide.add(packet))
[datagram] = wide.add(b"second")
assert datagram[1] == 1, "the refused one was not counted"
assert len(wide.flush()) == 56

# A group that can't be recovered for now, since all 256 shards would grow to the longest.
limit(200)
long = PacketEncoder(ReedSolomon(128, 128))
datagrams = [datagram for number in range(128) for datagram in long.add(packet if number == 127 else b"%d" % number)]
decoder = PacketDecoder()
for datagram in datagrams[1:128]:
    assert decoder.add(datagram) == []
limit(4)
assert decoder.add(datagrams[128]) == []
assert decoder.stats().recovered == 0
limit(200)
assert len(decoder.add(datagrams[129])) == 128

# A decoder has to hold back what it has no room for.
limit(200)
decoder, encoder = PacketDecoder(window_groups=1000), PacketEncoder(ReedSolomon(1, 0))
datagrams = [datagram for _ in range(1000) for datagram in encoder.add(packet)]
limit(20)
for datagram in datagrams[1:]:
    assert decoder.add(datagram) == []
stats = decoder.stats()
assert 0 < stats.late < 999 and stats.damaged == 0, stats
limit(200)
flushed = decoder.flush()
assert len(flushed) == 999 - stats.late and flushed[-1] == packet
assert decoder.stats().given_up <= 1 + stats.late
print("done", flush=True)
"""
)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit counts what /proc shows")
def test_packets_without_room_are_refused_or_late() -> None:
    result = subprocess.run([sys.executable, "-c", PACKETS], capture_output=True, text=True, check=False)
    assert result.stdout == "done\n", result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the limit counts what /proc shows")
def test_a_process_with_little_memory_goes_on() -> None:
    result = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False)
    assert result.stdout == "done\n", result.stderr
