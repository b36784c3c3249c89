"""Whom a session would cost something, as far as the caller may know."""

from __future__ import annotations

from uuid import UUID

import pytest

from honeylink.domain.access import Principal, Role
from honeylink.domain.admission import LiveSession
from honeylink.services.sessions import Victim

TENANT, OTHER_TENANT, SESSION = UUID(int=1), UUID(int=2), UUID(int=3)


def caller(tenant_id: UUID = TENANT, device_id: str | None = None) -> Principal:
    return Principal(tenant_id, UUID(int=9), "caller", Role.OPERATOR if device_id is None else Role.DEVICE, device_id)


@pytest.mark.parametrize(
    ("who", "known"),
    [
        (caller(), True),
        (caller(device_id="device-1"), True),
        (caller(device_id="device-2"), False),
        (caller(OTHER_TENANT), False),
        (caller(OTHER_TENANT, "device-1"), False),
    ],
    ids=["its tenant's operator", "its device", "another device", "another tenant", "a namesake of another tenant"],
)
def test_who_may_know_a_victim(who: Principal, known: bool) -> None:
    victim = Victim.seen_by(who, LiveSession(TENANT, SESSION, "device-1", (), (), 0, 0, 1), left_kbps=7)
    assert (victim.session_id, victim.device_id) == ((SESSION, "device-1") if known else (None, None))
    assert (victim.bandwidth_kbps, victim.left_kbps) == (0, 7)
