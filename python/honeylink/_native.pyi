# ruff: noqa: PYI021
# Docstrings are here, where editors look for them; `rust/python/build.rs` puts them into the binary.
"""The compiled part of HoneyLink. Import from `honeylink.fec` and `honeylink.scheduler` instead."""

from collections.abc import Sequence
from typing import Any, Final, Literal, NoReturn, Self, TypeAlias, TypedDict, Unpack, final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

__all__ = [
    "ActiveSession",
    "Admitted",
    "Batch",
    "Encoder",
    "LinkScheduler",
    "LinkStats",
    "PacketDecoder",
    "PacketEncoder",
    "PacketStats",
    "Plan",
    "Pool",
    "ReedSolomon",
    "Rejected",
    "Request",
    "SessionBodyReader",
    "StreamAsk",
    "__version__",
    "charge_path",
    "engine",
    "engines",
    "plan",
    "plan_parity",
    "session_keys",
    "wire_kbps",
    "withheld_when_empty",
]

_Bytes: TypeAlias = bytes | bytearray | memoryview | NDArray[np.uint8]
"""What is like bytes, and any other object that gives its bytes so."""

_NewSession: TypeAlias = tuple[bytes, bytes, bytes, bytes, str, bytes, Sequence[bytes], bytes]
"""The device's master key, the tenant's data key, the ids of data key and tenant, the device's id, the session's own,
the ids of its streams, and 12 random bytes, used for nothing else."""

_Numbers: TypeAlias = NDArray[np.integer[Any]] | Sequence[int]
"""Of integers, uint32[n] being the fastest."""

__version__: Final[str]

@final
class ReedSolomon:
    """A systematic Reed-Solomon code over GF(2^8), polynomial 0x11D: any k of k + m shards give the data.

    A code is immutable: it can be shared by threads, compared, hashed and pickled. Calls on 64 KiB of shards or
    more release the GIL. While one runs, no other thread may write to its arrays. A call that raises has
    written nothing.

    Args:
        data_shards: k, at least 1.
        parity_shards: m, at least 0; k + m is at most 256.
        matrix: The generator matrix, with g[i][j] = 1/((k+i) xor j).
            `"cauchy"`: g[i][j] * g[0][0] / (g[0][j] * g[i][0]), the fastest; with m = 1 it is XOR.
            `"cauchy-isal"`: g itself, as ISA-L's `gf_gen_cauchy1_matrix` has it.
            `"vandermonde"`: that of Backblaze, klauspost/reedsolomon and reed-solomon-erasure.
            `"rfc5510"`: that of zfec.

    Raises:
        CodeParameterError: k or m is out of range. Numbers beyond 64 bits are reported as the nearest within.
        UnknownMatrix: There is no matrix of that name.

    Source: J. Blömer et al., "An XOR-based erasure-resilient coding scheme", ICSI TR-95-048, 1995.

    Example:
        >>> from honeylink.fec import ReedSolomon
        >>> code = ReedSolomon(10, 5)
        >>> code
        ReedSolomon(data_shards=10, parity_shards=5, matrix='cauchy')
        >>> code == ReedSolomon(10, 5, matrix="cauchy")
        True
    """

    def __new__(cls, data_shards: int, parity_shards: int, matrix: str = "cauchy") -> ReedSolomon: ...
    @property
    def data_shards(self) -> int:
        """k, the number of data shards of a group."""

    @property
    def parity_shards(self) -> int:
        """m, the number of parity shards of a group."""

    @property
    def matrix(self) -> str:
        """The name of the generator matrix."""

    def encode(
        self, data: NDArray[np.uint8] | Sequence[_Bytes] | _Bytes, out: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """The parity shards of k data shards.

        Args:
            data: uint8[k, n], one shard a row; or a sequence of k equally long bytes-like rows; or k * n adjacent
                bytes. Rows of an array must be contiguous, at any distance. n may be 0.
            out: uint8[m, n] to write to, apart from `data`; a new array when left out. With it, nothing is
                allocated for an array.

        Returns:
            uint8[m, n], one parity shard a row: `out` itself, if given.

        Raises:
            ShardShapeError: An argument has another dtype, shape or layout.
            OutputError: `out` is read-only, or shares memory with itself or `data`.
            TypeError: `data` is neither bytes-like nor a sequence of what is, or `out` not a NumPy array.

        Example:
            >>> import numpy as np
            >>> from honeylink.fec import ReedSolomon
            >>> data = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.uint8)
            >>> ReedSolomon(3, 2).encode(data)
            array([[  7,   0],
                   [ 82, 194]], dtype=uint8)
            >>> ReedSolomon(3, 1).encode([b"ab", b"cd", b"ef"]).tobytes()
            b'g`'
        """

    def encode_groups(self, data: NDArray[np.uint8], out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """The parity shards of many groups, in one call: for packets, where a call costs as much as the work.

        Args:
            data: uint8[g, k, n], one shard a row. Rows must be contiguous; rows and groups at any distance.
            out: uint8[g, m, n] to write to, apart from `data`; a new array when left out.

        Returns:
            uint8[g, m, n]: `out` itself, if given.

        Raises:
            ShardShapeError: An array has another dtype, shape or layout.
            OutputError: `out` is read-only, or shares memory with itself or `data`.
            TypeError: An argument is not a NumPy array.

        Example:
            >>> import numpy as np
            >>> from honeylink.fec import ReedSolomon
            >>> packets = np.zeros((1024, 10, 1200), dtype=np.uint8)
            >>> ReedSolomon(10, 2).encode_groups(packets).shape
            (1024, 2, 1200)
        """

    def reconstruct(
        self, shards: NDArray[np.uint8], present: NDArray[np.bool_], want: NDArray[np.bool_] | None = None
    ) -> None:
        """Fills in the shards that are not present, data and parity, in place.

        A code remembers the first patterns of losses that it sees, up to 256 of them or 1 MiB: they cost less when they
        come again.

        Args:
            shards: uint8[k + m, n], data first. What absent rows hold is ignored and overwritten; present
                rows are only read. Rows must be contiguous, at any distance.
            present: bool[k + m], true where a shard is there.
            want: bool[k + m], true for the absent shards to fill in; the others are left as they are. All when
                left out.

        Raises:
            TooFewShards: Fewer than k shards are present.
            ShardShapeError: An array has another dtype, shape or layout.
            OutputError: `shards` is read-only, or its rows share memory.
            TypeError: An argument is not a NumPy array.

        Example:
            >>> import numpy as np
            >>> from honeylink.fec import ReedSolomon
            >>> shards = np.array([[0, 0], [3, 4], [5, 6], [0, 0], [82, 194]], dtype=np.uint8)
            >>> present = np.array([False, True, True, False, True])
            >>> ReedSolomon(3, 2).reconstruct(shards, present)
            >>> shards
            array([[  1,   2],
                   [  3,   4],
                   [  5,   6],
                   [  7,   0],
                   [ 82, 194]], dtype=uint8)
        """

    def reconstruct_groups(self, shards: NDArray[np.uint8], present: NDArray[np.bool_]) -> None:
        """Fills in the shards that are not present in many groups, in one call. All groups or none.

        Args:
            shards: uint8[g, k + m, n], the data first in each group. Rows must be contiguous; rows and groups at
                any distance.
            present: bool[g, k + m], true where a shard is there.

        Raises:
            TooFewShards: Fewer than k shards of a group are present; `group` says which group.
            ShardShapeError: An array has another dtype, shape or layout.
            OutputError: `shards` is read-only, or its rows share memory.
            TypeError: An argument is not a NumPy array.

        Example:
            >>> import numpy as np
            >>> from honeylink.fec import ReedSolomon
            >>> shards = np.array([[[1], [2], [3]], [[4], [0], [1]]], dtype=np.uint8)
            >>> present = np.array([[True, True, True], [True, False, True]])
            >>> ReedSolomon(2, 1).reconstruct_groups(shards, present)
            >>> shards[1].ravel()
            array([4, 5, 1], dtype=uint8)
        """

    def verify(self, shards: NDArray[np.uint8]) -> bool:
        """Whether the parity shards are those of the data shards. Allocates nothing.

        Args:
            shards: uint8[k + m, n], data first. Rows must be contiguous, at any distance.

        Returns:
            True if the parity fits the data. Changes in up to m shards are always seen; in more they may cancel out.

        Raises:
            ShardShapeError: The array has another dtype, shape or layout.
            TypeError: The argument is not a NumPy array.

        Example:
            >>> import numpy as np
            >>> from honeylink.fec import ReedSolomon
            >>> ReedSolomon(2, 1).verify(np.array([[1], [2], [3]], dtype=np.uint8))
            True
        """

    def update(self, parity: NDArray[np.uint8], index: int, old: _Bytes, new: _Bytes) -> None:
        """Corrects the parity shards, in place, for one data shard that changes.

        Args:
            parity: uint8[m, n], the group's parity before.
            index: Which data shard changes, 0 to k - 1.
            old: Its n bytes before: bytes-like, or uint8[n].
            new: Its n bytes from now on.

        Raises:
            ShardShapeError: There is no such data shard, or an argument has another dtype, shape or layout.
            OutputError: `parity` is read-only, or shares memory with itself, `old` or `new`.
            TypeError: `parity` is not a NumPy array, `index` not an integer, or `old` or `new` not bytes-like.

        Example:
            >>> import numpy as np
            >>> from honeylink.fec import ReedSolomon
            >>> code = ReedSolomon(3, 2)
            >>> parity = code.encode([b"ab", b"cd", b"ef"])
            >>> code.update(parity, 1, b"cd", b"CD")
            >>> bool(np.array_equal(parity, code.encode([b"ab", b"CD", b"ef"])))
            True
        """

    def encoder(self) -> Encoder:
        """A progressive encoder of one group: it takes data shards as they come, in any order.

        Example:
            >>> from honeylink.fec import ReedSolomon
            >>> encoder = ReedSolomon(2, 1).encoder()
            >>> encoder.add(1, b"cd")
            >>> encoder.add(0, b"ab")
            >>> encoder.parity.tolist()
            [[2, 6]]
        """

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[type[ReedSolomon], tuple[int, int, str]]: ...

@final
class Encoder:
    """Makes the parity of one group from data shards that come one by one, in any order.

    Made by `ReedSolomon.encoder`. Threads that share it wait for each other. What it needs is the memory of the parity
    shards.

    Example:
        >>> from honeylink.fec import ReedSolomon
        >>> encoder = ReedSolomon(3, 2).encoder()
        >>> for index, shard in [(2, b"ef"), (0, b"ab"), (1, b"cd")]:
        ...     encoder.add(index, shard)
        >>> encoder.parity.shape
        (2, 2)
    """

    def add(self, index: int, shard: _Bytes) -> None:
        """Takes one data shard.

        Args:
            index: Which one, 0 to k - 1, each once.
            shard: Its bytes: bytes-like, or uint8[n], as long as the first one that was added.

        Raises:
            ShardShapeError: There is no such shard, it was added before, or it has another length than the first.
            TypeError: `index` is not an integer, or `shard` not bytes-like.
        """

    @property
    def parity(self) -> NDArray[np.uint8]:
        """uint8[m, n], the parity shards: a new array each time.

        Raises:
            Incomplete: Not all data shards were added yet; `missing` says which.
        """

    def __reduce__(self) -> NoReturn: ...

def engines() -> list[str]:
    """The engines that this CPU can run, fastest first. The last is `"portable"`, which runs anywhere.

    Returns:
        Names, each of which HONEYLINK_FEC_ENGINE may have when honeylink.fec is imported; another fails the import.

    Example:
        >>> from honeylink.fec import engines
        >>> engines()[-1]
        'portable'
    """

def engine() -> str:
    """The engine in use: the fastest, or the one that HONEYLINK_FEC_ENGINE names. All give the same bytes.

    Raises:
        UnknownEngine: HONEYLINK_FEC_ENGINE names none that this CPU can run; importing honeylink.fec raises it too.

    Example:
        >>> from honeylink.fec import engine, engines
        >>> engine() in engines()
        True
    """

@final
class Plan:
    """How much parity a group needs, and what it gives.

    Args:
        data_shards: k, the number of data shards of a group.
        parity_shards: m, the number of parity shards of a group.
        recovery: The probability that all data of a group comes back.

    Raises:
        CodeParameterError: No code has k and m.
        PlanParameterError: The recovery is no probability.

    Example:
        >>> from honeylink.fec import Plan
        >>> Plan(10, 4, 0.9995).overhead
        0.4
    """

    def __new__(cls, data_shards: int, parity_shards: int, recovery: float) -> Plan: ...
    @property
    def data_shards(self) -> int:
        """k, the number of data shards of a group."""

    @property
    def parity_shards(self) -> int:
        """m, the number of parity shards of a group."""

    @property
    def recovery(self) -> float:
        """The probability that all data of a group comes back, rounded down: 1.0 means always."""

    @property
    def overhead(self) -> float:
        """What parity costs: m / k."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[type[Plan], tuple[int, int, float]]: ...

def plan_parity(loss: float, target: float, data_shards: int = 10, burst: float | None = None) -> Plan:
    """The least parity that brings groups through a link's losses as often as wanted.

    All data of a group comes back when at most m of its k + m packets are lost. One more parity shard never
    makes that rarer, so m is the first that is enough. The probability to fail is computed exactly, to 12
    digits, so a target may be as close to 1 as a float can be.

    Args:
        loss: The share of packets that are lost, from 0 to 1.
        target: The probability to recover a group, from 0 to 1. 1 asks for certainty, which only a link gives
            that can't lose more than m.
        data_shards: k, from 1 to 256.
        burst: The mean number of packets that are lost in a row, where losses come in bursts: at least 1 and
            loss / (1 - loss). The link is Gilbert's: a state that loses all, one that loses none, each as
            likely to be met by a group as it is common. Left out: each packet is lost by itself.

    Returns:
        The plan. Its recovery is at least the target, and would not be with one parity shard less.

    Raises:
        PlanUnreachable: No group of 256 shards or less is enough; `best` is what 256 give.
        PlanParameterError: No link loses like that, or the target is no probability.
        CodeParameterError: k is out of range.

    Source: E. N. Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39, 1960.

    Example:
        >>> from honeylink.fec import plan
        >>> plan(loss=0.02, target=0.999).parity_shards
        3
        >>> plan(loss=0.02, target=0.999, burst=3).parity_shards
        12
    """

@final
class PacketEncoder:
    """Makes datagrams of the packets of one stream: each packet's own at once, and parity when a group is full.

    A group is k packets. Packets may have any lengths; parity datagrams are as long as the group's longest. It can be
    shared by threads. It has an epoch, by the system's clock, and a decoder follows the encoder with the latest: so
    one that takes the place of another, as after a restart, is followed at once. If the clock went back meanwhile,
    what it sends is late until as many groups have passed as the decoder's window has. Where the clock does not last,
    as on devices without a clock chip, give `epoch` from what does. Two that send at the same time need a tag each.

    Args:
        rs: The code of a full group, of the matrix `"cauchy"`.
        stream_tag: Tells apart the streams that share a socket, 0 to 65535.
        epoch: 0 to 2**48 - 1, higher for each encoder that takes the place of another: a count of restarts, or a
            session's number. By default the time, in units of 2**14 ns.

    Raises:
        PacketParameterError: The code is of another matrix, or there is no such tag or epoch.
        TypeError: `rs` is no ReedSolomon, or `stream_tag` or `epoch` no integer.

    Source: The format is HoneyLink's own; RFC 6363 says what such a framework must have.

    Example:
        >>> from honeylink.fec import PacketDecoder, PacketEncoder, ReedSolomon
        >>> encoder, decoder = PacketEncoder(ReedSolomon(3, 1)), PacketDecoder()
        >>> datagrams = [*encoder.add(b"to be"), *encoder.add(b"or not"), *encoder.add(b"to be")]
        >>> [len(datagram) for datagram in datagrams]
        [27, 28, 27, 28]
        >>> del datagrams[1]
        >>> [packet for datagram in datagrams for packet in decoder.add(datagram)]
        [b'to be', b'or not', b'to be']
    """

    def __new__(cls, rs: ReedSolomon, stream_tag: int = 0, epoch: int | None = None) -> PacketEncoder: ...
    def add(self, packet: _Bytes) -> list[bytes]:
        """Takes one packet.

        Args:
            packet: At most 65533 bytes: bytes-like, or uint8[n]. It may be empty. A copy is kept until its group ends.

        Returns:
            The datagrams to send now, in order: the packet's own, 22 bytes longer than it, and the m of parity if it
            filled the group.

        Raises:
            PacketTooLong: The packet is longer than a datagram's fields can tell. Nothing has changed.
            MemoryError: There is no room for a group's datagrams of its length, and nothing has changed; or none for
                the result, which is lost.
            ShardShapeError: `packet` has other items than bytes, or they are not adjacent.
            TypeError: `packet` is not bytes-like.

        Example:
            >>> from honeylink.fec import PacketEncoder, ReedSolomon
            >>> encoder = PacketEncoder(ReedSolomon(2, 1))
            >>> len(encoder.add(b"one")), len(encoder.add(b"two"))
            (1, 2)
        """

    def flush(self) -> list[bytes]:
        """Ends a group that is not full: what was added can then be recovered without waiting for more.

        Only the parity tells a decoder that the group was short: if all of it is lost, the decoder waits for the rest
        as for lost packets.

        Returns:
            The m parity datagrams of the packets that the group has; empty when no group is open, or without parity
            (m = 0), where the group stays open.

        Example:
            >>> from honeylink.fec import PacketEncoder, ReedSolomon
            >>> encoder = PacketEncoder(ReedSolomon(10, 2))
            >>> _ = encoder.add(b"the last of a frame")
            >>> len(encoder.flush()), encoder.flush()
            (2, [])
        """

    def __reduce__(self) -> NoReturn: ...

@final
class PacketDecoder:
    """Makes packets of the datagrams of one stream: in order, each once, byte for byte.

    A packet is delivered as soon as all before it were, or were given up. One that is missing is waited for until
    it comes, or follows from its group's other shards, or leaves the window: when a datagram comes of the group that is
    `window_groups` later. So the window is what a packet lost for good can delay those behind it, and it
    bounds the memory, whatever arrives: to that of the shards of so many groups, and 12 MiB for codes.

    The first datagram starts the window. If its group is among the first `window_groups` of its encoder, the stream is
    waited for from its start, as datagrams may have overtaken each other; a later one means that a running stream was
    joined, which is delivered from that datagram on. It can be shared by threads.

    An encoder of a later epoch, which took the place of another, is followed from its first datagram that comes; what
    still comes of the one before is late. So is what comes of any earlier epoch, or from more than 65536 groups ago,
    until `window_groups` groups more of it have passed than meanwhile of the stream that was followed; then it is
    joined there, and what comes of the epoch that was left is late in the same way. Only the latest epoch left so is
    known.

    No packet is delivered that was not sent, and none twice, as long as one encoder at a time uses the tag, no more
    than `window_groups` groups are under way at once, and nobody forges. The CRC finds damage, not forgery:
    authenticate datagrams where that matters.

    Args:
        stream_tag: That of the encoder, 0 to 65535. Datagrams of another one count as damaged.
        window_groups: How many groups may be under way at once, 1 to 32768.

    Raises:
        PacketParameterError: There is no such tag or window.
        TypeError: An argument is no integer.

    Example:
        >>> from honeylink.fec import PacketDecoder, PacketEncoder, ReedSolomon
        >>> encoder, decoder = PacketEncoder(ReedSolomon(2, 2), stream_tag=5), PacketDecoder(stream_tag=5)
        >>> first, second, parity, more_parity = encoder.add(b"one") + encoder.add(b"two")
        >>> decoder.add(second)
        []
        >>> decoder.add(parity)
        [b'one', b'two']
    """

    def __new__(cls, stream_tag: int = 0, window_groups: int = 64) -> PacketDecoder: ...
    def add(self, datagram: _Bytes) -> list[bytes]:
        """Takes one datagram.

        Args:
            datagram: Any bytes: bytes-like, or uint8[n]. One that is damaged or foreign is only counted.

        Returns:
            The packets whose turn has come, in order.

        Raises:
            ShardShapeError: `datagram` has other items than bytes, or they are not adjacent.
            TypeError: `datagram` is not bytes-like.

        Example:
            >>> from honeylink.fec import PacketDecoder
            >>> PacketDecoder().add(b"noise")
            []
        """

    def flush(self) -> list[bytes]:
        """Gives up waiting, as when the stream ends or has been silent for long.

        Packets that are missing before one that is here are not delivered any more; those behind are, if they come.

        Returns:
            All packets that are here, in order.

        Example:
            >>> from honeylink.fec import PacketDecoder, PacketEncoder, ReedSolomon
            >>> encoder, decoder = PacketEncoder(ReedSolomon(3, 1)), PacketDecoder()
            >>> lost, kept = encoder.add(b"lost") + encoder.add(b"kept")
            >>> decoder.add(kept)
            []
            >>> decoder.flush()
            [b'kept']
        """

    def stats(self) -> PacketStats:
        """The counts since the decoder was made.

        Example:
            >>> from honeylink.fec import PacketDecoder
            >>> decoder = PacketDecoder()
            >>> _ = decoder.add(b"noise")
            >>> decoder.stats()
            PacketStats(received=1, damaged=1, duplicate=0, late=0, recovered=0, given_up=0)
        """

    def __reduce__(self) -> NoReturn: ...

@final
class PacketStats:
    """What has become of a decoder's datagrams and packets, counted since it was made.

    Of the received datagrams, damaged, duplicate and late ones are three parts that share nothing. The rest were
    useful, or spare: whole and new, but of a group whose packets were all there.

    Example:
        >>> from honeylink.fec import PacketDecoder, PacketEncoder, ReedSolomon
        >>> decoder = PacketDecoder()
        >>> [datagram] = PacketEncoder(ReedSolomon(3, 1)).add(b"once")
        >>> decoder.add(datagram), decoder.add(datagram)
        ([b'once'], [])
        >>> decoder.stats().duplicate
        1
    """

    @property
    def received(self) -> int:
        """Datagrams that were added, of any kind."""

    @property
    def damaged(self) -> int:
        """Datagrams that are not whole, not of this version or stream, or in contradiction to others of their group."""

    @property
    def duplicate(self) -> int:
        """Datagrams that had been received before."""

    @property
    def late(self) -> int:
        """Datagrams that came too late to be of use.

        Their packet or group had been given up, or is so long ago that nobody knows what became of it, or another
        encoder had taken the place of theirs, or there was no memory to keep them.
        """

    @property
    def recovered(self) -> int:
        """Packets that were lost and came back by parity."""

    @property
    def given_up(self) -> int:
        """Packets that were lost, and are no longer waited for.

        A group that was ended short counts as full if none of its parity came. One of which nothing came counts as
        many as the stream's full groups had last.
        """

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> NoReturn: ...

class _Changes(TypedDict, total=False):
    priority: Literal["latency", "normal", "burst"]
    rate_kbps: int
    ceil_kbps: int | None
    weight: int | None
    burst_bytes: int
    max_delay_us: int | None
    queue_packets: int
    queue_bytes: int | None

@disjoint_base
class LinkScheduler:
    """A link scheduler. `honeylink.scheduler.LinkScheduler` is the class to use; it knows sessions too."""

    def __new__(
        cls,
        rate_kbps: int,
        *,
        mtu_bytes: int = 1514,
        overhead_bytes: int = 0,
        memory_bytes: int | None = None,
        aqm: Literal["codel-drop", "codel-mark"] | None = None,
    ) -> Self: ...
    @property
    def root(self) -> int:
        """The handle of the root, the class that all others are in."""

    def add_class(
        self,
        parent: int | None = None,
        *,
        now_ns: int | None = None,
        rate_kbps: int = 0,
        ceil_kbps: int | None = None,
        weight: int | None = None,
        burst_bytes: int = 1514,
    ) -> int:
        """Adds a class, a place in the tree that has streams and other classes in it.

        Args:
            parent: Handle of the class that it is in; the root if left out.
            now_ns: The time. It may be left out as long as nothing is queued and all has been fetched, and is then that
                of the latest call, or 0 before any.
            rate_kbps: Its weight among its siblings, and what admission keeps free in kbit/s for the guarantees
                of its descendants. It is no guarantee itself.
            ceil_kbps: What it never exceeds in kbit/s, 1 to 10^9. None is no limit.
            weight: Its part among its siblings of all that their class sends, guarantees included, 1 to 2^27.
                By default its rate, or a hundredth of the link's without one.
            burst_bytes: What it may send at once above its ceiling, up to 2^30.

        Returns:
            Its handle.

        Raises:
            LinkError: A number is out of range; a class is too deep in others; there are 2^20 nodes; the time was left
                out on a link in use.
            UnknownHandle: There is no such parent.
            TimeBackwards: The time is before that of an earlier call.
            OverCommitted: The guarantees would be more than the ceiling of an ancestor, or than the link.
            TypeError: An argument is of another type, or has no such name.

        Example:
            >>> from honeylink.scheduler import LinkScheduler
            >>> link = LinkScheduler(10_000)
            >>> tenant = link.add_class(rate_kbps=4_000, ceil_kbps=8_000)
            >>> video = link.add_stream(tenant, rate_kbps=3_000)
        """

    def add_stream(
        self,
        cls: int,
        *,
        now_ns: int | None = None,
        priority: Literal["latency", "normal", "burst"] = "normal",
        rate_kbps: int = 0,
        ceil_kbps: int | None = None,
        weight: int | None = None,
        burst_bytes: int = 1514,
        max_delay_us: int | None = None,
        queue_packets: int = 1000,
        queue_bytes: int | None = None,
    ) -> int:
        """Adds a stream.

        Args:
            cls: Handle of the class that it is in; `root` for none.
            now_ns: The time. It may be left out as long as nothing is queued and all has been fetched, and is then that
                of the latest call, or 0 before any.
            priority: `"latency"`, `"normal"` or `"burst"`. What a latency stream sends within rate and burst is early,
                as far as others' guarantees allow; what is beyond is like anybody's, so it starves nobody. Without a
                rate nothing is within it. `"burst"` is as `"normal"`.
            rate_kbps: What it is guaranteed whenever it has something to send, in kbit/s. 0 is best effort.
            ceil_kbps: What it never exceeds in kbit/s, 1 to 10^9. None is no limit.
            weight: Its part among its siblings of all that their class sends, guarantees included, 1 to 2^27.
                By default its rate, or a hundredth of the link's without one.
            burst_bytes: What it may send at once above its ceiling, and above its rate for its delay to be kept.
            max_delay_us: The longest time in µs from enqueue to the end of sending, for what is within rate and burst.
                Only where there is no ceiling, neither its own nor an ancestor's.
            queue_packets: The most packets that it may queue, at least 1.
            queue_bytes: The most bytes that it may queue, at least one packet. None is no limit.

        Returns:
            Its handle.

        Raises:
            LinkError: A number is out of range, or there is no such priority; there are 2^20 nodes; a delay that was
                promised could not be kept with the rate; the time was left out on a link in use.
            UnknownHandle: There is no such class.
            TimeBackwards: The time is before that of an earlier call.
            OverCommitted: The guarantees would be more than a ceiling, or than the link.
            DelayOutOfReach: The delay can't be kept with the guarantees of others, or under a ceiling.
            TypeError: An argument is of another type, or has no such name.

        Example:
            >>> from honeylink.scheduler import LinkScheduler
            >>> link = LinkScheduler(10_000)
            >>> control = link.add_stream(link.root, priority="latency", rate_kbps=100, max_delay_us=5_000)
        """

    def enqueue(self, streams: _Numbers, sizes: _Numbers, now_ns: int) -> NDArray[np.uint8]:
        """Queues packets, all at one time.

        Args:
            streams: uint32[n]: the stream of each packet, in order. A list of integers will do, but takes longer.
            sizes: uint32[n]: its bytes, from 1 to the link's `mtu_bytes`.
            now_ns: The time.

        Returns:
            uint8[n]: a code of `Drop` for each, 0 if it was accepted.

        Raises:
            LinkError: A size is out of range, or there are not as many sizes as streams. Nothing was queued.
            UnknownHandle: A stream is none, or was removed. Nothing was queued.
            TimeBackwards: The time is before that of an earlier call.
            TypeError: `streams` or `sizes` is no sequence of integers.

        Example:
            >>> from honeylink.scheduler import Drop, LinkScheduler
            >>> link = LinkScheduler(10_000)
            >>> stream = link.add_stream(link.root, queue_packets=2)
            >>> link.enqueue([stream] * 3, [1200] * 3, now_ns=0)
            array([0, 0, 1], dtype=uint8)
            >>> Drop(1)
            <Drop.QUEUE_PACKETS: 1>
        """

    def dequeue(self, now_ns: int, max_packets: int, max_bytes: int | None = None) -> Batch:
        """The packets that start at or before `now_ns`, in order, each with its own start.

        A late call catches up: what comes out is the same however often it is called before something is queued or
        changed; a call at that very time decides what starts at it. But when 65,536 packets have started that were not
        fetched, and something is queued, added, changed or removed, the link has stood still until then, and no
        guarantee, delay or ceiling counts that time. At `next_event_ns` the next packet starts just now.

        Args:
            now_ns: The time.
            max_packets: How many at most. The rest comes with the next call.
            max_bytes: How many bytes all their sizes are at most; None is no limit.

        Returns:
            A batch of arrays with one entry a packet; empty if nothing starts by now.

        Raises:
            LinkError: A number is out of range.
            TimeBackwards: The time is before that of an earlier call.
            TypeError: An argument is no integer.

        Example:
            >>> from honeylink.scheduler import LinkScheduler
            >>> link = LinkScheduler(8_000)
            >>> stream = link.add_stream(link.root)
            >>> _ = link.enqueue([stream] * 3, [1000] * 3, now_ns=0)
            >>> link.dequeue(now_ns=1_999_999, max_packets=256).departures_ns.tolist()
            [0, 1000000]
        """

    def next_event_ns(self, now_ns: int) -> int | None:
        """When the next packet starts if nothing else happens. Asking changes nothing.

        Args:
            now_ns: The time.

        Returns:
            A time in ns, `now_ns` at the earliest; None when nothing is queued.

        Raises:
            LinkError: The time is out of range.
            TimeBackwards: The time is before that of an earlier call.
            TypeError: The time is no integer.

        Example:
            >>> from honeylink.scheduler import LinkScheduler
            >>> link = LinkScheduler(8_000)
            >>> stream = link.add_stream(link.root)
            >>> _ = link.enqueue([stream] * 2, [1000] * 2, now_ns=0)
            >>> len(link.dequeue(now_ns=0, max_packets=256)), link.next_event_ns(now_ns=0)
            (1, 1000000)
        """

    def reconfigure(self, handle: int, now_ns: int, **changes: Unpack[_Changes]) -> None:
        """Changes settings of a class, of a stream, or of the root, which is the link, from `now_ns` on.

        What is queued stays, even above new limits; the packet on its way is sent as it was begun. A guarantee that is
        changed, or is under a ceiling that is, begins at `now_ns`: what is queued counts for it as if it came then.

        Args:
            handle: What to change. The root has `rate_kbps` alone.
            now_ns: The time.
            **changes: Settings by the names that `add_class` and `add_stream` have; the others stay.

        Raises:
            LinkError: A number is out of range, or delays that were promised could not be kept.
            UnknownHandle: There is no such class or stream.
            TimeBackwards: The time is before that of an earlier call.
            OverCommitted: The guarantees would be more than a ceiling, or than the link.
            DelayOutOfReach: The delay can't be kept with the guarantees of others, or under a ceiling.
            TypeError: An argument is of another type, or there is no such setting.

        Example:
            >>> from honeylink.scheduler import LinkScheduler
            >>> link = LinkScheduler(10_000)
            >>> video = link.add_stream(link.root, rate_kbps=5_000)
            >>> link.reconfigure(video, now_ns=0, rate_kbps=2_000, ceil_kbps=4_000)
            >>> link.reconfigure(link.root, now_ns=0, rate_kbps=5_000)
        """

    def remove(self, handle: int, now_ns: int) -> None:
        """Removes a stream, or a class with all that is in it. What is queued there is dropped, and counted so.

        Args:
            handle: What to remove; the root can't be.
            now_ns: The time.

        Raises:
            LinkError: It is the root, or the time is out of range.
            UnknownHandle: There is no such class or stream.
            TimeBackwards: The time is before that of an earlier call.
            TypeError: An argument is no integer.

        Example:
            >>> from honeylink.scheduler import LinkScheduler
            >>> link = LinkScheduler(10_000)
            >>> stream = link.add_stream(link.root)
            >>> _ = link.enqueue([stream], [1200], now_ns=0)
            >>> link.remove(stream, now_ns=0)
            >>> link.stats().dropped_removed
            1
        """

    def stats(self, handle: int | None = None) -> LinkStats:
        """What has become of the packets of a stream, of a class with all that is or was in it, or of the whole link.

        Args:
            handle: A class or a stream; the whole link if left out.

        Raises:
            UnknownHandle: There is no such class or stream.
            TypeError: The handle is no integer.

        Example:
            >>> from honeylink.scheduler import LinkScheduler
            >>> link = LinkScheduler(10_000)
            >>> stream = link.add_stream(link.root, queue_packets=2)
            >>> _ = link.enqueue([stream] * 3, [1200] * 3, now_ns=0)
            >>> stats = link.stats(stream)
            >>> stats.enqueued, stats.queued_bytes, stats.dropped_queue_packets
            (2, 2400, 1)
        """

    def __reduce__(self) -> NoReturn: ...

@final
class Batch:
    """The packets that leave, in order: arrays with one entry a packet.

    Example:
        >>> from honeylink.scheduler import LinkScheduler
        >>> link = LinkScheduler(10_000)
        >>> stream = link.add_stream(link.root)
        >>> _ = link.enqueue([stream], [1200], now_ns=5)
        >>> batch = link.dequeue(now_ns=5, max_packets=256)
        >>> len(batch), batch.sizes
        (1, array([1200], dtype=uint32))
    """

    @property
    def streams(self) -> NDArray[np.uint32]:
        """uint32[n]: the handle of each packet's stream."""

    @property
    def sequences(self) -> NDArray[np.uint64]:
        """uint64[n]: which packet it is of those that its stream accepted, from 0. Those dropped later count too."""

    @property
    def sizes(self) -> NDArray[np.uint32]:
        """uint32[n]: its bytes."""

    @property
    def departures_ns(self) -> NDArray[np.uint64]:
        """uint64[n]: when its sending starts, in ns."""

    @property
    def marks(self) -> NDArray[np.bool_]:
        """bool[n]: whether the AQM marked it, as its queue is a standing one: set ECN to CE (RFC 3168)."""

    def __len__(self) -> int: ...
    def __reduce__(self) -> NoReturn: ...

@final
class LinkStats:
    """What has become of packets, counted since the stream, the class or the link was made.

    At all times `enqueued == dequeued + queued_packets + dropped_after_acceptance`. Two counts of drops are of packets
    that were not accepted: `dropped_queue_packets` and `dropped_queue_bytes`.

    Example:
        >>> from honeylink.scheduler import LinkScheduler
        >>> stats = LinkScheduler(10_000).stats()
        >>> stats.enqueued == stats.dequeued + stats.queued_packets + stats.dropped_after_acceptance
        True
    """

    @property
    def enqueued(self) -> int:
        """Packets that were accepted."""

    @property
    def dequeued(self) -> int:
        """Packets that were handed out."""

    @property
    def marked(self) -> int:
        """Those among them that were marked."""

    @property
    def queued_packets(self) -> int:
        """Packets that wait, or were sent by now and not yet handed out."""

    @property
    def queued_bytes(self) -> int:
        """Their bytes."""

    @property
    def dropped_queue_packets(self) -> int:
        """Packets that were not accepted: the stream had as many queued as it may."""

    @property
    def dropped_queue_bytes(self) -> int:
        """Packets that were not accepted: the stream had as many bytes queued as it may."""

    @property
    def dropped_memory(self) -> int:
        """Packets that were dropped from the fattest queue when all together held too much."""

    @property
    def dropped_aqm(self) -> int:
        """Packets that the AQM dropped, as their queue was a standing one."""

    @property
    def dropped_removed(self) -> int:
        """Packets that were dropped with their stream."""

    @property
    def dropped_after_acceptance(self) -> int:
        """Packets that were accepted and never handed out: the last three counts together."""

    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> NoReturn: ...

@final
class Pool:
    """A bandwidth pool: a capacity that sessions reserve from.

    Guarantee, limits and what is withheld are for siblings, pools with one parent. Such a pool has a share of its
    parent, of which it lends some while it does not use it; beyond its share it borrows. What it does not lend is
    kept for it.

    Args:
        id: Unique within its level, and on a path where active sessions name it.
        level: `"device"`, whose parent is `"tenant"`, whose parent is `"node"`.
        capacity_kbps: What all sessions together may reserve, in kbit/s.
        reserved_kbps: What they have reserved. More than the capacity leaves no room; it is not an error.
        charge: What a stream reserves: `"payload"`, what it carries, or `"wire"`, its parity too, rounded up for
            each stream.
        guaranteed_kbps: Its share of its parent; None is a share of 0.
        borrow_limit_kbps: How far beyond its share it may go; None: as far as its capacity.
        lend_limit_kbps: How much of its share others may use while it does not; None: all of it.
        preemption: Whether sessions may lose bandwidth here to stronger ones.
        min_hold_ms: For how long after its opening a session can't.
        withheld_kbps: What it keeps free for its children: the sum of their `claim_kbps`.

    Raises:
        PlannerError: There is no such level or charge, or a number is not from 0 to 2^64 - 1.

    Example:
        >>> from honeylink.scheduler import Pool
        >>> Pool("drone-7", "device", capacity_kbps=8000, reserved_kbps=100)
        Pool(id='drone-7', level='device', capacity_kbps=8000, reserved_kbps=100)
        >>> Pool("acme", "tenant", 9000, 1000, guaranteed_kbps=6000, lend_limit_kbps=2000).claim_kbps
        3000
    """

    def __new__(
        cls,
        id: str,  # noqa: A002
        level: Literal["device", "tenant", "node"],
        capacity_kbps: int,
        reserved_kbps: int,
        charge: Literal["payload", "wire"] = "payload",
        guaranteed_kbps: int | None = None,
        borrow_limit_kbps: int | None = None,
        lend_limit_kbps: int | None = None,
        preemption: bool = False,
        min_hold_ms: int = 0,
        withheld_kbps: int = 0,
    ) -> Pool: ...
    @property
    def id(self) -> str:
        """Its name within its level."""

    @property
    def level(self) -> Literal["device", "tenant", "node"]:
        """Its place in the hierarchy: `"device"`, `"tenant"` or `"node"`."""

    @property
    def capacity_kbps(self) -> int:
        """What all sessions together may reserve, in kbit/s."""

    @property
    def reserved_kbps(self) -> int:
        """What they have reserved, in kbit/s."""

    @property
    def charge(self) -> Literal["payload", "wire"]:
        """What a stream reserves: `"payload"` or `"wire"`."""

    @property
    def guaranteed_kbps(self) -> int | None:
        """Its share of its parent, in kbit/s."""

    @property
    def borrow_limit_kbps(self) -> int | None:
        """How far beyond its share it may go, in kbit/s."""

    @property
    def lend_limit_kbps(self) -> int | None:
        """How much of its share others may use while it does not, in kbit/s."""

    @property
    def preemption(self) -> bool:
        """Whether sessions may lose bandwidth here to stronger ones."""

    @property
    def min_hold_ms(self) -> int:
        """For how long after its opening a session can't, in milliseconds."""

    @property
    def withheld_kbps(self) -> int:
        """What it keeps free for its children, in kbit/s."""

    @property
    def ceiling_kbps(self) -> int:
        """What reserved and withheld may come to, in kbit/s: its capacity, or less where it may borrow little."""

    @property
    def share_kbps(self) -> int:
        """What it is guaranteed of its parent, in kbit/s."""

    @property
    def kept_kbps(self) -> int:
        """The part of its share that others can't have, in kbit/s."""

    @property
    def committed_kbps(self) -> int:
        """What is reserved or withheld here, in kbit/s."""

    @property
    def free_kbps(self) -> int:
        """What is left up to its ceiling, in kbit/s."""

    @property
    def claim_kbps(self) -> int:
        """What its parent keeps free for it beyond what it has reserved, in kbit/s.

        It is the part of its share that it does not lend, or what it withholds itself if that is more.
        """

    def charged_kbps(self, streams: Sequence[StreamAsk], allocations: Sequence[int]) -> int:
        """What streams reserve here.

        Args:
            streams: What was asked for them.
            allocations: What each of them gets, in kbit/s.

        Returns:
            Their sum in this pool's charge, in kbit/s.

        Raises:
            PlannerError: There is not one allocation for each stream, or one is not from 0 to 2^64 - 1; or a stream has
                FEC that can't be.

        Example:
            >>> from honeylink.scheduler import Pool, StreamAsk
            >>> video = StreamAsk("video", "burst", 5000, data_shards=10, parity_shards=5)
            >>> Pool("acme", "tenant", 9000, 0, charge="wire").charged_kbps([video], [4001])
            6002
        """

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(
        self,
    ) -> tuple[type[Pool], tuple[str, str, int, int, str, int | None, int | None, int | None, bool, int, int]]: ...

@final
class StreamAsk:
    """What one stream of a session asks for, or has.

    Args:
        name: The caller's name for it; nothing is decided by it.
        priority: `"latency"`, `"normal"` or `"burst"`, the most urgent first.
        bandwidth_kbps: What it asks for, in kbit/s. `plan` refuses 0.
        min_bandwidth_kbps: What it can live with; None: all or nothing. `plan` refuses 0 and more than the bandwidth.
        data_shards: k of its FEC, which a pool that charges by wire looks at. `plan` refuses 0.
        parity_shards: m of its FEC. `plan` refuses more than 256 with k.

    Raises:
        PlannerError: There is no such priority, or a number is not from 0 to 2^64 - 1.

    Example:
        >>> from honeylink.scheduler import StreamAsk
        >>> StreamAsk("video", "burst", bandwidth_kbps=5000)
        StreamAsk(name='video', priority='burst', bandwidth_kbps=5000)
        >>> StreamAsk("video", "burst", 5000, min_bandwidth_kbps=1000).min_bandwidth_kbps
        1000
    """

    def __new__(
        cls,
        name: str,
        priority: Literal["latency", "normal", "burst"],
        bandwidth_kbps: int,
        min_bandwidth_kbps: int | None = None,
        data_shards: int = 10,
        parity_shards: int = 0,
    ) -> StreamAsk: ...
    @property
    def name(self) -> str:
        """The caller's name for it."""

    @property
    def priority(self) -> Literal["latency", "normal", "burst"]:
        """How urgent it is: `"latency"`, `"normal"` or `"burst"`."""

    @property
    def bandwidth_kbps(self) -> int:
        """What it asks for, in kbit/s."""

    @property
    def min_bandwidth_kbps(self) -> int | None:
        """What it can live with, in kbit/s; None: all or nothing."""

    @property
    def data_shards(self) -> int:
        """Data shards of a group of its FEC, k."""

    @property
    def parity_shards(self) -> int:
        """Parity shards of a group of its FEC, m."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[type[StreamAsk], tuple[str, str, int, int | None, int, int]]: ...

@final
class Request:
    """The streams of one session, admitted together or not at all.

    Args:
        streams: In the caller's order. `plan` refuses an empty one.
        setup_priority: How strong the request is against sessions that are there already, where pools allow
            pre-emption. Larger is stronger.

    Raises:
        PlannerError: The priority is not from -2^63 to 2^63 - 1.

    Example:
        >>> from honeylink.scheduler import Request, StreamAsk
        >>> len(Request([StreamAsk("telemetry", "normal", 100)]).streams)
        1
    """

    def __new__(cls, streams: Sequence[StreamAsk], setup_priority: int = 0) -> Request: ...
    @property
    def streams(self) -> tuple[StreamAsk, ...]:
        """The streams, in the caller's order."""

    @property
    def setup_priority(self) -> int:
        """How strong it is against sessions that are there already."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(self) -> tuple[type[Request], tuple[tuple[StreamAsk, ...], int]]: ...

@final
class ActiveSession:
    """A session that holds bandwidth, of which a stronger one may take some.

    Args:
        id: Unique among all sessions.
        pool_ids: The ids of the pools it has reserved from.
        streams: Its streams, with what they have now as their bandwidth.
        hold_priority: How strong it is against a newcomer. Larger is stronger.
        opened_ms: When it was opened, by the clock of `now_ms`.
        expires_ms: When it ends at the latest.

    Raises:
        PlannerError: A number is out of range, or a text is not valid Unicode.

    Example:
        >>> from honeylink.scheduler import ActiveSession, StreamAsk
        >>> video = StreamAsk("video", "burst", 5000, min_bandwidth_kbps=1000)
        >>> session = ActiveSession("s-1", ("drone-7", "acme"), [video], 0, opened_ms=0, expires_ms=60_000)
        >>> session.pool_ids
        ('drone-7', 'acme')
    """

    def __new__(
        cls,
        id: str,  # noqa: A002
        pool_ids: Sequence[str],
        streams: Sequence[StreamAsk],
        hold_priority: int,
        opened_ms: int,
        expires_ms: int,
    ) -> ActiveSession: ...
    @property
    def id(self) -> str:
        """Its name."""

    @property
    def pool_ids(self) -> tuple[str, ...]:
        """The ids of the pools it has reserved from."""

    @property
    def streams(self) -> tuple[StreamAsk, ...]:
        """Its streams, with what they have now as their bandwidth."""

    @property
    def hold_priority(self) -> int:
        """How strong it is against a newcomer."""

    @property
    def opened_ms(self) -> int:
        """When it was opened, in milliseconds."""

    @property
    def expires_ms(self) -> int:
        """When it ends at the latest, in milliseconds."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(
        self,
    ) -> tuple[type[ActiveSession], tuple[str, tuple[str, ...], tuple[StreamAsk, ...], int, int, int]]: ...

@final
class Admitted:
    """Every pool has room for the session, or room is made.

    Args:
        allocations: What each stream gets, in request order, in kbit/s.
        headroom_kbps: What each pool has left for this path after this session, in path order, in kbit/s.
        shrunk: Sessions that have to do with less, weakest first: the id of each and what its streams keep.
        evicted: The ids of sessions that have to end, weakest first.

    Raises:
        PlannerError: A number is not from 0 to 2^64 - 1, or a text is not valid Unicode.

    Example:
        >>> from honeylink.scheduler import Admitted
        >>> Admitted(allocations=[100], headroom_kbps=[7900, 900])
        Admitted(allocations=(100,), headroom_kbps=(7900, 900))
        >>> Admitted([100], [0], shrunk=[("s-1", [50, 10])]).shrunk
        (('s-1', (50, 10)),)
    """

    def __new__(
        cls,
        allocations: Sequence[int],
        headroom_kbps: Sequence[int],
        shrunk: Sequence[tuple[str, Sequence[int]]] = (),
        evicted: Sequence[str] = (),
    ) -> Admitted: ...
    @property
    def allocations(self) -> tuple[int, ...]:
        """What each stream gets, in request order, in kbit/s."""

    @property
    def headroom_kbps(self) -> tuple[int, ...]:
        """What each pool has left for this path after this session, in path order, in kbit/s."""

    @property
    def shrunk(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Sessions that have to do with less, weakest first: the id of each and what its streams keep, in kbit/s."""

    @property
    def evicted(self) -> tuple[str, ...]:
        """The ids of sessions that have to end, weakest first."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(
        self,
    ) -> tuple[
        type[Admitted],
        tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[str, tuple[int, ...]], ...], tuple[str, ...]],
    ]: ...

@final
class Rejected:
    """Some pool has no room for the session; nothing is allocated.

    Args:
        limiting_pool: The first pool from the device up that is short even of the streams' minima, the very object
            given to `plan`.
        requested_kbps: What the whole session asks for, as that pool charges it, in kbit/s.
        available_kbps: What that pool has left, in kbit/s.
        counter_offer: The most that these streams could have now at the cost of nobody, in kbit/s, in request order:
            each with a minimum has at least that, the others at least 1. None if there is not even so much.
        free_at_ms: When the first of the active sessions will have expired after which the minima fit. None if none
            helps.
        admissible_kbps: The largest stream without parity that every pool on the path would take, in kbit/s.

    Raises:
        PlannerError: A number is not from 0 to 2^64 - 1.

    Example:
        >>> from honeylink.scheduler import Pool, Rejected
        >>> Rejected(Pool("drone-7", "device", 80, 0), 100, 80, counter_offer=[80]).limiting_pool.id
        'drone-7'
    """

    def __new__(
        cls,
        limiting_pool: Pool,
        requested_kbps: int,
        available_kbps: int,
        counter_offer: Sequence[int] | None = None,
        free_at_ms: int | None = None,
        admissible_kbps: int = 0,
    ) -> Rejected: ...
    @property
    def limiting_pool(self) -> Pool:
        """The first pool from the device up that is short even of the minima: the very object given to `plan`."""

    @property
    def requested_kbps(self) -> int:
        """What the whole session asks for, as the limiting pool charges it, in kbit/s."""

    @property
    def available_kbps(self) -> int:
        """What the limiting pool has left, in kbit/s."""

    @property
    def counter_offer(self) -> tuple[int, ...] | None:
        """The most that these streams could have now at the cost of nobody, in request order, in kbit/s; or None."""

    @property
    def free_at_ms(self) -> int | None:
        """When capacity is known to come free, in milliseconds; or None."""

    @property
    def admissible_kbps(self) -> int:
        """The largest stream without parity that every pool on the path would take, in kbit/s."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __reduce__(
        self,
    ) -> tuple[type[Rejected], tuple[Pool, int, int, tuple[int, ...] | None, int | None, int]]: ...

def plan(
    path: Sequence[Pool],
    request: Request,
    active: Sequence[ActiveSession] = (),
    now_ms: int = 0,
    others: Sequence[Pool] = (),
) -> Admitted | Rejected:
    """Decides whether every pool on a path has room for a session, or can have it.

    A pure function: the same arguments give the same answer. If the path is short, streams with a minimum get less
    than they ask for, the least urgent first. If it is short of the minima and its pools allow it, sessions that are
    there and weaker than the request are shrunk, and if need be evicted; none loses more than it takes. With 256
    active sessions or more it releases the GIL.

    Args:
        path: The pools to reserve from, from the device up: no level may come before a lower one.
        request: The streams of one session.
        active: Sessions that hold bandwidth of these pools. Those that are not given lose nothing, and their ends
            are not known.
        now_ms: The time, by the clock of the active sessions.
        others: Pools off the path that active sessions have reserved from. Nothing is taken from what is
            guaranteed to these.

    Returns:
        `Admitted` when the session fits into all pools, else `Rejected`.

    Raises:
        PlannerError: The path or a session is empty, the path is out of order or has a pool twice (the same level and
            id), a pool or session can't be told from another, a stream asks for 0, has a minimum or FEC that can't
            be, or the streams come to more than 2^64 - 1 kbit/s.

    Example:
        >>> from honeylink.scheduler import Pool, Request, StreamAsk, plan
        >>> path = [Pool("drone-7", "device", 8000, 0), Pool("acme", "tenant", 9000, 4000)]
        >>> plan(path, Request([StreamAsk("telemetry", "normal", 100)]))
        Admitted(allocations=(100,), headroom_kbps=(7900, 4900))
        >>> plan(path, Request([StreamAsk("video", "burst", 6000, min_bandwidth_kbps=1000)]))
        Admitted(allocations=(5000,), headroom_kbps=(3000, 0))
        >>> plan(path, Request([StreamAsk("video", "burst", 6000)])).counter_offer
        (5000,)
    """

def wire_kbps(bandwidth_kbps: int, data_shards: int, parity_shards: int) -> int:
    """What a stream sends, with its parity, rounded up: what a pool charges that charges by wire, in kbit/s.

    Args:
        bandwidth_kbps: What it carries, in kbit/s.
        data_shards: k of its FEC.
        parity_shards: m of its FEC.

    Raises:
        PlannerError: A number, or the result, is not from 0 to 2^64 - 1, or there is no such code.
    """

def charge_path(
    path: Sequence[Pool], streams: Sequence[StreamAsk], allocations: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """What streams change in each pool of a path.

    Args:
        path: The pools, from the device up.
        streams: What was asked for them.
        allocations: What each of them gets, in kbit/s.

    Returns:
        For each pool what is reserved there in addition, and what is no longer withheld there, in kbit/s.

    Raises:
        PlannerError: As `Pool.charged_kbps`, or they come to more than 2^64 - 1 kbit/s.
    """

def withheld_when_empty(path: Sequence[Pool]) -> tuple[int, ...]:
    """What each pool of a path would withhold for the path if no session had reserved anything, in kbit/s.

    Args:
        path: The pools, from the device up.
    """

def session_keys(sessions: Sequence[_NewSession]) -> list[tuple[bytes, list[bytes]]]:
    """The keys of new sessions: HKDF-SHA512 from the device's master key, and AES-256-GCM to seal the session's own.

    Four sessions or more release the GIL.

    Args:
        sessions: What the keys of each come from, and all that they are bound to.

    Returns:
        Of each session the ciphertext of its own key with its tag, under a subkey of the data key, and the keys of its
        streams.

    Raises:
        ValueError: An id that is a UUID does not have 16 bytes, or a nonce 12.
        TypeError: An argument is of another type.
    """

@final
class SessionBodyReader:
    """Reads the body of a request for a session, if it has the usual form.

    That is a body which is certainly right: JSON of known members, each once; whole numbers within their limits; text
    of printable ASCII without escapes; no expected loss. Any other body may be right or wrong.

    Args:
        modes: The words of a stream's mode, in lower case; a body may have them in any.
        priorities: The words of its priority, likewise.
        streams_max: How many streams there may be.
        name_max_length: How many characters a stream's name may have.
        kbps_max: The most that a stream may ask for, in kbit/s.
        priority_max: The highest setup and hold priority.

    Raises:
        TypeError: An argument is of another type.
        OverflowError: A number is negative, or has more than 64 bits.
    """

    def __new__(
        cls,
        *,
        modes: Sequence[str],
        priorities: Sequence[str],
        streams_max: int,
        name_max_length: int,
        kbps_max: int,
        priority_max: int,
    ) -> SessionBodyReader: ...
    def read(
        self, raw: bytes, ttl_max_seconds: int
    ) -> tuple[str, list[tuple[str, int, int, int, int | None]], int | None, int | None, int | None] | None:
        """The request in a body.

        Args:
            raw: The body.
            ttl_max_seconds: The longest life that it may ask for.

        Returns:
            The device's id, of which only the characters are checked; the streams; the life; the setup and the hold
            priority. Of each stream its name, the positions of its mode and its priority among the words, what it asks
            for, and what it can do with. What was not given is None. None if the body does not have the usual form.
        """

    def __reduce__(self) -> NoReturn: ...
