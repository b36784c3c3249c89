"""The connections of a service that are open."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

from honeylink.api.connection.protocol import Connection
from tests.api.peer import (
    PATIENCE_SECONDS,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Service


def connections(service: Service) -> list[Connection]:
    """Those of the service that are open."""

    async def find() -> list[Connection]:
        return connections_here(service)

    return service.loop.run(find())


def connections_here(service: Service) -> list[Connection]:
    """The same, called in the service's loop."""
    port = int(service.url.rpartition(":")[2])
    found = [each for each in gc.get_objects() if type(each) is Connection and hasattr(each, "_flow")]
    return [each for each in found if each._addresses[0] == ("127.0.0.1", port)]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
