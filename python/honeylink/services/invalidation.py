"""Cache invalidation: which cached values a change makes invalid, whichever process has made it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from honeylink.services.fresh_cache import FreshCache
    from honeylink.store.tokens import StoredToken


def invalidate(change: str | None, tokens: FreshCache[UUID, StoredToken], known_devices: FreshCache[Any, Any]) -> None:
    """Invalidate what has changed: a token, by its id; "pools" when a pool has; None when changes were missed.

    Other text is nobody's: any client that may connect to the database may notify.
    """
    match change:
        case None:
            tokens.invalidate_all()
            known_devices.invalidate_all()
        case "pools":
            known_devices.invalidate_all()
        case _:
            with suppress(ValueError):
                tokens.invalidate(UUID(change))
