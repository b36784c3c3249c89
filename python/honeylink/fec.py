"""Reed-Solomon erasure codes for groups of packets: any k of k + m shards give the data back.

Use it where packets get lost and asking for them again would take too long. It repairs shards that are known
to be lost; it does not find shards that are present but damaged: authenticate packets for that.

Example:
    Ten data shards, five parity shards, four losses::

        >>> import numpy as np
        >>> from honeylink.fec import ReedSolomon
        >>> code = ReedSolomon(data_shards=10, parity_shards=5)
        >>> shards = np.empty((15, 1200), dtype=np.uint8)
        >>> shards[:10] = np.frombuffer(b"a frame of video" * 750, dtype=np.uint8).reshape(10, 1200)
        >>> _ = code.encode(shards[:10], out=shards[10:])

        >>> present = np.ones(15, dtype=bool)
        >>> present[[0, 3, 9, 12]] = False
        >>> shards[~present] = 0
        >>> code.reconstruct(shards, present)
        >>> bytes(shards[0, :16])
        b'a frame of video'
        >>> code.verify(shards)
        True

    How much parity a link asks for that loses 3 % of its packets, four in a row on average, when 99 of 100 groups
    shall survive::

        >>> from honeylink.fec import plan
        >>> plan(loss=0.03, target=0.99, burst=4).parity_shards
        9

    Packets over a link that loses some: each travels at once, and parity follows when its group is full::

        >>> from honeylink.fec import PacketDecoder, PacketEncoder
        >>> encoder, decoder = PacketEncoder(ReedSolomon(4, 2)), PacketDecoder()
        >>> datagrams = [datagram for packet in [b"in", b"order", b"and", b"whole"] for datagram in encoder.add(packet)]
        >>> del datagrams[1:3]
        >>> [packet for datagram in datagrams for packet in decoder.add(datagram)]
        [b'in', b'order', b'and', b'whole']
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import numpy as np

from honeylink._native import (
    Encoder,
    PacketDecoder,
    PacketEncoder,
    PacketStats,
    Plan,
    ReedSolomon,
    engine,
    engines,
)
from honeylink._native import plan_parity as plan
from honeylink.errors import ShardShapeError as _ShardShapeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Encoder",
    "PacketDecoder",
    "PacketEncoder",
    "PacketStats",
    "Plan",
    "ReedSolomon",
    "empty_shards",
    "engine",
    "engines",
    "plan",
]

_CACHE_LINE_BYTES: Final = 64

engine()  # a wrong HONEYLINK_FEC_ENGINE is refused now, not by the first code


def empty_shards(count: int, n: int, groups: int | None = None) -> NDArray[np.uint8]:
    """Make room for shards that the CPU's caches can hold side by side.

    Rows whose distance is a power of two compete for the same few places of a cache, which makes long shards up to
    twice as slow. Here each row starts on a cache line, and the distance between rows is an odd number of lines.

    Args:
        count: Rows, k + m for a whole group.
        n: Bytes of a row.
        groups: How many groups, for `encode_groups` and `reconstruct_groups`; one group without its axis if left out.

    Returns:
        uint8[count, n], or uint8[groups, count, n], not initialised. Its rows are contiguous and apart.

    Raises:
        ShardShapeError: A number is negative.
        MemoryError: There is not so much room.

    Example:
        >>> from honeylink.fec import empty_shards
        >>> shards = empty_shards(15, 4096)
        >>> shards.shape, shards.strides
        ((15, 4096), (4160, 1))
    """
    if min(count, n, groups or 0) < 0:
        raise _ShardShapeError("no negative number", f"count={count}, n={n}, groups={groups}")
    stride = (-(-n // _CACHE_LINE_BYTES) | 1) * _CACHE_LINE_BYTES
    rows = count if groups is None else count * groups
    # NumPy would say that the array is wrong, and counts an axis without elements as one with one.
    if max(count, 1) * max(groups or 1, 1) * stride > sys.maxsize - _CACHE_LINE_BYTES:
        raise MemoryError(f"no room for {rows} rows of {n} bytes")
    memory = np.empty(rows * stride + _CACHE_LINE_BYTES, dtype=np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE_BYTES
    shape = (count, stride) if groups is None else (groups, count, stride)
    return memory[start : start + rows * stride].reshape(shape)[..., :n]
