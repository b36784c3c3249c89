"""Tokens that were found live, kept while the news of revocations is fresh."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable

    from honeylink.store.tokens import StoredToken

__all__ = ["TokenCache"]

# A few hundred bytes each. The one that was not used for longest goes first.
_MAX_TOKENS = 100_000


class TokenCache:
    """What the database said of tokens, as hashes; a token is compared with its hash at each use.

    Args:
        fresh: whether every revocation but the latest has been heard of; see `honeylink.store.changes`.
        max_tokens: how many are kept.
    """

    def __init__(self, fresh: Callable[[], bool], max_tokens: int = _MAX_TOKENS) -> None:
        self._fresh = fresh
        self._max_tokens = max_tokens
        self._tokens: OrderedDict[UUID, tuple[UUID, StoredToken]] = OrderedDict()
        self.generation = 0
        """Grows with each change. What was read before one may not be put in after it."""

    def get(self, tenant_id: UUID, token_id: UUID) -> StoredToken | None:
        """The token if it is known to be live."""
        entry = self._tokens.get(token_id)
        if entry is None or entry[0] != tenant_id or not self._fresh():
            return None
        self._tokens.move_to_end(token_id)
        return entry[1]

    def put(self, tenant_id: UUID, token_id: UUID, token: StoredToken, generation: int) -> None:
        """Keep a live token that was read when the cache was at `generation`."""
        if generation != self.generation:
            return
        self._tokens[token_id] = (tenant_id, token)
        if len(self._tokens) > self._max_tokens:
            self._tokens.popitem(last=False)

    def drop(self, token_id: str | None) -> None:
        """Forget a token that has been revoked; None forgets all, since news may have been missed.

        Other text names no token: whoever may connect to the database may notify.
        """
        try:
            named = None if token_id is None else UUID(token_id)
        except ValueError:
            return
        self.generation += 1
        if named is None:
            self._tokens.clear()
        else:
            self._tokens.pop(named, None)
