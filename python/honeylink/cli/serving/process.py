"""One serving process: the services, what runs beside the requests, and the server."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import structlog

from honeylink.api.server import Server
from honeylink.cli.serving.listener import several
from honeylink.cli.serving.stopping import Stopping
from honeylink.services.runtime import open_services, set_up_node_pool

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine

    from honeylink.api.operations.exposition import Exposition
    from honeylink.services.runtime import Services
    from honeylink.settings import Settings

_log = structlog.get_logger(__name__)

# They end where they stand once they are cancelled. One that does not is left behind.
_CANCELLED_SECONDS_MAX = 1


async def serve(
    settings: Settings,
    listener: socket.socket,
    meanwhile: Callable[[Services], Coroutine[None, None, None]] | None = None,
    exposition: Exposition | None = None,
) -> None:
    """Open the services and serve them on `listener` until SIGINT or SIGTERM, then finish what is in flight.

    `meanwhile` runs beside the server, which stops when it ends.
    """
    async with open_services(settings) as services:
        await set_up_node_pool(services, settings)
        server = Server(settings, services, exposition)
        # A collection that walks all there is holds up every request at hand. What is here at the start stays, what is
        # kept later goes by reference counts, and cycles, which errors make, are found while they are young.
        gc.collect()
        gc.freeze()
        gc.set_threshold(5_000, 10, 1_000)

        def stop() -> None:
            server.should_exit = True

        stopping = Stopping(settings.shutdown_timeout_seconds, stop)
        background = {
            asyncio.create_task(services.expiry.run(), name="expiry"),
            asyncio.create_task(services.changes.run(), name="changes"),
        }
        serving = asyncio.create_task(server.serve(several(listener)), name="server")
        host, port = listener.getsockname()[:2]
        _log.info("serving", host=host, port=port)
        if meanwhile is not None:
            background.add(asyncio.create_task(meanwhile(services), name="meanwhile"))
        done, _ = await asyncio.wait({serving, *background}, return_when=asyncio.FIRST_COMPLETED)
        stopping.begin()
        await serving
        await _cancel(background)
    for task in done - {serving}:
        task.result()


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    _, left = await asyncio.wait(tasks, timeout=_CANCELLED_SECONDS_MAX)
    if left:
        _log.error("shutdown.left_behind", tasks=sorted(task.get_name() for task in left))
