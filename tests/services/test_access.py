"""Who a token is, who is turned away, and what of that is written down."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from honeylink.domain.access import Permission, Principal, Role
from honeylink.domain.tokens import BearerToken
from honeylink.errors import Forbidden, NotFound, RateLimited, Unauthenticated
from tests.conftest import run_service

if TYPE_CHECKING:
    from collections.abc import Callable

    from honeylink.settings import Settings
    from tests.conftest import Service


def authenticate(service: Service, header: str) -> Principal:
    return service.loop.run(service.services.access.authenticate(header))


def made(service: Service, role: Role = Role.AUDITOR, tenant: str = "acme", name: str | None = None) -> BearerToken:
    name = name or f"token-{secrets.token_hex(4)}"
    return service.loop.run(service.services.tenants.create_token(tenant, role, name))


def refusals(service: Service, token_id: UUID) -> list[dict[str, Any]]:
    rows = service.fetch(
        "SELECT tenant_id, category, actor, device_id, outcome, trace_id FROM audit_events"
        " WHERE category = 'access-denied' AND details ->> 'token_id' = $1",
        str(token_id),
    )
    return [dict(row) for row in rows]


def test_a_principal_is_what_its_token_was_made_for(service: Service) -> None:
    token = made(service, Role.OPERATOR, name="dashboard")
    expected = Principal(token.tenant_id, token.token_id, "dashboard", Role.OPERATOR, None)
    for _ in range(2):  # the first from the database, the second from memory
        assert authenticate(service, f"Bearer {token.encode()}") == expected
    assert authenticate(service, f"bEARER  {token.encode()} ") == expected


def test_a_devices_token_names_its_device(service: Service) -> None:
    device = service.new_device()
    principal = authenticate(service, f"Bearer {device.token}")
    assert (principal.role, principal.device_id) == (Role.DEVICE, device.device_id)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic", "bearer\t", "Bearer" + "x"])
def test_a_header_without_a_token(service: Service, header: str) -> None:
    with pytest.raises(Unauthenticated, match="expected a header `Authorization: Bearer <token>`"):
        authenticate(service, header)


@pytest.mark.parametrize("scheme", ["Basic", "Token", "", "Bearerx"])
def test_a_live_token_of_another_scheme_is_refused(service: Service, scheme: str) -> None:
    with pytest.raises(Unauthenticated, match="expected a header `Authorization: Bearer <token>`"):
        authenticate(service, f"{scheme} {made(service).encode()}")


def test_other_text_than_a_token(service: Service) -> None:
    with pytest.raises(Unauthenticated, match="expected a token as HoneyLink gave it out, found other text"):
        authenticate(service, f"Bearer {made(service).encode()[:-1]}")


def test_a_token_with_another_secret_is_refused_and_recorded(service: Service) -> None:
    token = made(service)
    guess = BearerToken(token.tenant_id, token.token_id, bytes(32))
    for known in (False, True):
        if known:
            authenticate(service, f"Bearer {token.encode()}")
        with pytest.raises(Unauthenticated, match="expected a live token, found one that is unknown or revoked"):
            authenticate(service, f"Bearer {guess.encode()}")
    written = refusals(service, token.token_id)
    assert [
        (each["tenant_id"], each["category"], each["actor"], each["device_id"], each["outcome"]) for each in written
    ] == [(token.tenant_id, "access-denied", "unauthenticated", None, "refused")] * 2
    assert all(len(each["trace_id"]) == 32 for each in written)
    assert authenticate(service, f"Bearer {token.encode()}").token_id == token.token_id


def test_a_token_that_was_never_made_is_recorded_where_its_tenant_is_real(service: Service) -> None:
    real = BearerToken(made(service).tenant_id, uuid4(), bytes(32))
    unreal = BearerToken(uuid4(), uuid4(), bytes(32))
    for token in (real, unreal):
        with pytest.raises(Unauthenticated, match="unknown or revoked"):
            authenticate(service, f"Bearer {token.encode()}")
    assert [len(refusals(service, each.token_id)) for each in (real, unreal)] == [1, 0]


def test_a_token_in_the_name_of_another_tenant_is_refused(service: Service) -> None:
    token, other = made(service), made(service, tenant="other")
    authenticate(service, f"Bearer {token.encode()}")
    with pytest.raises(Unauthenticated, match="unknown or revoked"):
        authenticate(service, f"Bearer {BearerToken(other.tenant_id, token.token_id, token.secret).encode()}")
    assert authenticate(service, f"Bearer {token.encode()}").tenant_id == token.tenant_id


def test_a_revoked_token_is_refused_and_not_kept_in_memory(service: Service) -> None:
    token = made(service)
    service.fetch("UPDATE tokens SET revoked_at = now() WHERE token_id = $1", token.token_id)
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="unknown or revoked"):
            authenticate(service, f"Bearer {token.encode()}")
    service.fetch("UPDATE tokens SET revoked_at = NULL WHERE token_id = $1", token.token_id)
    assert authenticate(service, f"Bearer {token.encode()}").token_id == token.token_id


def test_a_live_token_is_read_once(service: Service) -> None:
    token = made(service, name="as it was")
    authenticate(service, f"Bearer {token.encode()}")
    # Nobody says so, as the change of a name is none that the service makes.
    service.fetch("ALTER TABLE tokens DISABLE TRIGGER USER")
    service.fetch("UPDATE tokens SET name = 'as it is' WHERE token_id = $1", token.token_id)
    assert authenticate(service, f"Bearer {token.encode()}").name == "as it was"
    service.fetch("ALTER TABLE tokens ENABLE TRIGGER USER")


def test_a_token_has_a_rate_and_so_has_guessing(make_settings: Callable[..., Settings]) -> None:
    with run_service(make_settings(rate_limit_per_second=2)) as service:
        token, other = made(service), made(service)
        for _ in range(2):
            authenticate(service, f"Bearer {token.encode()}")
        with pytest.raises(RateLimited):
            authenticate(service, f"Bearer {token.encode()}")
        authenticate(service, f"Bearer {other.encode()}")
        guess = BearerToken(token.tenant_id, uuid4(), bytes(32))
        for _ in range(40):
            with pytest.raises(Unauthenticated):
                authenticate(service, f"Bearer {guess.encode()}")
        assert 10 <= len(refusals(service, guess.token_id)) < 40


def denials(service: Service, actor: str) -> list[dict[str, Any]]:
    rows = service.fetch("SELECT * FROM audit_events WHERE category = 'access-denied' AND actor = $1", actor)
    return [dict(row) for row in rows]


def test_who_may_is_let_through_and_nothing_is_written(service: Service) -> None:
    token = made(service, name="reader")
    principal = Principal(token.tenant_id, token.token_id, "reader", Role.AUDITOR, None)
    service.loop.run(service.services.access.require(principal, Permission.READ_DEVICE, "device-1"))
    assert not denials(service, "token:reader")


def test_who_may_not_is_refused_and_that_is_written(service: Service) -> None:
    token = made(service)
    principal = Principal(token.tenant_id, token.token_id, "writer", Role.AUDITOR, None)
    with pytest.raises(Forbidden, match="a token with role 'auditor' may not open sessions"):
        service.loop.run(service.services.access.require(principal, Permission.OPEN_SESSION, "device-1"))
    [event] = denials(service, "token:writer")
    assert (event["tenant_id"], event["device_id"], event["outcome"]) == (token.tenant_id, "device-1", "refused")
    assert json.loads(event["details"])["message"] == "a token with role 'auditor' may not open sessions"
    assert '"permission": "open sessions"' in event["details"]


@pytest.mark.parametrize(("reached_for", "written"), [(None, "device-own"), ("device-other", "device-other")])
def test_what_a_device_reached_for_is_written(service: Service, reached_for: str | None, written: str) -> None:
    token = made(service)
    principal = Principal(token.tenant_id, token.token_id, "device", Role.DEVICE, "device-own")
    before = len(denials(service, "device:device-own"))
    refusal = NotFound("session", "some-session")
    service.loop.run(service.services.access.record_denied(principal, Permission.END_SESSION, reached_for, refusal))
    event = denials(service, "device:device-own")[before]
    assert event["device_id"] == written
    assert str(refusal) in event["details"]
