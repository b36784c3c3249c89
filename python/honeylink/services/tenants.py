"""Tenants and their tokens: what an administrator does from the command line."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from honeylink.domain.access import SYSTEM_TENANT_ID, check_name, check_tenant_name
from honeylink.domain.audit import Category
from honeylink.domain.tokens import SECRET_BYTES, BearerToken
from honeylink.errors import Conflict, NotFound
from honeylink.services.audit import system_event
from honeylink.services.budget import within_budget
from honeylink.store import tenants as tenant_store
from honeylink.store import tokens as token_store

if TYPE_CHECKING:
    from uuid import UUID

    from honeylink.domain.access import Role, Tenant
    from honeylink.keys.keyring import Keyring
    from honeylink.store.database import Database


class Tenants:
    """All tenants. There is no caller: whoever can run this holds the database anyway."""

    def __init__(self, database: Database, keyring: Keyring, default_pool_kbps: int) -> None:
        self._database = database
        self._keyring = keyring
        self._default_pool_kbps = default_pool_kbps

    async def create_token(self, tenant: str, role: Role, name: str) -> BearerToken:
        """Make a token for a tenant, and the tenant itself if it is new. Only the token's hash is kept.

        Raises:
            ValidationFailed: a name that none can have.
            Conflict: a live token of the tenant has that name, or the tenant is the system's own.
        """
        check_name("tenant", tenant)
        check_name("name", name)
        with self._database.shared_budget():
            tenant_id = await self._ensure_tenant(tenant)
            token = BearerToken(tenant_id, uuid7(), secrets.token_bytes(SECRET_BYTES))
            details = {"name": name, "role": role.value, "token_id": str(token.token_id)}
            event = system_event(tenant_id, Category.TOKEN_CREATION, details)
            async with self._database.work() as work:
                if not await token_store.create_token(work, token, name, role, event):
                    raise Conflict(f"expected a new name, found a live token {name!r} of tenant {tenant!r}")
        return token

    async def revoke_token(self, tenant: str, name: str) -> None:
        """Revoke a token for good.

        Raises:
            NotFound: the tenant has no live token of that name.
        """
        check_name("tenant", tenant)
        check_name("name", name)
        async with self._database.work() as work:
            tenant_id = await tenant_store.find_tenant_id(work, tenant)
            if tenant_id is None:
                raise NotFound("tenant", tenant)
            event = system_event(tenant_id, Category.TOKEN_REVOCATION, {"name": name})
            if not await token_store.revoke_token(work, tenant_id, name, event):
                raise NotFound("live token", name)

    async def list(self) -> list[Tenant]:
        """All tenants but the system's own, by name."""
        async with self._database.work() as work:
            tenants = await tenant_store.list_tenants(work)
        return [tenant for tenant in tenants if tenant.tenant_id != SYSTEM_TENANT_ID]

    async def _ensure_tenant(self, name: str) -> UUID:
        async with self._database.work() as work:
            tenant_id = await tenant_store.find_tenant_id(work, name)
        if tenant_id is None:
            check_tenant_name(name)
            tenant_id = await self._create_tenant(name)
        if tenant_id == SYSTEM_TENANT_ID:
            raise Conflict(f"expected a tenant of your own, found {name!r}, which holds what belongs to no tenant")
        return tenant_id

    async def _create_tenant(self, name: str) -> UUID:
        candidate = uuid7()
        data_key = await within_budget(self._database, self._keyring.new_data_key(candidate, uuid7()))
        details = {"name": name, "pool_kbps": self._default_pool_kbps}
        event = system_event(candidate, Category.TENANT_CREATION, details)
        async with self._database.work() as work:
            await tenant_store.create_tenant(work, name, self._default_pool_kbps, data_key, event)
            tenant_id = await tenant_store.find_tenant_id(work, name)
        assert tenant_id is not None  # noqa: S101 - made here or by whoever was faster
        return tenant_id
