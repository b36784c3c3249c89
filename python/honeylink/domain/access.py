"""Who may do what.

A token carries one role and belongs to one tenant; a device's token also carries its device. The two tables below are
the whole policy: what a role may do, and what a device may do only to itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from honeylink.domain.text import unfit_for_name
from honeylink.errors import Forbidden, ValidationFailed

if TYPE_CHECKING:
    from datetime import datetime

SYSTEM_TENANT_ID = UUID(int=0)
"""Owner of what belongs to no tenant: the node pool, and refused attempts that name none."""


_NAME_MAX = 64


class Role(StrEnum):
    """What a token is for."""

    ADMIN = "admin"
    OPERATOR = "operator"
    DEVICE = "device"
    AUDITOR = "auditor"


class Permission(StrEnum):
    """One kind of action on the API."""

    REGISTER_DEVICE = "register devices"
    PAIR_DEVICE = "pair a device"
    REVOKE_DEVICE = "revoke devices"
    READ_DEVICE = "read a device"
    LIST_DEVICES = "list devices"
    OPEN_SESSION = "open sessions"
    READ_SESSION = "read sessions"
    END_SESSION = "end sessions"
    READ_POOL = "read a device's pool"
    READ_POOLS = "read the tenant's pools"
    CHANGE_DEVICE_POOL = "change devices' pools"
    CHANGE_TENANT_POOL = "change the tenant's pool"
    READ_AUDIT = "read the audit trail"


_READING = frozenset(
    {
        Permission.READ_DEVICE,
        Permission.LIST_DEVICES,
        Permission.READ_SESSION,
        Permission.READ_POOL,
        Permission.READ_POOLS,
        Permission.READ_AUDIT,
    },
)

_ALLOWED: dict[Role, frozenset[Permission]] = {
    # An admin makes tenants and tokens (by the command line); over the API it reads, and says what the tenant may have.
    Role.ADMIN: _READING | {Permission.CHANGE_DEVICE_POOL, Permission.CHANGE_TENANT_POOL},
    Role.AUDITOR: _READING,
    Role.OPERATOR: frozenset(
        {
            Permission.REGISTER_DEVICE,
            Permission.REVOKE_DEVICE,
            Permission.READ_DEVICE,
            Permission.LIST_DEVICES,
            Permission.OPEN_SESSION,
            Permission.READ_SESSION,
            Permission.END_SESSION,
            Permission.READ_POOL,
            Permission.READ_POOLS,
            Permission.CHANGE_DEVICE_POOL,
        },
    ),
    # Each of these for its own device only.
    Role.DEVICE: frozenset(
        {
            Permission.PAIR_DEVICE,
            Permission.READ_DEVICE,
            Permission.OPEN_SESSION,
            Permission.READ_SESSION,
            Permission.END_SESSION,
            Permission.READ_POOL,
        },
    ),
}


@dataclass(frozen=True, slots=True)
class Tenant:
    """An owner of devices, pools and tokens."""

    tenant_id: UUID
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a verified token."""

    tenant_id: UUID
    token_id: UUID
    name: str
    role: Role
    device_id: str | None = None

    @property
    def actor(self) -> str:
        """How the audit trail names this principal: `device:{id}` or `token:{name}`."""
        return f"device:{self.device_id}" if self.device_id is not None else f"token:{self.name}"


def check_name(kind: str, name: str) -> str:
    """A name of a tenant or a token, which the audit trail and tables of the command line show as it is.

    Example:
        >>> check_name("tenant", "acme")
        'acme'
    """
    if not 0 < len(name) <= _NAME_MAX or name != name.strip() or unfit_for_name(name) is not None:
        raise ValidationFailed([("", f"{kind}: expected 1 to {_NAME_MAX} printable characters, found {name!r:.80}")])
    return name


def check_tenant_name(name: str) -> str:
    """The name of a tenant that is to be made. It is one step of a path: `/tenants/acme/pool`.

    An escaped slash would not do: clients, proxies and servers read `%2F` as `/`.

    Example:
        >>> check_tenant_name("Acme & Söhne")
        'Acme & Söhne'
    """
    if not {"/", "\\"}.isdisjoint(name) or name in {".", ".."}:
        raise ValidationFailed([("", f"tenant: expected a name that can be a step of a path, found {name!r:.80}")])
    return check_name("tenant", name)


def authorize(principal: Principal, permission: Permission, device_id: str | None = None) -> None:
    """Let `principal` use `permission`, on `device_id` where the action names a device.

    Example:
        >>> from uuid import UUID
        >>> tenant = token = UUID(int=1)
        >>> authorize(Principal(tenant, token, "dash", Role.AUDITOR), Permission.OPEN_SESSION)
        Traceback (most recent call last):
        honeylink.errors.Forbidden: a token with role 'auditor' may not open sessions
    """
    if permission not in _ALLOWED[principal.role]:
        raise Forbidden(f"a token with role {principal.role.value!r} may not {permission.value}")
    if principal.role is Role.DEVICE and device_id is not None and device_id != principal.device_id:
        raise Forbidden(f"the token of device {principal.device_id!r} may not act for device {device_id!r}")
