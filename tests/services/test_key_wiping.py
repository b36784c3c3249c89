"""Whichever way a request for a session ends, no key of it stays in memory but those that its caller was given."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from honeylink.errors import BandwidthExceeded, ClientGone, DependencyUnavailable, StateConflict
from honeylink.services import pending
from honeylink.services.opening import _Waiting
from honeylink.services.pending import OpenedSession
from honeylink.store.database import _Connections
from tests.conftest import Service, run_service, session_body
from tests.services.test_opening import principal, request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from honeylink.domain.sessions import SessionRequest
    from honeylink.keys.secret import Secret
    from honeylink.settings import Settings


@pytest.fixture(scope="module")
def service(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    with run_service(make_settings(expiry_interval_seconds=3600)) as running:
        yield running


async def settled(service: Service) -> None:
    """No group is on its way any more."""
    opening = service.services.sessions._opening
    while opening._group is not None or opening._slow_group is not None:  # noqa: ASYNC110 - no event
        await asyncio.sleep(0)


def open_together(
    service: Service,
    requests: list[SessionRequest],
    meanwhile: Callable[[list[asyncio.Task[OpenedSession]]], Awaitable[None]],
    held: str = "",
) -> list[OpenedSession | BaseException]:
    """Open them at once, and do something while they are on their way and somebody holds the pool of a device."""
    caller = principal(service)

    async def run() -> list[OpenedSession | BaseException]:
        connection = await asyncpg.connect(service.dsn)
        try:
            async with connection.transaction():
                await connection.execute("SELECT FROM pools WHERE level = 0 AND pool_id = $1 FOR UPDATE", held)
                opening = [asyncio.create_task(service.services.sessions.open(caller, each)) for each in requests]
                await meanwhile(opening)
            answers = await asyncio.gather(*opening, return_exceptions=True)
            await settled(service)
            return answers
        finally:
            await connection.close()

    return service.loop.run(run())


def check(secrets: list[Secret], answers: list[OpenedSession | BaseException]) -> list[type]:
    """Only what was given out is left; returns what the others were told."""
    assert secrets
    left = [secret for secret in secrets if any(secret.reveal())]
    given = [key for each in answers if isinstance(each, OpenedSession) for key in each.stream_keys]
    assert {id(secret) for secret in left} == {id(key) for key in given}
    for each in answers:
        if isinstance(each, OpenedSession):
            each.wipe_keys()
    return [type(each) for each in answers if not isinstance(each, OpenedSession)]


async def nothing(*_: object) -> None:
    pass


def test_after_a_success_over_http(service: Service, secrets: list[Secret]) -> None:
    device = service.new_device()
    with service.client(device.token) as client:
        assert client.post("/sessions", json=session_body(device)).status_code == 201
    assert secrets
    assert not [secret for secret in secrets if any(secret.reveal())]


def test_when_the_statement_fails_for_one_of_a_group(service: Service, secrets: list[Secret]) -> None:
    device = service.new_device()
    answers = open_together(service, [request(device, 1, name) for name in ("a", "b", "nul\0", "c")], nothing)
    assert len(check(secrets, answers)) == 1


def test_when_there_is_no_room(service: Service, secrets: list[Secret]) -> None:
    """Refused by the statement, then by the planner; and by the negotiation's."""
    device = service.new_device(pool_kbps=100)
    check(secrets, open_together(service, [request(device, 90)], nothing))
    answers = open_together(service, [request(device, 90) for _ in range(4)], nothing)
    assert set(check(secrets, answers)) == {BandwidthExceeded}


def test_when_the_device_is_revoked_meanwhile(service: Service, secrets: list[Secret]) -> None:
    device = service.new_device()
    check(secrets, open_together(service, [request(device, 1)], nothing))
    service.fetch("UPDATE pools SET accepting = false WHERE level = 0 AND pool_id = $1", device.device_id)
    service.fetch(
        "UPDATE devices SET status = 'revoked', revoked_at = now(), revoke_reason = 'lost', drained_at = now()"
        " WHERE device_id = $1",
        device.device_id,
    )
    assert check(secrets, open_together(service, [request(device, 1)], nothing)) == [StateConflict]


def test_when_a_row_is_held_for_some_time(service: Service, secrets: list[Secret]) -> None:
    device = service.new_device()

    async def until_they_wait(opening: list[asyncio.Task[OpenedSession]]) -> None:
        while service.services.sessions._locked_rows._waiting < len(opening):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0)

    answers = open_together(service, [request(device, 1) for _ in range(5)], until_they_wait, device.device_id)
    assert check(secrets, answers) == []


def test_when_all_hang_up_while_their_group_is_on_its_way(service: Service, secrets: list[Secret]) -> None:
    device = service.new_device()
    secrets.clear()

    async def hang_up(opening: list[asyncio.Task[OpenedSession]]) -> None:
        while not secrets:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0)
        for task in opening:
            task.cancel()

    answers = open_together(service, [request(device, 1) for _ in range(5)], hang_up, device.device_id)
    assert set(check(secrets, answers)) == {asyncio.CancelledError}


def test_when_the_answer_comes_at_the_moment_of_the_hanging_up(
    service: Service, secrets: list[Secret], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = service.new_device()
    settle = _Waiting.settle
    hanging_up: list[Any] = []

    def noting(self: _Waiting, outcome: OpenedSession | Exception) -> None:
        settle(self, outcome)
        hanging_up.pop().cancel()

    async def meanwhile(opening: list[asyncio.Task[OpenedSession]]) -> None:
        hanging_up.extend(opening)

    monkeypatch.setattr(_Waiting, "settle", noting)
    answers = open_together(service, [request(device, 1)], meanwhile)
    assert check(secrets, answers) == [asyncio.CancelledError]


def test_when_the_connection_is_cut(service: Service, secrets: list[Secret]) -> None:
    device = service.new_device()
    service.fetch(
        "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS"
        " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(0); RETURN NEW; END'"
    )
    service.fetch("CREATE TRIGGER cut BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION cut()")
    try:
        answers = open_together(service, [request(device, 1) for _ in range(5)], nothing)
    finally:
        service.fetch("DROP TRIGGER cut ON sessions")
    assert set(check(secrets, answers)) == {DependencyUnavailable}


def test_when_the_connection_can_not_be_given_back(
    service: Service, secrets: list[Secret], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes after the statement is part of the group's way too."""
    device = service.new_device()
    release = _Connections.release

    async def failing(self: _Connections, *arguments: Any, **named: Any) -> None:
        await release(self, *arguments, **named)
        if secrets:
            raise OSError

    secrets.clear()
    with monkeypatch.context() as patch:
        patch.setattr(_Connections, "release", failing)
        answers = open_together(service, [request(device, 1)], nothing)
    assert check(secrets, answers) == [OSError]


def test_when_the_client_hangs_up_while_keys_are_made(service: Service, secrets: list[Secret]) -> None:
    device = service.new_device()
    secrets.clear()
    opening = service.services.sessions.open(principal(service), request(device, 1), lambda: not secrets)
    with pytest.raises(ClientGone):
        service.loop.run(opening)
    assert len(secrets) == 3  # the device's master key, the data key, and the stream's
    assert not [secret for secret in secrets if any(secret.reveal())]


def test_when_its_event_can_not_be_made(
    service: Service, secrets: list[Secret], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = service.new_device()

    def failing(*_: object) -> None:
        raise OSError

    secrets.clear()
    with monkeypatch.context() as patch:
        patch.setattr(pending, "event_by", failing)
        answers = open_together(service, [request(device, 1)], nothing)
    assert len(check(secrets, answers)) == 1


def test_each_of_a_group_is_told_by_an_exception_of_its_own(service: Service) -> None:
    devices = [service.new_device() for _ in range(5)]
    service.fetch("ALTER TABLE data_keys RENAME TO no_data_keys")
    try:
        answers = open_together(service, [request(each, 1) for each in devices], nothing)
    finally:
        service.fetch("ALTER TABLE no_data_keys RENAME TO data_keys")
    assert all(isinstance(each, DependencyUnavailable) for each in answers)
    assert len({id(each) for each in answers}) == len(answers)
    assert max(traceback_length(each) for each in answers if isinstance(each, BaseException)) < 15


def traceback_length(error: BaseException) -> int:
    trace, length = error.__traceback__, 0
    while trace is not None:
        trace, length = trace.tb_next, length + 1
    return length
