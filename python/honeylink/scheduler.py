"""Bandwidth admission: does a session fit into every pool it would reserve from, and if not, what would?

The planner is a pure function of the pools' state, the request and the sessions that are there, so its answer can be
computed anywhere and tried again after a lost race. It reserves nothing itself.

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
"""

from honeylink._native import ActiveSession, Admitted, Pool, Rejected, Request, StreamAsk, plan

__all__ = ["ActiveSession", "Admitted", "Pool", "Rejected", "Request", "StreamAsk", "plan"]
