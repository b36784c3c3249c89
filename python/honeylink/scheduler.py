"""Bandwidth: whether a session fits into every pool it would reserve from, and which packet leaves a link next.

`plan` admits sessions, and a `LinkScheduler` keeps on a link what they were promised. The planner is a pure function
of the pools' state, the request and the sessions that are there, so its answer can be computed anywhere and tried again
after a lost race. It reserves nothing itself. What it takes and gives can be compared, hashed and pickled.

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
from typing import TYPE_CHECKING, Literal, final

from honeylink import _native, _session
from honeylink._native import (
    ActiveSession,
    Admitted,
    Batch,
    LinkStats,
    Pool,
    Rejected,
    Request,
    StreamAsk,
    plan,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

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


@final
class LinkScheduler(_native.LinkScheduler):
    """Decides which stream's packet leaves a link next, and when.

    A tree of classes with streams as leaves. The packets' bytes stay with the caller: the scheduler takes sizes,
    and says which stream's packet starts when. It has no clock: each call carries the time, in nanoseconds since
    any epoch, which never goes back. A method raises LinkError for a number that is out of range, UnknownHandle for a
    class or stream that there is not, TimeBackwards for a time before that of an earlier call, and TypeError for an
    argument of another type or name. After an error nothing has changed.

    Handles are integers that name a class or a stream of this link for good: that of a removed one never comes
    back. Threads may share a link; a lock lets them in one after the other. Batches of 64 packets or more release
    the GIL.

    Args:
        rate_kbps: The link's rate in kbit/s, 1 to 10^9.
        mtu_bytes: The largest packet, 64 to 65535.
        overhead_bytes: What each packet takes on the link on top of its size, such as headers, preamble and gap.
        memory_bytes: What all queues together may hold, in bytes of packets' sizes; beyond it the fattest queue is
            dropped from. The scheduler itself takes 16 bytes a queued packet, which do not count. None is no limit.
        aqm: What becomes of packets of standing queues: with `"codel-drop"` CoDel (RFC 8289) drops them,
            with `"codel-mark"` it marks them. None: nothing.

    Raises:
        LinkError: A number is out of range, or there is no such aqm.
        TypeError: An argument is of another type.

    Source: I. Stoica, H. Zhang, T. S. E. Ng, "A Hierarchical Fair Service Curve Algorithm for Link-Sharing,
        Real-Time, and Priority Services", SIGCOMM 1997.

    Example:
        >>> import numpy as np
        >>> from honeylink.scheduler import LinkScheduler
        >>> link = LinkScheduler(10_000)
        >>> video = link.add_stream(link.root, priority="burst", rate_kbps=5_000)
        >>> control = link.add_stream(link.root, priority="latency", rate_kbps=50)
        >>> streams = np.array([video, video, control], dtype=np.uint32)
        >>> sizes = np.array([1250, 1250, 100], dtype=np.uint32)
        >>> link.enqueue(streams, sizes, now_ns=0)
        array([0, 0, 0], dtype=uint8)
        >>> batch = link.dequeue(now_ns=2_000_000, max_packets=256)
        >>> batch.streams.tolist() == [video, control, video]
        True
        >>> batch.departures_ns.tolist()
        [0, 1000000, 1080000]
    """

    __slots__ = ("_session",)
    _session: dict[str, int]

    def __init_subclass__(cls) -> None:
        raise TypeError("LinkScheduler is not an acceptable base type")

    @classmethod
    def from_session(
        cls,
        answer: Mapping[str, object],
        rate_kbps: int,
        *,
        mtu_bytes: int = 1514,
        overhead_bytes: int = 0,
        memory_bytes: int | None = None,
        aqm: Literal["codel-drop", "codel-mark"] | None = None,
    ) -> LinkScheduler:
        """A link with the streams of a session, as `POST /sessions` or `GET /sessions/{id}` has answered it.

        Each stream has its priority and is guaranteed what was allocated to it. What its parity takes on top comes by
        weight: on a link that has room for all streams with their parity, each gets its own. The handles are
        in `streams`, by name; more classes and streams may be added.

        Args:
            answer: The answer's JSON, read. Of a stream its name, priority, allocated bandwidth and FEC count.
            rate_kbps: The link's rate in kbit/s.
            mtu_bytes: As of a new link, and so are the others.

        Raises:
            LinkError: Something in the answer is missing or out of range; `field` says what, as
                `answer.streams[0].priority`. The rate or an option is out of range. Two streams have one name.
            OverCommitted: The link has less than was allocated.
            TypeError: Something in the answer is of another type.

        Example:
            >>> from honeylink.scheduler import LinkScheduler
            >>> fec = {"data_shards": 10, "parity_shards": 1}
            >>> stream = {"name": "control", "priority": "latency", "allocated_bandwidth_kbps": 50, "fec": fec}
            >>> link = LinkScheduler.from_session({"streams": [stream]}, rate_kbps=10_000)
            >>> link.enqueue([link.streams["control"]], [100], now_ns=0)
            array([0], dtype=uint8)
        """
        streams = _session.read_streams(answer)
        link = cls(rate_kbps, mtu_bytes=mtu_bytes, overhead_bytes=overhead_bytes, memory_bytes=memory_bytes, aqm=aqm)
        link._session = {
            stream.name: link.add_stream(
                link.root, now_ns=0, priority=stream.priority, rate_kbps=stream.rate_kbps, weight=stream.weight
            )
            for stream in streams
        }
        return link

    @property
    def streams(self) -> dict[str, int]:
        """The handles of the session's streams by name, those that were removed left out; empty without a session."""
        return dict(getattr(self, "_session", {}))

    def remove(self, handle: int, now_ns: int) -> None:  # noqa: D102 - documented in the native module
        super().remove(handle, now_ns)
        # They are in the root, so none goes with a class.
        for name, stream in self.streams.items():
            if stream == handle:
                del self._session[name]

    remove.__doc__ = _native.LinkScheduler.remove.__doc__
