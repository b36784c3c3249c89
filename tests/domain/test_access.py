"""The policy as a whole: what each role may do, and that devices keep to themselves."""

from __future__ import annotations

from uuid import UUID

import pytest

from honeylink.domain.access import (
    SYSTEM_TENANT_ID,
    Permission,
    Principal,
    Role,
    authorize,
    check_name,
    check_tenant_name,
)
from honeylink.errors import Forbidden, ValidationFailed

POOLS = {Permission.READ_POOL, Permission.READ_POOLS}
READING = POOLS | {Permission.READ_DEVICE, Permission.LIST_DEVICES, Permission.READ_SESSION, Permission.READ_AUDIT}
SESSIONS = {Permission.OPEN_SESSION, Permission.READ_SESSION, Permission.END_SESSION}
MAY = {
    Role.ADMIN: READING | {Permission.CHANGE_DEVICE_POOL, Permission.CHANGE_TENANT_POOL},
    Role.AUDITOR: READING,
    Role.OPERATOR: SESSIONS
    | POOLS
    | {Permission.CHANGE_DEVICE_POOL}
    | {Permission.REGISTER_DEVICE, Permission.REVOKE_DEVICE, Permission.READ_DEVICE, Permission.LIST_DEVICES},
    Role.DEVICE: SESSIONS | {Permission.PAIR_DEVICE, Permission.READ_DEVICE, Permission.READ_POOL},
}


def principal(role: Role) -> Principal:
    return Principal(UUID(int=1), UUID(int=2), "name", role, "device-1" if role is Role.DEVICE else None)


@pytest.mark.parametrize("permission", Permission)
@pytest.mark.parametrize("role", Role)
def test_what_a_role_may_do(role: Role, permission: Permission) -> None:
    if permission in MAY[role]:
        authorize(principal(role), permission)
        authorize(principal(role), permission, "device-1")
    else:
        with pytest.raises(Forbidden, match=f"a token with role '{role.value}' may not {permission.value}"):
            authorize(principal(role), permission, "device-1")


@pytest.mark.parametrize("permission", sorted(MAY[Role.DEVICE]))
def test_a_device_acts_for_itself_only(permission: Permission) -> None:
    with pytest.raises(Forbidden, match="'device-1' may not act for device 'device-2'"):
        authorize(principal(Role.DEVICE), permission, "device-2")


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR, Role.OPERATOR])
def test_other_roles_act_for_any_device(role: Role) -> None:
    authorize(principal(role), Permission.READ_DEVICE, "device-2")


def test_how_the_trail_names_a_principal() -> None:
    assert principal(Role.DEVICE).actor == "device:device-1"
    assert principal(Role.OPERATOR).actor == "token:name"


def test_the_systems_tenant() -> None:
    assert str(SYSTEM_TENANT_ID) == "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    "name", ["", " acme", "a" * 65, "a\nb", "\x1b[31m", "\udcff", "a\u202eb", "a\u200bb", "a\u2028b"]
)
def test_names_that_none_can_have(name: str) -> None:
    with pytest.raises(ValidationFailed, match="tenant: expected 1 to 64 printable characters") as caught:
        check_name("tenant", name)
    assert [pointer for pointer, _ in caught.value.faults] == [""]


@pytest.mark.parametrize("name", ["a", "acme", "Acme & Söhne", "a" * 64])
def test_names(name: str) -> None:
    assert check_name("tenant", name) == name
    assert check_tenant_name(name) == name


@pytest.mark.parametrize("name", ["a/b", "/", "a\\b", ".", "..", "", "a\u2066b"])
def test_names_that_no_new_tenant_can_have(name: str) -> None:
    with pytest.raises(ValidationFailed, match="tenant: expected ") as caught:
        check_tenant_name(name)
    assert [pointer for pointer, _ in caught.value.faults] == [""]


@pytest.mark.parametrize("name", ["a/b", ".."])
def test_names_that_tenants_may_have_from_before(name: str) -> None:
    assert check_name("tenant", name) == name
