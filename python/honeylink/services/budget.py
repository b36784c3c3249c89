"""The time of a request, as far as key providers spend it.

Only the database counts by itself what it takes of that time. A provider is asked while no connection is held, so a
slow one takes none from others; the group of sessions that waits for it is refused as a whole when its time is over.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from honeylink.keys.providers import KeyProviderError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from honeylink.store.database import Database

_T = TypeVar("_T")


async def within_budget(database: Database, answer: Awaitable[_T]) -> _T:
    """Wait for key providers, outside any unit of work and no longer than the request's units of work may still take.

    Raises:
        KeyProviderError: the time is over, or as the keyring says.
    """
    loop = asyncio.get_running_loop()
    started, seconds = loop.time(), max(database.remaining_seconds(), 0)
    try:
        async with asyncio.timeout(None) as limit:
            # An answer that is there at once, as a local provider's is, costs no timer.
            start = loop.call_soon(limit.reschedule, started + seconds)
            try:
                return await answer
            finally:
                start.cancel()
    except TimeoutError:
        raise KeyProviderError(f"expected an answer within {seconds:.3g} s, found none") from None
    finally:
        database.spend(loop.time() - started)
