"""Sessions that do with less, offers, previews, and bandwidth taken from weaker sessions, over HTTP on PostgreSQL."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from honeylink.domain.access import Principal, Role
from honeylink.keys.keyring import UnwrappedRoots
from honeylink.services import negotiation
from honeylink.services.pools import set_node_pool
from honeylink.store import sessions as session_store
from tests.conftest import Device, Service, run_service
from tests.races.operations import pool_change

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    import httpx

    from honeylink.domain.admission import Admission, Contenders
    from honeylink.keys.keyring import SessionKeys
    from honeylink.services.pending import PendingSession
    from honeylink.services.snapshots import Snapshot
    from honeylink.settings import Settings
    from honeylink.store.database import UnitOfWork


@pytest.fixture(scope="module")
def service(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    with run_service(make_settings(expiry_interval_seconds=3600, device_priority_max=1000)) as running:
        yield running


def stream(kbps: int, least: object = None, priority: str = "burst", name: str = "video") -> dict[str, Any]:
    qos: dict[str, object] = {"priority": priority, "bandwidth_kbps": kbps}
    return {"name": name, "mode": "unreliable", "qos": qos if least is None else {**qos, "min_bandwidth_kbps": least}}


def post(
    service: Service, device: Device, *streams: dict[str, Any], path: str = "", **fields: object
) -> httpx.Response:
    body = {"device_id": device.device_id, "streams": streams, **fields}
    with service.client(device.token) as client:
        return client.post(f"/sessions{path}", json=body)


def opened(service: Service, device: Device, *streams: dict[str, Any], **fields: Any) -> dict[str, Any]:
    answer = post(service, device, *streams, **fields)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def preview(service: Service, device: Device, *streams: dict[str, Any], **fields: Any) -> dict[str, Any]:
    answer = post(service, device, *streams, path="/preview", **fields)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def read(service: Service, session: dict[str, Any]) -> dict[str, Any]:
    with service.client() as client:
        body: dict[str, Any] = client.get(f"/sessions/{session['session_id']}").json()
    return body


def allocations(session: dict[str, Any]) -> list[int]:
    return [each["allocated_bandwidth_kbps"] for each in session["streams"]]


def new_device(service: Service, kbps: int, **pool: object) -> Device:
    """A device whose pool has these columns too."""
    device = service.new_device(pool_kbps=kbps)
    for column, value in pool.items():
        service.fetch(f"UPDATE pools SET {column} = $2 WHERE level = 0 AND pool_id = $1", device.device_id, value)
    return device


def check_reservations(service: Service) -> None:
    reconciled = service.loop.run(service.services.operations.check_pools())
    assert [each for each in reconciled if not each.reconciles] == []


def everything(service: Service) -> list[object]:
    tables = ("pools", "sessions", "streams", "reservations", "audit_events")
    return [service.fetch(f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in tables]


# Doing with less.


def test_streams_with_minima_share_what_there_is(service: Service) -> None:
    device = new_device(service, 6000)
    streams = [
        stream(500, None, "latency", "control"),
        stream(4000, 1000, name="front"),
        stream(4000, 500, name="rear"),
    ]
    session = opened(service, device, *streams)
    assert allocations(session) == [500, 2750, 2750]
    shown = read(service, session)
    assert allocations(shown) == [500, 2750, 2750]
    assert [each["qos"] for each in shown["streams"]] == [each["qos"] for each in streams]
    [event] = service.fetch("SELECT details FROM audit_events WHERE details ->> 'session_id' = $1", shown["session_id"])
    assert json.loads(event["details"])["total_bandwidth_kbps"] == 6000
    check_reservations(service)


def test_a_device_that_was_short_gets_all_once_there_is_room(service: Service) -> None:
    device = new_device(service, 1000)
    first = opened(service, device, stream(600))
    assert allocations(opened(service, device, stream(1000, 100))) == [400]
    with service.client() as client:
        client.delete(f"/sessions/{first['session_id']}")
    assert allocations(opened(service, device, stream(600, 100))) == [600]


def test_parity_is_paid_for_where_a_pool_charges_the_wire(service: Service) -> None:
    device = new_device(service, 6000, charge="wire")
    session = opened(service, device, stream(5000, 1))  # 10 + 5: half as much again
    assert allocations(session) == [4000]
    levels = "SELECT level, reserved_kbps FROM reservations WHERE session_id = $1 ORDER BY level"
    assert [tuple(row) for row in service.fetch(levels, UUID(session["session_id"]))] == [(0, 6000), (1, 4000)]
    check_reservations(service)
    with service.client() as client:
        client.delete(f"/sessions/{session['session_id']}")
    check_reservations(service)


@pytest.mark.parametrize(("least", "found"), [(101, "101"), (100.5, "whole number"), (0, "1"), ("7", "whole number")])
def test_a_minimum_that_can_not_be(service: Service, least: object, found: str) -> None:
    answer = post(service, new_device(service, 1000), stream(100, least))
    assert answer.status_code == 400
    [fault] = answer.json()["errors"]
    assert fault["pointer"] == "/streams/0/qos/min_bandwidth_kbps"
    assert found in fault["message"]
    assert "stream 'video'" in fault["message"]


# Being refused.


def test_while_many_are_refused_only_who_could_take_waits_for_its_turn(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    rigid, giving = new_device(service, 1000), new_device(service, 1000, preemption=True)
    for device in (rigid, giving):
        opened(service, device, stream(1000))
    turns = service.services.sessions._negotiation._turns
    taken = 0
    while not turns.locked():
        service.loop.run(turns.acquire())
        taken += 1
    try:
        for device, setup_priority in ((rigid, 0), (rigid, 1), (giving, 0)):
            refused = post(service, device, stream(100), setup_priority=setup_priority)
            assert (refused.status_code, refused.json()["available_kbps"]) == (409, 0)
            assert "free_at" not in refused.json()
        monkeypatch.setattr(service.services.database, "_timeout_seconds", 3.0)
        for path in ("", "/preview"):
            waited = post(service, giving, stream(100), path=path, setup_priority=1)
            assert waited.status_code == 503
            assert "its turn to look for room" in waited.json()["message"]
    finally:
        for _ in range(taken):
            turns.release()
    assert "free_at" in post(service, rigid, stream(100)).json()


def test_a_refusal_offers_what_fits_and_says_when_enough_will(service: Service) -> None:
    device = new_device(service, 1000)
    opened(service, device, stream(200), ttl_seconds=7200)
    soon = opened(service, device, stream(600), ttl_seconds=60)
    answer = post(service, device, stream(100, None, "normal", "telemetry"), stream(500, 300))
    assert answer.status_code == 409
    problem = answer.json()
    assert (problem["requested_kbps"], problem["available_kbps"], problem["admissible_kbps"]) == (600, 200, 200)
    assert problem["free_at"][:19] >= soon["expires_at"][:19]
    assert datetime.fromisoformat(problem["free_at"]) >= datetime.fromisoformat(soon["expires_at"])
    assert "counter_offer" not in problem
    smaller = post(service, device, stream(100, None, "normal", "telemetry"), stream(500)).json()
    offer = {each["name"]: each["bandwidth_kbps"] for each in smaller["counter_offer"]}
    assert offer == {"telemetry": 100, "video": 100}
    never = post(service, device, stream(2000)).json()
    assert "free_at" not in never
    opened(service, device, stream(100, None, "normal", "telemetry"), stream(100))


def test_a_small_tenant_is_told_when_its_own_will_end(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though many of others end before."""
    monkeypatch.setattr(negotiation, "_CONTENDERS_MAX", 2)
    with run_service(make_settings(tenant_pool_kbps=1000)) as service:
        busy = service.new_device()
        for _ in range(3):
            opened(service, busy, stream(1), ttl_seconds=60)
        operator = service.token(Role.OPERATOR, "small")
        one, two = (service.new_device(operator=operator) for _ in range(2))
        opened(service, one, stream(1000))
        refused = post(service, two, stream(100)).json()
        assert refused["limiting_pool"] == "tenant:small"
        assert "free_at" in refused


# Trying.


def test_a_preview_says_what_opening_does_and_changes_nothing(service: Service) -> None:
    device = new_device(service, 1000)
    opened(service, device, stream(300))
    before = everything(service)
    asked = [stream(100, None, "latency", "control"), stream(900, 200)]
    shown = preview(service, device, *asked)
    assert everything(service) == before
    assert (shown["verdict"], allocations(shown), shown["victims"]) == ("admitted", [100, 600], [])
    assert [each["pool"] for each in shown["headroom"]] == [f"device:{device.device_id}", "tenant:acme"]
    assert shown["headroom"][0]["headroom_kbps"] == 0
    session = opened(service, device, *asked)
    assert allocations(session) == allocations(shown)
    [tenant] = service.fetch("SELECT capacity_kbps - reserved_kbps AS left_kbps FROM pools WHERE level = 1")
    assert shown["headroom"][1]["headroom_kbps"] == tenant["left_kbps"]


def test_a_preview_of_a_refusal_carries_its_numbers(service: Service) -> None:
    device = new_device(service, 1000)
    before = everything(service)
    shown = preview(service, device, stream(1500))
    assert everything(service) == before
    assert (shown["verdict"], shown["streams"], shown["victims"]) == ("refused", [], [])
    assert shown["headroom"][0] == {"pool": f"device:{device.device_id}", "headroom_kbps": 1000}
    problem = post(service, device, stream(1500)).json()
    assert shown["refusal"] == {name: problem[name] for name in shown["refusal"]}


def test_a_preview_does_not_tell_what_the_node_has_left(make_settings: Callable[..., Settings]) -> None:
    """That is what other tenants use, but for a refusal that is the node's."""
    with run_service(make_settings(tenant_pool_kbps=3000)) as service:
        service.loop.run(set_node_pool(service.services.database, pool_change(2000)))
        device = new_device(service, 2500)
        admitted = preview(service, device, stream(500))
        refused_by_device = preview(service, device, stream(2600))
        refused_by_node = preview(service, device, stream(2400))
    assert headroom(admitted) == [2000, 2500, None]
    assert headroom(refused_by_device) == [2500, 3000, None]
    assert headroom(refused_by_node) == [2500, 3000, 2000]
    assert refused_by_node["refusal"]["limiting_pool"] == refused_by_node["headroom"][-1]["pool"] == "node:node"


def headroom(shown: dict[str, Any]) -> list[int | None]:
    return [each["headroom_kbps"] for each in shown["headroom"]]


def test_who_may_preview(service: Service) -> None:
    device, other = new_device(service, 1000), new_device(service, 1000)
    body = {"device_id": device.device_id, "streams": [stream(1)]}
    expected = {device.token: 200, service.operator: 200, other.token: 403, service.token(Role.AUDITOR): 403}
    for token, status in expected.items():
        with service.client(token) as client:
            assert client.post("/sessions/preview", json=body).status_code == status
    with service.client() as client:
        assert client.post("/sessions/preview", json={**body, "device_id": "nowhere"}).status_code == 404
        wrong = client.get("/sessions/preview")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")


# Taking.


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

    def noted(*arguments: Any) -> SessionKeys:
        made.append(session_keys(*arguments))
        return made[-1]

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
