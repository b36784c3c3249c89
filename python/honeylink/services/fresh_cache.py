"""A cache of what the database said, which counts only while the feed of changes is current."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

K = TypeVar("K")
V = TypeVar("V")


class FreshCache(Generic[K, V]):
    """A bounded cache; the least recently used entry is evicted first. Nothing is found in it unless `is_current()`."""

    def __init__(self, is_current: Callable[[], bool], max_entries: int) -> None:
        self._is_current = is_current
        self._max_entries = max_entries
        self._entries: OrderedDict[K, V] = OrderedDict()
        self.generation = 0
        """Grows with each invalidation. What was read before one may not be put in after it."""

    def get(self, key: K) -> V | None:
        """The value, if it is cached and the feed is current."""
        value = self._entries.get(key)
        if value is None or not self._is_current():
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: K, value: V, generation: int) -> None:
        """Cache a value that was read when the cache was at `generation`."""
        if generation != self.generation:
            return
        self._entries[key] = value
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def invalidate(self, key: K) -> None:
        """Remove a value that has changed."""
        self.generation += 1
        self._entries.pop(key, None)

    def invalidate_all(self) -> None:
        """Remove every value."""
        self.generation += 1
        self._entries.clear()
