"""Cached tokens, and how soon a revocation counts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from honeylink.domain.access import Role
from honeylink.domain.tokens import BearerToken
from honeylink.errors import Unauthenticated
from honeylink.services.fresh_cache import FreshCache
from honeylink.services.invalidation import invalidate
from honeylink.services.runtime import open_services
from honeylink.store.changes import STALE_SECONDS
from honeylink.store.tokens import StoredToken
from tests.conftest import run_service

if TYPE_CHECKING:
    from collections.abc import Callable

    from honeylink.settings import Settings
    from tests.conftest import Service

TOKEN = StoredToken(uuid4(), "dash", Role.AUDITOR, None, bytes(32), revoked=False)


def test_another_tenant_s_name_on_a_token_is_no_token(service: Service) -> None:
    """A token names its tenant in the clear; what is cached counts for its own tenant only."""
    token = service.token(Role.AUDITOR)
    with service.client(token) as client:
        assert client.get("/devices").status_code == 200
    decoded = BearerToken.decode(token)
    assert decoded is not None
    other = BearerToken.decode(service.token(Role.AUDITOR, tenant="globex"))
    assert other is not None
    with service.client(replace(decoded, tenant_id=other.tenant_id).encode()) as client:
        assert client.get("/devices").status_code == 401


class TestInvalidation:
    def caches(self) -> tuple[FreshCache[UUID, StoredToken], FreshCache[str, int], UUID, UUID]:
        tokens: FreshCache[UUID, StoredToken] = FreshCache(lambda: True, 9)
        devices: FreshCache[str, int] = FreshCache(lambda: True, 9)
        first, second = uuid4(), uuid4()
        for token_id in (first, second):
            tokens.put(token_id, TOKEN, tokens.generation)
        devices.put("device", 1, devices.generation)
        return tokens, devices, first, second

    def test_of_a_token(self) -> None:
        tokens, devices, first, second = self.caches()
        invalidate(str(first), tokens, devices)
        assert (tokens.get(first), tokens.get(second), devices.get("device")) == (None, TOKEN, 1)

    def test_of_a_pool(self) -> None:
        tokens, devices, first, _ = self.caches()
        invalidate("pools", tokens, devices)
        assert (tokens.get(first), devices.get("device")) == (TOKEN, None)

    def test_of_everything_when_changes_were_missed(self) -> None:
        tokens, devices, first, second = self.caches()
        invalidate(None, tokens, devices)
        assert (tokens.get(first), tokens.get(second), devices.get("device")) == (None, None, None)

    @pytest.mark.parametrize("change", ["", "no token", "heartbeat", "0" * 31])
    def test_of_nothing_by_text_that_names_nothing(self, change: str) -> None:
        tokens, devices, first, _ = self.caches()
        before = tokens.generation, devices.generation
        invalidate(change, tokens, devices)
        assert (tokens.get(first), devices.get("device")) == (TOKEN, 1)
        assert (tokens.generation, devices.generation) == before


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
