"""Tokens that are kept, and how soon a revocation counts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from honeylink.domain.access import Role
from honeylink.errors import Unauthenticated
from honeylink.services.runtime import open_services
from honeylink.services.token_cache import TokenCache
from honeylink.store.changes import STALE_SECONDS
from honeylink.store.tokens import StoredToken
from tests.conftest import run_service

if TYPE_CHECKING:
    from collections.abc import Callable

    from honeylink.settings import Settings

TENANT, OTHER = uuid4(), uuid4()
TOKEN = StoredToken("dash", Role.AUDITOR, None, bytes(32), revoked=False)


class TestCache:
    def test_keeps_what_is_put_in(self) -> None:
        cache, token_id = TokenCache(lambda: True), uuid4()
        cache.put(TENANT, token_id, TOKEN, cache.generation)
        assert cache.get(TENANT, token_id) is TOKEN
        assert cache.get(OTHER, token_id) is None
        assert cache.get(TENANT, uuid4()) is None

    def test_counts_for_nothing_without_news(self) -> None:
        cache, token_id = TokenCache(lambda: False), uuid4()
        cache.put(TENANT, token_id, TOKEN, cache.generation)
        assert cache.get(TENANT, token_id) is None

    def test_forgets_one_or_all(self) -> None:
        cache, first, second = TokenCache(lambda: True), uuid4(), uuid4()
        for token_id in (first, second):
            cache.put(TENANT, token_id, TOKEN, cache.generation)
        cache.drop(str(first))
        assert (cache.get(TENANT, first), cache.get(TENANT, second)) == (None, TOKEN)
        cache.drop(None)
        assert cache.get(TENANT, second) is None

    @pytest.mark.parametrize("payload", ["", "no token", "beat", "0" * 31])
    def test_passes_over_what_names_no_token(self, payload: str) -> None:
        cache, token_id = TokenCache(lambda: True), uuid4()
        before = cache.generation
        cache.put(TENANT, token_id, TOKEN, before)
        cache.drop(payload)
        assert cache.get(TENANT, token_id) is TOKEN
        assert cache.generation == before

    def test_takes_nothing_that_was_read_before_a_revocation(self) -> None:
        cache, token_id = TokenCache(lambda: True), uuid4()
        before = cache.generation
        cache.drop(str(token_id))
        cache.put(TENANT, token_id, TOKEN, before)
        assert cache.get(TENANT, token_id) is None

    def test_holds_no_more_than_so_many(self) -> None:
        cache = TokenCache(lambda: True, max_tokens=2)
        ids = [uuid4() for _ in range(3)]
        for token_id in ids:
            cache.put(TENANT, token_id, TOKEN, cache.generation)
        assert [cache.get(TENANT, each) for each in ids] == [None, TOKEN, TOKEN]


def test_another_process_revokes(make_settings: Callable[..., Settings]) -> None:
    """A second set of services stands for the other process: they share nothing but the database."""
    settings = make_settings()
    with run_service(settings) as service:
        token = service.token(Role.AUDITOR)
        [name] = [row["name"] for row in service.fetch("SELECT name FROM tokens WHERE role = 'auditor'")]
        with service.client(token) as client:
            assert client.get("/devices").status_code == 200

        async def revoke() -> None:
            async with open_services(settings) as others:
                await others.tenants.revoke_token("acme", name)

        async def until_refused() -> float:
            loop = asyncio.get_running_loop()
            started = loop.time()
            while loop.time() - started < 10 * STALE_SECONDS:
                try:
                    await service.services.access.authenticate(f"Bearer {token}")
                except Unauthenticated:
                    return loop.time() - started
                await asyncio.sleep(0)
            raise AssertionError("the revoked token is still taken")

        service.loop.run(revoke())
        # The contract is a second; the bound leaves room for a machine that is busy.
        assert service.loop.run(until_refused()) < 3 * STALE_SECONDS
