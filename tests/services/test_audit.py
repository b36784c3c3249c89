"""Reading the trail, and the events that are written to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest

from honeylink.domain.access import Permission, Principal, Role
from honeylink.domain.audit import AuditFilter, AuditRecord, Category, Outcome
from honeylink.errors import DependencyUnavailable, Forbidden, NotFound, ValidationFailed
from honeylink.services.audit import event_by

if TYPE_CHECKING:
    from uuid import UUID

    from honeylink.domain.paging import Page
    from tests.conftest import Service


@pytest.fixture
def auditor(service: Service) -> Principal:
    token = service.token(Role.AUDITOR)
    return service.loop.run(service.services.access.authenticate(f"Bearer {token}"))


def page(
    service: Service, caller: Principal, cursor: str | None = None, limit: int = 2, **matching: object
) -> Page[AuditRecord]:
    wanted = replace(AuditFilter(), **matching)  # type: ignore[arg-type]
    return service.loop.run(service.services.audit.list(caller, wanted, cursor, limit))


def write(service: Service, caller: Principal, device_id: str, count: int) -> None:
    for _ in range(count):
        refusal = NotFound("session", "x")
        service.loop.run(
            service.services.access.record_denied(caller, Permission.END_SESSION, device_id, refusal),
        )


@pytest.mark.parametrize("written", [1, 2, 3, 4, 5])
def test_pages_are_as_long_as_asked_for_and_the_last_has_no_next(
    service: Service, auditor: Principal, written: int
) -> None:
    device_id = f"device-{written}"
    write(service, auditor, device_id, written)
    seen: list[UUID] = []
    cursor, lengths = None, []
    while True:
        got = page(service, auditor, cursor, device_id=device_id)
        seen += [record.event_id for record in got.items]
        lengths.append(len(got.items))
        cursor = got.next_cursor
        if cursor is None:
            break
    assert lengths == [2] * (written // 2) + [1] * (written % 2)
    assert len(set(seen)) == written
    assert seen == sorted(seen, reverse=True)


def test_another_tenants_events_are_not_there(service: Service, auditor: Principal) -> None:
    write(service, auditor, "device-mine", 1)
    other = service.loop.run(
        service.services.access.authenticate(f"Bearer {service.token(Role.AUDITOR, 'other')}"),
    )
    assert len(page(service, auditor, device_id="device-mine").items) == 1
    assert not page(service, other, device_id="device-mine").items


def test_only_who_may_reads_the_trail(service: Service, auditor: Principal) -> None:
    operator = replace(auditor, role=Role.OPERATOR, name="curious")
    with pytest.raises(Forbidden, match="may not read the audit trail"):
        page(service, operator)
    assert service.fetch("SELECT 1 FROM audit_events WHERE actor = 'token:curious'")


def test_a_cursor_of_no_list(service: Service, auditor: Principal) -> None:
    with pytest.raises(ValidationFailed):
        page(service, auditor, "nonsense")


def test_an_event_says_who_did_what(auditor: Principal) -> None:
    details = {"reason": "test"}
    event = event_by(auditor, Category.DEVICE_REVOCATION, "device-1", details)
    assert (event.tenant_id, event.actor, event.device_id) == (auditor.tenant_id, auditor.actor, "device-1")
    assert (event.category, event.outcome, event.details) == (Category.DEVICE_REVOCATION, Outcome.SUCCESS, details)
    assert event.event_id.version == 7
    assert len(event.trace_id) == 32
    refused = event_by(auditor, Category.SESSION_CREATION, None, {}, Outcome.REFUSED)
    assert (refused.outcome, refused.device_id) == (Outcome.REFUSED, None)
    assert refused.event_id != event.event_id


def test_a_page_of_long_ago_waits_for_nobody(service: Service, auditor: Principal) -> None:
    async def meet() -> None:
        connection = await asyncpg.connect(service.dsn)
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE audit_events IN ROW EXCLUSIVE MODE")  # as who writes an event
                now = await connection.fetchval("SELECT clock_timestamp()")
                read = service.services.audit.list
                with pytest.raises(DependencyUnavailable):
                    await read(auditor, AuditFilter(until=now), None, 2)
                long_ago = AuditFilter(until=now - timedelta(minutes=11))
                assert not (await read(auditor, long_ago, None, 2)).items
        finally:
            await connection.close()

    service.loop.run(meet())
