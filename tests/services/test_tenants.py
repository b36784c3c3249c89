"""Tenants and their tokens."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import pytest

from honeylink.domain.access import SYSTEM_TENANT_ID, Role
from honeylink.errors import Conflict, NotFound

if TYPE_CHECKING:
    from honeylink.domain.tokens import BearerToken
    from tests.conftest import Service


def create(service: Service, tenant: str, name: str, role: Role = Role.AUDITOR) -> BearerToken:
    return service.loop.run(service.services.tenants.create_token(tenant, role, name))


def revoke(service: Service, tenant: str, name: str) -> None:
    service.loop.run(service.services.tenants.revoke_token(tenant, name))


def test_the_first_token_makes_the_tenant_with_a_pool_and_a_data_key(service: Service) -> None:
    token = create(service, "umbrella", "first")
    second = create(service, "umbrella", "second")
    assert token.tenant_id == second.tenant_id != SYSTEM_TENANT_ID
    [row] = service.fetch(
        "SELECT tenant.name, pool.pool_id, pool.capacity_kbps, pool.accepting, dek.provider"
        " FROM tenants AS tenant JOIN pools AS pool USING (tenant_id) JOIN data_keys AS dek USING (tenant_id)"
        " WHERE tenant.tenant_id = $1 AND pool.level = 1",
        token.tenant_id,
    )
    assert tuple(row) == ("umbrella", "umbrella", 10_000_000, True, "local")


def test_making_a_tenant_is_written_down_in_its_trail(service: Service) -> None:
    token = create(service, "cyberdyne", "first")
    events = service.fetch(
        "SELECT category, actor, outcome, details FROM audit_events WHERE tenant_id = $1 ORDER BY at", token.tenant_id
    )
    assert [(event["category"], event["actor"], event["outcome"]) for event in events] == [
        ("tenant-creation", "system", "success"),
        ("token-creation", "system", "success"),
    ]
    assert json.loads(events[0]["details"]) == {"name": "cyberdyne", "pool_kbps": 10_000_000}


def test_first_tokens_at_once_make_one_tenant(service: Service) -> None:
    async def at_once() -> list[BearerToken]:
        tenants = service.services.tenants
        return await asyncio.gather(*(tenants.create_token("massive", Role.ADMIN, f"t{n}") for n in range(8)))

    tokens = service.loop.run(at_once())
    assert len({token.tenant_id for token in tokens}) == 1
    assert len({token.token_id for token in tokens}) == 8
    tenant_id = tokens[0].tenant_id
    assert len(service.fetch("SELECT 1 FROM data_keys WHERE tenant_id = $1", tenant_id)) == 1
    made = "SELECT 1 FROM audit_events WHERE tenant_id = $1 AND category = 'tenant-creation'"
    assert len(service.fetch(made, tenant_id)) == 1


def test_a_live_token_keeps_its_name(service: Service) -> None:
    create(service, "acme", "dashboard")
    with pytest.raises(Conflict, match="found a live token 'dashboard' of tenant 'acme'"):
        create(service, "acme", "dashboard")
    create(service, "globex", "dashboard")
    revoke(service, "acme", "dashboard")
    create(service, "acme", "dashboard")


def test_a_revoked_token_is_dead_as_soon_as_the_change_is_known(service: Service) -> None:
    token = create(service, "acme", "leaving")
    with service.client(token.encode()) as client:
        assert client.get("/devices").status_code == 200
        revoke(service, "acme", "leaving")
        deadline = time.monotonic() + 20
        while client.get("/devices").status_code != 401:
            assert time.monotonic() < deadline


@pytest.mark.parametrize(("tenant", "name"), [("acme", "never-made"), ("never-made", "any")])
def test_revoking_what_is_not_there(service: Service, tenant: str, name: str) -> None:
    with pytest.raises(NotFound, match="'never-made' not found"):
        revoke(service, tenant, name)


def test_revoking_twice(service: Service) -> None:
    create(service, "acme", "once")
    revoke(service, "acme", "once")
    with pytest.raises(NotFound):
        revoke(service, "acme", "once")


def test_a_devices_token_is_not_revoked_by_name(service: Service) -> None:
    device = service.new_device()
    with pytest.raises(NotFound):
        revoke(service, "acme", f"device {device.device_id}")


def test_the_systems_tenant_has_no_tokens(service: Service) -> None:
    with pytest.raises(Conflict, match="expected a tenant of your own, found 'system'"):
        create(service, "system", "root")
    assert service.fetch("SELECT 1 FROM tokens WHERE tenant_id = $1", SYSTEM_TENANT_ID) == []
