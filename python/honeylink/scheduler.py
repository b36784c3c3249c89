"""Bandwidth: whether a session fits into every pool it would reserve from, and which packet leaves a link next.

`plan` admits sessions, and a `LinkScheduler` keeps on a link what they were promised. The planner is a pure function
of the pools' state, the request and the sessions that are there, so its answer can be computed anywhere and tried again
after a lost race. It reserves nothing itself.

Example:
    A device's pool inside its tenant's, and a session of two streams::

        >>> from honeylink.scheduler import Admitted, Pool, Rejected, Request, StreamAsk, plan
        >>> path = [Pool("drone-7", "device", 100_000, 0), Pool("acme", "tenant", 200_000, 197_000)]
        >>> telemetry, video = StreamAsk("telemetry", "normal", 100), StreamAsk("video", "burst", 5_000)
        >>> match plan(path, Request([telemetry, video])):
        ...     case Admitted(headroom_kbps=headroom):
        ...         print("admitted, left:", headroom)
        ...     case Rejected(limiting_pool=pool, counter_offer=offer):
        ...         print(f"{pool.level} {pool.id} is short; it would take {offer}")
        tenant acme is short; it would take (100, 2900)

    Video that can do with less takes what there is::

        >>> video = StreamAsk("video", "burst", 5_000, min_bandwidth_kbps=1_000)
        >>> plan(path, Request([telemetry, video])).allocations
        (100, 2900)

    A link with a class for each of two tenants; what one leaves idle the other may use::

        >>> from honeylink.scheduler import Drop, LinkScheduler
        >>> link = LinkScheduler(10_000)
        >>> acme, zen = link.add_class(rate_kbps=6_000), link.add_class(rate_kbps=4_000)
        >>> video = link.add_stream(acme, priority="burst", rate_kbps=5_000)
        >>> control = link.add_stream(zen, priority="latency", rate_kbps=100)
        >>> drops = link.enqueue([video, video, control], [1250, 1250, 100], now_ns=0)
        >>> bool((drops == Drop.ACCEPTED).all())
        True
        >>> batch = link.dequeue(now_ns=10**9, max_packets=256)
        >>> for stream, start_ns in zip(batch.streams, batch.departures_ns, strict=True):
        ...     print("video" if stream == video else "control", start_ns)
        video 0
        control 1000000
        video 1080000
"""

from __future__ import annotations

import enum

from honeylink._native import (
    ActiveSession,
    Admitted,
    Batch,
    LinkScheduler,
    LinkStats,
    Pool,
    Rejected,
    Request,
    StreamAsk,
    plan,
)

__all__ = [
    "ActiveSession",
    "Admitted",
    "Batch",
    "Drop",
    "LinkScheduler",
    "LinkStats",
    "Pool",
    "Rejected",
    "Request",
    "StreamAsk",
    "plan",
]


class Drop(enum.IntEnum):
    """What `LinkScheduler.enqueue` says of a packet.

    Example:
        >>> from honeylink.scheduler import Drop, LinkScheduler
        >>> link = LinkScheduler(10_000)
        >>> stream = link.add_stream(link.root, queue_packets=1)
        >>> [Drop(code).name for code in link.enqueue([stream] * 2, [1200] * 2, now_ns=0)]
        ['ACCEPTED', 'QUEUE_PACKETS']
    """

    ACCEPTED = 0
    """It is queued."""
    QUEUE_PACKETS = 1
    """Its stream has as many packets queued as it may."""
    QUEUE_BYTES = 2
    """Its stream has as many bytes queued as it may."""
