"""What changes devices, pools, sessions and tokens: operations as the service carries them out, to be raced in pairs.

A scene is a tenant of its own with a device in some state. An operation that changes something new belongs here:
`test_pairs.py` fails while a statement that writes or locks is run by none.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from uuid_utils.compat import uuid7

from honeylink.domain.access import Principal, Role
from honeylink.domain.admission import Charge
from honeylink.domain.devices import DeviceRegistration
from honeylink.domain.pools import Force, PoolChange
from honeylink.domain.sessions import Mode, Priority, SessionRequest, StreamRequest
from honeylink.services.pools import set_node_pool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from honeylink.domain.tokens import BearerToken
    from honeylink.services.devices import RegisteredDevice
    from honeylink.services.pending import OpenedSession
    from honeylink.services.runtime import Services

__all__ = ["OPERATIONS", "Operation", "Scene", "State"]

DEVICE = "device-subject"
DRAINING = "device-draining"
"""One that is revoked and still has a live session."""
SIBLING = "device-sibling"
NODE_KBPS = 5000
TOKEN = "dashboard"


class State(Enum):
    """Where the scene's device stands at first."""

    ABSENT = "absent"
    PENDING = "pending"
    PAIRED = "paired"


@dataclass
class Scene:
    """A tenant, its device, and what is known of them."""

    name: str
    tenant_id: UUID
    state: State
    device: RegisteredDevice | None = None
    session: OpenedSession | None = None
    tokens: list[BearerToken] = field(default_factory=list)
    """Those of the device, as they were given out."""

    def caller(self, role: Role = Role.OPERATOR, device_id: str | None = None) -> Principal:
        """Somebody of the tenant."""
        return Principal(self.tenant_id, uuid7(), role.value, role, device_id)


@dataclass(frozen=True)
class Operation:
    """Something that is done, of two at once number 1 or 2, and in which states of the device it is worth a try."""

    act: Callable[[Services, Scene, int], Awaitable[Any]]
    states: frozenset[State] = frozenset({State.PAIRED})

    @property
    def name(self) -> str:
        """As tests are called."""
        return self.act.__name__


def registration(device_id: str, pool_kbps: int | None) -> DeviceRegistration:
    return DeviceRegistration(device_id, bytes(range(32)), "1.0.0", (), {}, pool_kbps)


def request(device_id: str, kbps: int, min_kbps: int | None = None, **fields: int) -> SessionRequest:
    stream = StreamRequest("video", Mode.UNRELIABLE, Priority.BURST, kbps, min_bandwidth_kbps=min_kbps)
    return SessionRequest(device_id, (stream,), fields.pop("ttl_seconds", 3600), **fields)


def pool_change(capacity_kbps: int, **fields: Any) -> PoolChange:
    plain = {
        "charge": Charge.PAYLOAD,
        "guaranteed_kbps": None,
        "borrow_limit_kbps": None,
        "lend_limit_kbps": None,
        "preemption": True,
        "min_hold_ms": 0,
    }
    return PoolChange(capacity_kbps, **plain | fields)


async def register(services: Services, scene: Scene, number: int) -> RegisteredDevice:
    registered = await services.devices.register(scene.caller(), registration(DEVICE, 1000 + number))
    scene.tokens.append(registered.device_token)
    return registered


async def pair(services: Services, scene: Scene, _: int) -> object:
    assert scene.device is not None
    return await services.devices.pair(scene.caller(Role.DEVICE, DEVICE), DEVICE, scene.device.pairing_code)


async def revoke(services: Services, scene: Scene, _: int) -> object:
    return await services.devices.revoke(scene.caller(), DEVICE, "raced")


async def open_session(services: Services, scene: Scene, _: int) -> object:
    return await services.sessions.open(scene.caller(), request(DEVICE, 100))


async def open_together(services: Services, scene: Scene, _: int) -> object:
    """The first goes by itself, and the two that are pending meanwhile as a group."""
    opening = [services.sessions.open(scene.caller(), request(DEVICE, 40)) for _ in range(3)]
    outcomes = await asyncio.gather(*opening, return_exceptions=True)
    for failure in (each for each in outcomes if isinstance(each, BaseException)):
        raise failure
    return outcomes


async def preempt(services: Services, scene: Scene, _: int) -> object:
    """The device's pool has no room for this: it takes an end and a shrink of the two that are there."""
    stronger = request(DEVICE, 850, setup_priority=5, hold_priority=5)
    return await services.sessions.open(scene.caller(), stronger)


async def end_session(services: Services, scene: Scene, _: int) -> object:
    assert scene.session is not None
    return await services.sessions.end(scene.caller(), scene.session.session_id)


async def sweep(services: Services, _scene: Scene, _: int) -> int:
    return await services.expiry.sweep()


async def change_device_pool(services: Services, scene: Scene, number: int) -> object:
    change = pool_change(1000 + 10 * number, guaranteed_kbps=300 * number, lend_limit_kbps=100)
    return await services.pools.change_device_pool(scene.caller(), DEVICE, change)


async def shrink_device_pool(services: Services, scene: Scene, number: int) -> object:
    change = pool_change(700 - 100 * number, force=Force.SHRINK)
    return await services.pools.change_device_pool(scene.caller(), DEVICE, change)


async def change_tenant_pool(services: Services, scene: Scene, number: int) -> object:
    """Number 2 and a node of 5 000 can't both be."""
    change = pool_change(9000 + number, guaranteed_kbps=3000 * number)
    return await services.pools.change_tenant_pool(scene.caller(Role.ADMIN), scene.name, change)


async def change_node_pool(services: Services, _scene: Scene, number: int) -> None:
    await set_node_pool(services.database, pool_change(NODE_KBPS + number, force=Force.DRAIN))


async def make_node_pool(services: Services, _scene: Scene, number: int) -> None:
    await set_node_pool(services.database, pool_change(NODE_KBPS + 10 * number, force=Force.DRAIN))


async def create_tenant(services: Services, scene: Scene, number: int) -> object:
    return await services.tenants.create_token(f"{scene.name}-new", Role.ADMIN, f"first-{number}")


async def create_token(services: Services, scene: Scene, _: int) -> object:
    return await services.tenants.create_token(scene.name, Role.OPERATOR, TOKEN)


async def revoke_token(services: Services, scene: Scene, _: int) -> None:
    await services.tenants.revoke_token(scene.name, TOKEN)


OPERATIONS = (
    Operation(register, frozenset({State.ABSENT, State.PENDING})),
    Operation(pair, frozenset({State.PENDING})),
    Operation(revoke, frozenset(State)),
    Operation(open_session),
    Operation(open_together),
    Operation(preempt),
    Operation(end_session),
    Operation(sweep),
    Operation(change_device_pool, frozenset({State.PENDING, State.PAIRED})),
    Operation(shrink_device_pool),
    Operation(change_tenant_pool, frozenset({State.PENDING, State.PAIRED})),
    Operation(change_node_pool, frozenset(State)),
    Operation(make_node_pool, frozenset(State)),
    Operation(create_tenant, frozenset({State.ABSENT})),
    Operation(create_token, frozenset({State.ABSENT})),
    Operation(revoke_token, frozenset({State.ABSENT})),
)
