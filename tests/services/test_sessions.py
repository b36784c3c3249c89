"""Opening a session while somebody else changes what it was decided on: it is decided anew, or not stored at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest

from honeylink.domain.access import Role
from tests.conftest import Device, Service, run_service, session_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from honeylink.settings import Settings


class PoolHolder:
    """A transaction that holds the lock of a device's pool."""

    def __init__(self, service: Service, device: Device, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._service = service
        self._device = device
        self._connection = connection

    def execute(self, statement: str) -> None:
        """Run a statement about the device, `$1`."""
        self._service.loop.run(self._connection.execute(statement, self._device.device_id))

    def commit(self) -> None:
        self._service.loop.run(self._connection.execute("COMMIT"))

    def wait_for_waiter(self) -> None:
        """Return once some statement waits for the lock."""
        assert any(self._statements("wait_event_type = 'Lock'") for _ in range(2000))

    def wait_for_nobody(self) -> None:
        """Return once no statement of the service runs any more."""
        assert any(not self._statements("state = 'active' AND query ILIKE '%reserved%'") for _ in range(2000))

    def _statements(self, condition: str) -> list[asyncpg.Record]:
        return self._service.fetch(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            f" AND application_name = 'honeylink' AND {condition}"
        )


@contextmanager
def held_pool(service: Service, device: Device) -> Iterator[PoolHolder]:
    connection = service.loop.run(asyncpg.connect(service.dsn))
    try:
        holder = PoolHolder(service, device, connection)
        service.loop.run(connection.execute("BEGIN"))
        holder.execute("SELECT 1 FROM pools WHERE level = 0 AND pool_id = $1 FOR UPDATE")
        yield holder
    finally:
        service.loop.run(connection.close())


def open_meanwhile(service: Service, device: Device, change: Callable[[PoolHolder], None]) -> httpx.Response:
    """Ask for a session of 100 kbps; `change` happens after it was decided on and before it is stored."""

    def ask() -> httpx.Response:
        with service.client() as client:
            return client.post("/sessions", json=session_body(device, 100))

    with held_pool(service, device) as holder, ThreadPoolExecutor(1) as thread:
        answer = thread.submit(ask)
        holder.wait_for_waiter()
        change(holder)
        holder.commit()
        return answer.result(30)


def stored(service: Service, device: Device) -> list[int]:
    """What the device's pool has reserved, and how many sessions it has."""
    [row] = service.fetch(
        "SELECT reserved_kbps, (SELECT count(*) FROM sessions WHERE device_id = $1) AS sessions"
        " FROM pools WHERE level = 0 AND pool_id = $1",
        device.device_id,
    )
    return [row["reserved_kbps"], row["sessions"]]


def test_a_pool_that_others_filled_meanwhile_is_looked_at_again(service: Service) -> None:
    device = service.new_device(pool_kbps=1000)
    answer = open_meanwhile(
        service,
        device,
        lambda holder: holder.execute("UPDATE pools SET reserved_kbps = 901 WHERE level = 0 AND pool_id = $1"),
    )
    assert answer.status_code == 409
    assert answer.json()["available_kbps"] == 99
    assert stored(service, device) == [901, 0]


def test_a_pool_that_others_used_meanwhile_is_enough_if_there_is_room_still(service: Service) -> None:
    device = service.new_device(pool_kbps=1000)
    answer = open_meanwhile(
        service,
        device,
        lambda holder: holder.execute("UPDATE pools SET reserved_kbps = 900 WHERE level = 0 AND pool_id = $1"),
    )
    assert answer.status_code == 201
    assert stored(service, device) == [1000, 1]


def test_a_device_that_is_revoked_meanwhile_gets_no_session(service: Service) -> None:
    device = service.new_device()

    def revoke(holder: PoolHolder) -> None:
        holder.execute("UPDATE devices SET status = 'revoked', revoked_at = now() WHERE device_id = $1")
        holder.execute("UPDATE pools SET accepting = false WHERE level = 0 AND pool_id = $1")

    answer = open_meanwhile(service, device, revoke)
    assert (answer.status_code, answer.json()["error_code"]) == (409, "ERR_STATE")
    assert stored(service, device) == [0, 0]


def test_a_session_whose_time_is_over_is_not_stored_later(make_settings: Callable[..., Settings]) -> None:
    with run_service(make_settings(database_timeout_seconds=1)) as service:
        device = service.new_device()
        with held_pool(service, device) as holder:
            with service.client() as client:
                answer = client.post("/sessions", json=session_body(device, 100))
            assert (answer.status_code, answer.json()["error_code"]) == (503, "ERR_DEPENDENCY")
            holder.commit()
            holder.wait_for_nobody()
        assert stored(service, device) == [0, 0]


@pytest.mark.parametrize("count", [1, 16])
def test_the_same_decision_for_any_caller_that_may_ask(service: Service, count: int) -> None:
    device = service.new_device()
    answers = []
    for token in (device.token, service.token(Role.OPERATOR)):
        with service.client(token) as client:
            answers.append(client.post("/sessions", json=session_body(device, *[5] * count)).json())
    shapes = [
        [(stream["name"], stream["connection_id"], stream["allocated_bandwidth_kbps"]) for stream in each["streams"]]
        for each in answers
    ]
    assert shapes[0] == shapes[1]
