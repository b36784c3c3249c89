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
"""

from honeylink._native import Plan, ReedSolomon
from honeylink._native import plan_parity as plan

__all__ = ["Plan", "ReedSolomon", "plan"]
