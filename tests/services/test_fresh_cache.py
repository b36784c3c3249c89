"""A cache that counts only while the feed of changes is current."""

from __future__ import annotations

from honeylink.services.fresh_cache import FreshCache


def test_keeps_what_is_put_in() -> None:
    cache: FreshCache[str, int] = FreshCache(lambda: True, 9)
    cache.put("a", 1, cache.generation)
    assert (cache.get("a"), cache.get("b")) == (1, None)


def test_counts_for_nothing_while_the_feed_is_not_current() -> None:
    is_current = True
    cache: FreshCache[str, int] = FreshCache(lambda: is_current, 9)
    cache.put("a", 1, cache.generation)
    is_current = False
    assert cache.get("a") is None


def test_invalidates_one_or_all() -> None:
    cache: FreshCache[str, int] = FreshCache(lambda: True, 9)
    for key in ("a", "b"):
        cache.put(key, 1, cache.generation)
    cache.invalidate("a")
    assert (cache.get("a"), cache.get("b")) == (None, 1)
    cache.invalidate_all()
    assert cache.get("b") is None


def test_takes_nothing_that_was_read_before_a_change() -> None:
    cache: FreshCache[str, int] = FreshCache(lambda: True, 9)
    for change in (cache.invalidate_all, lambda: cache.invalidate("a")):
        before = cache.generation
        change()
        cache.put("a", 1, before)
        assert cache.get("a") is None


def test_the_least_recently_used_is_evicted_first() -> None:
    cache: FreshCache[str, int] = FreshCache(lambda: True, 2)
    for key in ("a", "b"):
        cache.put(key, 1, cache.generation)
    cache.get("a")
    cache.put("c", 1, cache.generation)
    assert [cache.get(key) for key in ("a", "b", "c")] == [1, None, 1]
