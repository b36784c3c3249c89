"""Bandwidth taken from weaker sessions, over HTTP on PostgreSQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from honeylink.domain.access import Principal, Role
from honeylink.keys.keyring import SessionKeys, UnwrappedRoots
from honeylink.services import negotiation
from honeylink.store import sessions as session_store
from tests.api.sessions.negotiating import (
    allocations,
    check_reservations,
    everything,
    new_device,
    opened,
    post,
    preview,
    read,
    stream,
)
from tests.conftest import Device, Service, run_service

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    import httpx

    from honeylink.domain.admission import Admission, Contenders
    from honeylink.keys.providers import KeyProviderError
    from honeylink.services.pending import PendingSession
    from honeylink.services.snapshots import Snapshot
    from honeylink.settings import Settings
    from honeylink.store.database import UnitOfWork


@pytest.fixture(scope="module")
def service(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    with run_service(make_settings(expiry_interval_seconds=3600, device_priority_max=1000)) as running:
        yield running


def test_a_stronger_session_shrinks_weaker_ones_before_it_ends_any(service: Service) -> None:
    device = new_device(service, 1000, preemption=True)
    weak = opened(service, device, stream(500, 100))
    weaker_but_rigid = opened(service, device, stream(300))
    strong = opened(service, device, stream(200), setup_priority=5)
    assert read(service, strong)["hold_priority"] == 5
    before = everything(service)
    shown = preview(service, device, stream(300), setup_priority=1)
    assert everything(service) == before
    alarm = opened(service, device, stream(300), setup_priority=1)
    assert allocations(alarm) == [300]
    assert shown["victims"] == [
        {"session_id": weak["session_id"], "device_id": device.device_id, "bandwidth_kbps": 500, "left_kbps": 200}
    ]
    after = read(service, weak)
    assert (after["status"], allocations(after), after["streams"][0]["qos"]["bandwidth_kbps"]) == ("active", [200], 500)
    assert [read(service, each)["status"] for each in (weaker_but_rigid, strong)] == ["active"] * 2
    [event] = service.fetch("SELECT * FROM audit_events WHERE category = 'session-shrink'")
    assert event["actor"] == "system"
    assert json.loads(event["details"]) == {
        "session_id": weak["session_id"],
        "reason": "preempted",
        "from_bandwidth_kbps": 500,
        "to_bandwidth_kbps": 200,
    }
    check_reservations(service)
    opened(service, device, stream(400), setup_priority=1)
    assert read(service, weaker_but_rigid)["end_reason"] == "preempted"
    assert read(service, weaker_but_rigid)["status"] == "terminated"
    assert allocations(read(service, weak)) == [100]
    check_reservations(service)
    [ended] = service.fetch(
        "SELECT * FROM audit_events WHERE details ->> 'reason' = 'preempted' AND category = $1", "session-termination"
    )
    assert json.loads(ended["details"])["session_id"] == weaker_but_rigid["session_id"]


@pytest.mark.parametrize(
    "pool", [{"preemption": False}, {"preemption": True, "min_hold_ms": 3_600_000}], ids=["off", "held"]
)
def test_nothing_is_taken_where_that_is_off_or_too_early(service: Service, pool: dict[str, object]) -> None:
    device = new_device(service, 1000, **pool)
    held = opened(service, device, stream(1000, 1))
    assert post(service, device, stream(1), setup_priority=9).status_code == 409
    assert allocations(read(service, held)) == [1000]


def test_the_young_do_not_hide_those_who_can_be_taken_from(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(negotiation, "_CONTENDERS_MAX", 1)
    with run_service(make_settings(tenant_pool_kbps=1000, device_priority_max=9)) as service:
        strong, old, young, device = (service.new_device() for _ in range(4))
        opened(service, strong, stream(400), hold_priority=9, ttl_seconds=600)
        weak = opened(service, old, stream(300))
        service.fetch("UPDATE sessions SET created_at = created_at - interval '2 hours'")
        spared = opened(service, young, stream(300))
        service.fetch("UPDATE pools SET preemption = true, min_hold_ms = 3600000 WHERE level = 1")
        opened(service, device, stream(300), setup_priority=1)
        assert read(service, weak)["end_reason"] == "preempted"
        assert read(service, spared)["status"] == "active"
        check_reservations(service)


def test_equals_are_spared(service: Service) -> None:
    device = new_device(service, 1000, preemption=True)
    opened(service, device, stream(1000, 1), hold_priority=3)
    assert post(service, device, stream(1), setup_priority=3).status_code == 409
    opened(service, device, stream(1), setup_priority=4)
    check_reservations(service)


class Contest:
    """A full device, of which something becomes between the look of a stronger session and its taking."""

    def __init__(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        self.service = service
        self.device = new_device(service, 1000, preemption=True)
        self.rigid = opened(service, self.device, stream(500), hold_priority=1)
        self.weak = opened(service, self.device, stream(500, 100))
        self.victims: list[set[UUID]] = []
        [row] = service.fetch("SELECT tenant_id FROM tenants WHERE name = 'acme'")
        self._operator = Principal(row["tenant_id"], uuid4(), "test", Role.OPERATOR)
        self._look = service.services.sessions._negotiation.look
        self._meanwhile: Callable[[], Awaitable[object]] | None = None
        monkeypatch.setattr(service.services.sessions._negotiation, "look", self._look_and_lose)

    def open(self, kbps: int, meanwhile: Callable[[], Awaitable[object]]) -> httpx.Response:
        self._meanwhile = meanwhile
        answer = post(self.service, self.device, stream(kbps), setup_priority=2)
        check_reservations(self.service)
        return answer

    async def end(self, session: dict[str, Any]) -> None:
        await self.service.services.sessions.end(self._operator, UUID(session["session_id"]))

    async def forbid(self) -> None:
        connection = await asyncpg.connect(self.service.dsn)
        await connection.execute("UPDATE pools SET preemption = false WHERE pool_id = $1", self.device.device_id)
        await connection.close()

    async def _look_and_lose(self, work: UnitOfWork, pending: PendingSession) -> tuple[Snapshot, Contenders, Admission]:
        found = await self._look(work, pending)
        self.victims.append({each.session_id for each in found[2].victims})
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return found


@pytest.fixture
def contest(service: Service, monkeypatch: pytest.MonkeyPatch) -> Contest:
    return Contest(service, monkeypatch)


def test_a_lost_race_is_decided_again(service: Service, contest: Contest) -> None:
    weak, rigid = UUID(contest.weak["session_id"]), UUID(contest.rigid["session_id"])
    assert contest.open(700, lambda: contest.end(contest.weak)).status_code == 201
    assert contest.victims == [{weak, rigid}, {rigid}]
    assert read(service, contest.weak)["end_reason"] == "requested"
    assert read(service, contest.rigid)["end_reason"] == "preempted"


def test_nobody_loses_what_has_come_free_meanwhile(service: Service, contest: Contest) -> None:
    assert contest.open(400, lambda: contest.end(contest.rigid)).status_code == 201
    assert contest.victims == [{UUID(contest.weak["session_id"])}]
    assert allocations(read(service, contest.weak)) == [500]


def test_nobody_loses_what_is_not_to_be_had_any_more(service: Service, contest: Contest) -> None:
    assert contest.open(400, contest.forbid).status_code == 409
    assert allocations(read(service, contest.weak)) == [500]
    assert read(service, contest.rigid)["status"] == "active"


def test_keys_of_what_can_not_be_stored_are_wiped(
    service: Service, contest: Contest, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[SessionKeys] = []
    session_keys = UnwrappedRoots.session_keys

    def noted(roots: UnwrappedRoots) -> list[SessionKeys | KeyProviderError]:
        answers = session_keys(roots)
        made.extend(each for each in answers if isinstance(each, SessionKeys))
        return answers

    async def fail(*arguments: object, **parameters: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(UnwrappedRoots, "session_keys", noted)
    monkeypatch.setattr(session_store, "shrink_sessions", fail)
    assert post(service, contest.device, stream(400), setup_priority=2).status_code == 500
    assert len(made) == 2  # by its group, which finds no room, and by the negotiation
    assert [key.reveal() for keys in made for key in keys.stream_keys] == [bytes(32)] * 2
    assert allocations(read(service, contest.weak)) == [500]


# How strong one may be.


def test_what_a_session_holds_by_is_no_less_than_what_it_takes_by(service: Service) -> None:
    device = new_device(service, 1000)
    answer = post(service, device, stream(1), setup_priority=3, hold_priority=2)
    assert answer.status_code == 400
    [fault] = answer.json()["errors"]
    assert fault == {
        "pointer": "/hold_priority",
        "message": "hold_priority: expected at least setup_priority, 3, found 2",
    }
    opened(service, device, stream(1), setup_priority=3, hold_priority=3)


def test_a_device_is_as_strong_as_it_may_be(make_settings: Callable[..., Settings]) -> None:
    with run_service(make_settings(device_priority_max=5)) as service:
        device = new_device(service, 1000)
        strong = Device(device.device_id, service.operator)
        for field in ("setup_priority", "hold_priority"):
            for path in ("", "/preview"):
                refused = post(service, device, stream(1), path=path, **{field: 6})
                assert (refused.status_code, refused.json()["error_code"]) == (403, "ERR_AUTHZ")
                assert "at most 5 with a device's token, found 6" in refused.json()["message"]
            opened(service, device, stream(1), **{field: 5})
            opened(service, strong, stream(1), **{field: 6})
        assert len(service.fetch("SELECT FROM audit_events WHERE category = 'access-denied'")) == 4
