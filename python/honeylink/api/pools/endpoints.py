"""`/pools`, and the pools of tenants and devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeylink.api.http.endpoint import Answer, Endpoint
from honeylink.api.http.pages import PageQuery, answer_page
from honeylink.api.pools.answers import PoolAnswer, PoolPage
from honeylink.api.pools.requests import PoolBody

if TYPE_CHECKING:
    from honeylink.api.http.endpoint import Call


async def list_pools(call: Call) -> Answer:
    """List the tenant's pools and the one that all tenants share, newest first."""
    page = await call.services.pools.list(call.caller, call.input.cursor, call.input.limit)
    return await answer_page(page, PoolAnswer.of)


async def get_tenant_pool(call: Call) -> Answer:
    """Read the pool of a tenant, by its name or its id."""
    return Answer(PoolAnswer.of(await call.services.pools.get_tenant_pool(call.caller, call.path["tenant"])))


async def change_tenant_pool(call: Call) -> Answer:
    """Say what a tenant's pool shall be from now on."""
    change = call.input.to_domain()
    return Answer(PoolAnswer.of(await call.services.pools.change_tenant_pool(call.caller, call.path["tenant"], change)))


async def get_device_pool(call: Call) -> Answer:
    """Read the pool of a device."""
    return Answer(PoolAnswer.of(await call.services.pools.get_device_pool(call.caller, call.path["device_id"])))


async def change_device_pool(call: Call) -> Answer:
    """Say what a device's pool shall be from now on."""
    change, device_id = call.input.to_domain(), call.path["device_id"]
    return Answer(PoolAnswer.of(await call.services.pools.change_device_pool(call.caller, device_id, change)))


_MISSING = ("ERR_NOT_FOUND",)
_CHANGING = (*_MISSING, "ERR_CONFLICT")
_TENANT, _DEVICE = "/tenants/{tenant}/pool", "/devices/{device_id}/pool"

ENDPOINTS = (
    Endpoint("GET", "/pools", "List pools", list_pools, PoolPage, query=PageQuery),
    Endpoint("GET", _TENANT, "Read a tenant's pool", get_tenant_pool, PoolAnswer, errors=_MISSING),
    Endpoint("PUT", _TENANT, "Change a tenant's pool", change_tenant_pool, PoolAnswer, body=PoolBody, errors=_CHANGING),
    Endpoint("GET", _DEVICE, "Read a device's pool", get_device_pool, PoolAnswer, errors=_MISSING),
    Endpoint("PUT", _DEVICE, "Change a device's pool", change_device_pool, PoolAnswer, body=PoolBody, errors=_CHANGING),
)
