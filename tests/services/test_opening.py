"""Sessions that are opened at the same moment: one commit, and each on its own feet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from honeylink.domain.access import Principal, Role
from honeylink.domain.sessions import Mode, Priority, SessionRequest, StreamRequest
from honeylink.errors import BandwidthExceeded, ClientGone, DependencyUnavailable, NotFound
from honeylink.store.sessions import create_sessions
from tests.conftest import run_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from honeylink.services.pending import OpenedSession
    from honeylink.settings import Settings
    from honeylink.store.database import UnitOfWork
    from honeylink.store.sessions import NewSession
    from tests.conftest import Device, Service


def request(device: Device | str, kbps: int, name: str = "video") -> SessionRequest:
    device_id = device if isinstance(device, str) else device.device_id
    return SessionRequest(device_id, (StreamRequest(name, Mode.UNRELIABLE, Priority.BURST, kbps),), 60)


def principal(service: Service) -> Principal:
    [row] = service.fetch("SELECT tenant_id FROM tenants WHERE name = 'acme'")
    return Principal(row["tenant_id"], uuid4(), "test", Role.OPERATOR)


def open_at_once(service: Service, *requests: SessionRequest) -> list[OpenedSession | BaseException]:
    """Ask for all of them in one turn of the service's loop."""
    caller = principal(service)

    async def run() -> list[Any]:
        return await asyncio.gather(
            *(service.services.sessions.open(caller, each) for each in requests), return_exceptions=True
        )

    return service.loop.run(run())


def opened(results: list[OpenedSession | BaseException]) -> list[UUID]:
    return [each.session_id for each in results if not isinstance(each, BaseException)]


def held_kbps(service: Service, device: Device) -> int:
    [pool] = service.fetch("SELECT reserved_kbps FROM pools WHERE level = 0 AND pool_id = $1", device.device_id)
    held: int = pool["reserved_kbps"]
    return held


def commits_of(service: Service, session_ids: list[UUID]) -> int:
    rows = service.fetch("SELECT DISTINCT xmin::text FROM sessions WHERE session_id = ANY ($1)", session_ids)
    return len(rows)


def test_many_share_a_commit(service: Service) -> None:
    devices = [service.new_device() for _ in range(20)]
    results = open_at_once(service, *(request(device, 100) for device in devices))
    session_ids = opened(results)
    assert len(session_ids) == 20
    # The first leaves at once and alone; the others share what follows.
    assert commits_of(service, session_ids) <= 3
    assert {held_kbps(service, device) for device in devices} == {100}


def test_the_next_group_is_stored_while_the_members_of_one_are_answered(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups are halves of what is being opened, so that database and service both have one to do."""
    devices = [service.new_device() for _ in range(50)]
    caller = principal(service)
    groups: list[int] = []
    groups_before_answer: list[int] = []

    async def noting(work: UnitOfWork, sessions: Sequence[NewSession], *arguments: Any) -> Any:
        groups.append(len(sessions))
        return await create_sessions(work, sessions, *arguments)

    async def open_one(device: Device) -> None:
        await service.services.sessions.open(caller, request(device, 100))
        groups_before_answer.append(len(groups))

    async def run() -> None:
        await asyncio.gather(*map(open_one, devices))

    service.loop.run(run())  # from now on the devices are known, and nothing is read
    groups_before_answer.clear()
    monkeypatch.setattr("honeylink.store.sessions.create_sessions", noting)
    service.loop.run(run())
    assert sum(groups) == len(devices)
    assert groups[0] == 1  # it finds no group being stored, and goes at once
    assert max(groups) <= 25
    # The last group has none after it.
    assert groups_before_answer[: -groups[-1]] == [
        number for number, size in enumerate(groups[:-1], 2) for _ in range(size)
    ]


def test_a_group_does_not_compete_with_itself(service: Service) -> None:
    device = service.new_device(pool_kbps=1000)
    results = open_at_once(service, *(request(device, 300) for _ in range(12)))
    assert len(opened(results)) == 3
    refused = [each for each in results if isinstance(each, BandwidthExceeded)]
    assert len(refused) == 9
    assert {each.available_kbps for each in refused} <= {100, 400, 700}
    assert held_kbps(service, device) == 900


def with_tenant_kbps(service: Service, kbps: int) -> None:
    """Make the tenant's pool so large, when nobody has anything of it."""
    service.fetch("UPDATE pools SET capacity_kbps = $1 WHERE level = 1", kbps)


def test_nobody_has_less_because_of_neighbours_that_get_nothing(make_settings: Callable[..., Settings]) -> None:
    with run_service(make_settings()) as service:
        full = [service.new_device(pool_kbps=100) for _ in range(4)]
        with_tenant_kbps(service, 1000)
        assert all(len(opened(open_at_once(service, request(device, 100)))) == 1 for device in full)
        newcomer = service.new_device()
        streams = (StreamRequest("video", Mode.UNRELIABLE, Priority.BURST, 600, min_bandwidth_kbps=10),)
        # The first goes alone, so that the others are one group.
        *_, answer = open_at_once(
            service,
            request("nowhere", 1),
            *(request(device, 100) for device in full),
            SessionRequest(newcomer.device_id, streams, 60),
        )
        assert not isinstance(answer, BaseException), answer
        assert [stream.bandwidth_kbps for stream in answer.streams] == [600]


def test_nobody_is_refused_because_of_neighbours_that_get_nothing(make_settings: Callable[..., Settings]) -> None:
    with run_service(make_settings()) as service:
        full = [service.new_device(pool_kbps=100) for _ in range(20)]
        with_tenant_kbps(service, 3000)
        assert all(len(opened(open_at_once(service, request(device, 100)))) == 1 for device in full)
        newcomers = [service.new_device() for _ in range(6)]
        results = open_at_once(
            service,
            request("nowhere", 1),
            *(request(device, 100) for device in full),
            *(request(device, 10) for device in newcomers),
        )
        assert len(opened(results[-6:])) == 6, results[-6:]


def test_a_refused_one_does_not_hold_up_its_neighbours(service: Service) -> None:
    device = service.new_device()
    results = open_at_once(
        service, request(device, 1), request("nowhere", 1), request(device, 10**9), request(device, 2)
    )
    assert [type(each).__name__ for each in results] == [
        "OpenedSession",
        "NotFound",
        "BandwidthExceeded",
        "OpenedSession",
    ]
    assert isinstance(results[1], NotFound)


def test_one_that_the_database_can_not_take_fails_alone(service: Service) -> None:
    # No body gets this far with a NUL in it. That something does is what the test is about.
    device = service.new_device()
    requests = [request(device, 1, name) for name in ("a", "b", "nul\0", "c", "d")]
    results = open_at_once(service, *requests)
    assert [isinstance(each, BaseException) for each in results] == [False, False, True, False, False]
    assert not isinstance(results[2], DependencyUnavailable)


@pytest.fixture
def small(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    with run_service(make_settings(max_opening_sessions=5)) as running:
        yield running


def test_no_more_are_in_progress_than_may_be(small: Service) -> None:
    device = small.new_device()
    results = open_at_once(small, *(request(device, 1) for _ in range(20)))
    # The rest are told so before they have waited.
    assert len(opened(results)) == 5
    assert sum(isinstance(each, DependencyUnavailable) for each in results) == 15
    assert len(opened(open_at_once(small, request(device, 1)))) == 1


def test_one_that_nobody_waits_for_is_not_opened(service: Service) -> None:
    devices = [service.new_device() for _ in range(2)]
    caller = principal(service)

    async def run() -> list[Any]:
        opening = service.services.sessions
        return list(
            await asyncio.gather(
                opening.open(caller, request(devices[0], 7), lambda: False),
                opening.open(caller, request(devices[1], 7), lambda: True),
                return_exceptions=True,
            )
        )

    gone, opened_session = service.loop.run(run())
    assert isinstance(gone, ClientGone)
    assert not isinstance(opened_session, BaseException)
    assert [held_kbps(service, each) for each in devices] == [0, 7]


def test_one_whose_client_is_gone_is_not_opened(service: Service) -> None:
    devices = [service.new_device() for _ in range(6)]
    caller = principal(service)

    async def run() -> None:
        tasks = [asyncio.create_task(service.services.sessions.open(caller, request(each, 7))) for each in devices]
        await asyncio.sleep(0)
        tasks[-1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    service.loop.run(run())
    assert [held_kbps(service, each) for each in devices] == [7, 7, 7, 7, 7, 0]


def test_a_deadline_at_any_moment_leaves_reservations_reconciled(make_settings: Callable[..., Settings]) -> None:
    """From far too early for the statement to far enough: a session is stored with all it reserves, or not at all."""
    with run_service(make_settings(node_pool_kbps=10**9, expiry_interval_seconds=3600)) as service:
        device = service.new_device(pool_kbps=10**9)
        caller = principal(service)
        database = service.services.database

        async def run() -> int:
            stored = 0
            for step in range(300):
                database._timeout_seconds = 0.0005 + step * 0.0002
                try:
                    await service.services.sessions.open(caller, request(device, 1))
                    stored += 1
                except DependencyUnavailable:
                    pass
            database._timeout_seconds = 10
            return stored

        assert 0 < service.loop.run(run()) < 300
        service.loop.run(service.services.sessions.open(caller, request(device, 1)))
        assert all(pool.reconciles for pool in service.loop.run(service.services.operations.check_pools()))
