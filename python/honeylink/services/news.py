"""What a change that another process tells of makes this one forget."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from honeylink.services.fresh_cache import FreshCache
    from honeylink.store.tokens import StoredToken

__all__ = ["forget"]


def forget(change: str | None, tokens: FreshCache[UUID, StoredToken], known_devices: FreshCache[Any, Any]) -> None:
    """Forget what has changed: a token by its id, "pools" when one of them has, None when news was missed.

    Other text is nobody's: whoever may connect to the database may notify.
    """
    match change:
        case None:
            tokens.clear()
            known_devices.clear()
        case "pools":
            known_devices.clear()
        case _:
            with suppress(ValueError):
                tokens.drop(UUID(change))
