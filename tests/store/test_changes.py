"""The feed of changes: how long it is current, and what the listener outlives."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg

from honeylink.services.fresh_cache import FreshCache
from honeylink.services.invalidation import invalidate
from honeylink.store.changes import STALE_SECONDS, Changes
from honeylink.store.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import pytest

    from honeylink.store.tokens import StoredToken
    from tests.conftest import LoopThread


async def eventually(condition: Callable[[], object]) -> None:
    """Return once `condition` holds; fail if it does not within some seconds."""
    async with asyncio.timeout(10 * STALE_SECONDS):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0)


@asynccontextmanager
async def listening(
    dsn: str, on_change: Callable[[str | None], None], *, listener_dsn: str | None = None
) -> AsyncIterator[tuple[Changes, Database]]:
    """Changes of a database that are listened for until the block ends."""
    database = Database(dsn)
    await database.open()
    changes = Changes(database, listener_dsn or dsn, on_change)
    assert not changes.is_current()
    task = asyncio.create_task(changes.run())
    try:
        yield changes, database
    finally:
        task.cancel()
        await asyncio.wait([task])
        await database.close()


async def notify(database: Database, payload: str) -> None:
    async with database.work() as work:
        await work.fetchrow("notify", channel="honeylink_changes", payload=payload)


def test_the_feed_is_current_only_while_heartbeats_arrive(loop: LoopThread, new_database: Callable[[], str]) -> None:
    received: list[str | None] = []
    token_id = str(uuid4())

    async def run() -> None:
        async with listening(new, received.append) as (changes, database):
            await eventually(changes.is_current)
            # What was cached before the first connection is invalidated before any of it counts.
            assert received == [None]
            await notify(database, token_id)
            await eventually(lambda: token_id in received)
        await eventually(lambda: not changes.is_current())
        assert received[-1] is None

    new = new_database()
    loop.run(run())


def test_unknown_text_on_the_channel_is_passed_over(loop: LoopThread, new_database: Callable[[], str]) -> None:
    received: list[str | None] = []
    faults: list[dict[str, Any]] = []
    tokens: FreshCache[UUID, StoredToken] = FreshCache(lambda: True, 9)
    devices: FreshCache[str, int] = FreshCache(lambda: True, 9)

    def on_change(change: str | None) -> None:
        invalidate(change, tokens, devices)
        received.append(change)

    async def run() -> None:
        running = asyncio.get_running_loop()
        running.set_exception_handler(lambda _, context: faults.append(context))
        try:
            async with listening(new, on_change) as (changes, database):
                await eventually(changes.is_current)
                for payload in ("no token", "heartbeat of another", "", "last"):
                    await notify(database, payload)
                await eventually(lambda: "last" in received)
        finally:
            running.set_exception_handler(None)

    new = new_database()
    loop.run(run())
    assert received == [None, "no token", "", "last", None]
    assert faults == []


def test_the_listener_waits_for_a_primary(
    loop: LoopThread, new_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that takes no writes for a while stands for a primary that is away: the driver refuses both alike."""
    new = new_database()
    name = new.partition("?")[0].rpartition("/")[2]
    refusals: list[asyncpg.InternalClientError] = []
    connect = asyncpg.connect

    async def watched(*arguments: Any, **fields: Any) -> object:
        try:
            return await connect(*arguments, **fields)
        except asyncpg.InternalClientError as error:
            refusals.append(error)
            raise

    async def run() -> None:
        owner = await connect(new)
        try:
            await owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            separator = "&" if "?" in new else "?"
            primary = f"{new}{separator}target_session_attrs=read-write"
            async with listening(new, lambda _: None, listener_dsn=primary) as (changes, _):
                await eventually(lambda: refusals)
                await owner.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
                await eventually(changes.is_current)
        finally:
            await owner.close()

    monkeypatch.setattr(asyncpg, "connect", watched)
    loop.run(run())
