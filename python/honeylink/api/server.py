"""uvicorn's server around the services, with the protocol class of `honeylink.api.connection.protocol`."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

import uvicorn

from honeylink.api.app import create_app
from honeylink.api.connection.load_shedding import LoadShedding
from honeylink.api.connection.protocol import Connection

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from honeylink.api.operations.exposition import Exposition
    from honeylink.services.runtime import Services
    from honeylink.settings import Settings


class Server(uvicorn.Server):
    """uvicorn's server for the open services, which leaves signals to the process that runs it.

    Its own handling raises the signal again after the last request, which would end the process before the database has
    been shut down.
    """

    def __init__(self, settings: Settings, services: Services, exposition: Exposition | None = None) -> None:
        app = create_app(settings, services, exposition)
        load_shedding = LoadShedding(app, services.gate, services.access.recognize)
        config = uvicorn.Config(
            load_shedding,
            http=cast("type[asyncio.Protocol]", partial(Connection, settings, load_shedding)),
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=settings.drain_timeout_seconds,
        )
        super().__init__(config)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them."""
        yield
