"""Bandwidth admission: does a session fit into every pool it would reserve from?

The planner is a pure function of the pools' state and the request, so its answer can be computed anywhere and
tried again after a lost race. It reserves nothing itself.

Example:
    A device's pool inside its tenant's, and a session of two streams::

        >>> from honeylink.scheduler import Admitted, Pool, Rejected, Request, StreamAsk, plan
        >>> path = [Pool("drone-7", "device", 100_000, 0), Pool("acme", "tenant", 200_000, 195_000)]
        >>> request = Request([StreamAsk("telemetry", "normal", 100), StreamAsk("video", "burst", 5_000)])
        >>> match plan(path, request):
        ...     case Admitted(headroom_kbps=headroom):
        ...         print("admitted, left:", headroom)
        ...     case Rejected(limiting_pool=pool, admissible_kbps=kbps, first_refused=index):
        ...         print(f"{pool.level} {pool.id}: {kbps} kbps, too few for {request.streams[index].name}")
        tenant acme: 5000 kbps, too few for video
"""

from honeylink._native import Admitted, Pool, Rejected, Request, StreamAsk, plan

__all__ = ["Admitted", "Pool", "Rejected", "Request", "StreamAsk", "plan"]
