"""Locks that hold up the service's statements."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import asyncpg

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
