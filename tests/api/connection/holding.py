"""What holds up the service: locks, and as many sessions in progress as may be."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

import asyncpg

from honeylink.services.load_shedding.states import Event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from tests.conftest import Service


@contextmanager
def holding(service: Service, lock: str) -> Iterator[None]:
    """Hold what a statement locks."""

    async def hold() -> asyncpg.Connection[asyncpg.Record]:
        connection = await asyncpg.connect(service.dsn)
        await connection.execute(f"BEGIN; {lock}")
        return connection

    connection = service.loop.run(hold())
    try:
        yield
    finally:
        service.loop.run(connection.close())


def no_session_opens(service: Service) -> AbstractContextManager[None]:
    """What is to be opened waits in the database, for the tenants' pools."""
    return holding(service, "SELECT 1 FROM pools WHERE level = 1 FOR UPDATE")


@contextmanager
def full(service: Service) -> Iterator[None]:
    """As many sessions are in progress as may be, and the database is at rest."""
    gate = service.services.gate
    requests = [gate.arrive() for _ in range(service.settings.max_opening_sessions)]

    async def fill() -> None:
        for each in requests:
            each.move(Event.COMPLETE)
            gate.open(each, asyncio.get_running_loop().time())

    async def leave() -> None:
        for each in requests:
            each.move(Event.ABANDON)

    service.loop.run(fill())
    try:
        yield
    finally:
        service.loop.run(leave())
