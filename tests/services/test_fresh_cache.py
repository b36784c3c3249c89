"""Values that are kept while the news of changes is fresh."""

from __future__ import annotations

from honeylink.services.fresh_cache import FreshCache


def test_keeps_what_is_put_in() -> None:
    cache: FreshCache[str, int] = FreshCache(lambda: True, 9)
    cache.put("a", 1, cache.generation)
    assert (cache.get("a"), cache.get("b")) == (1, None)


def test_counts_for_nothing_without_news() -> None:
    fresh = True
    cache: FreshCache[str, int] = FreshCache(lambda: fresh, 9)
    cache.put("a", 1, cache.generation)
    fresh = False
    assert cache.get("a") is None


def test_forgets_one_or_all() -> None:
    cache: FreshCache[str, int] = FreshCache(lambda: True, 9)
    for key in ("a", "b"):
        cache.put(key, 1, cache.generation)
    cache.drop("a")
    assert (cache.get("a"), cache.get("b")) == (None, 1)
    cache.clear()
    assert cache.get("b") is None


def test_takes_nothing_that_was_read_before_a_change() -> None:
    cache: FreshCache[str, int] = FreshCache(lambda: True, 9)
    for change in (cache.clear, lambda: cache.drop("a")):
        before = cache.generation
        change()
        cache.put("a", 1, before)
        assert cache.get("a") is None


def test_what_was_not_used_for_longest_goes_first() -> None:
    cache: FreshCache[str, int] = FreshCache(lambda: True, 2)
    for key in ("a", "b"):
        cache.put(key, 1, cache.generation)
    cache.get("a")
    cache.put("c", 1, cache.generation)
    assert [cache.get(key) for key in ("a", "b", "c")] == [1, None, 1]
