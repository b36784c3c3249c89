"""What the database said, kept while the news of changes is fresh."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FreshCache"]

K = TypeVar("K")
V = TypeVar("V")


class FreshCache(Generic[K, V]):
    """Keeps some values; the one that was not used for longest goes first.

    Args:
        fresh: whether all news but the latest has been heard; see `honeylink.store.changes`.
        max_entries: how many are kept.
    """

    def __init__(self, fresh: Callable[[], bool], max_entries: int) -> None:
        self._fresh = fresh
        self._max_entries = max_entries
        self._entries: OrderedDict[K, V] = OrderedDict()
        self.generation = 0
        """Grows with each change. What was read before one may not be put in after it."""

    def get(self, key: K) -> V | None:
        """The value, if it is kept and can still be believed."""
        value = self._entries.get(key)
        if value is None or not self._fresh():
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V, generation: int) -> None:
        """Keep a value that was read when the cache was at `generation`."""
        if generation != self.generation:
            return
        self._entries[key] = value
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def drop(self, key: K) -> None:
        """Forget a value that has changed."""
        self.generation += 1
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self.generation += 1
        self._entries.clear()
