"""More requests than can be served, over sockets: who is refused hears so at once, and who gave up is not served."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.api.peer import MAX_BODY_BYTES, Peer, check_alive, check_problem, head
from tests.conftest import run_service, session_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from honeylink.settings import Settings
    from tests.conftest import Device, Service

MAX_OPENING = 3
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def small(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    with run_service(make_settings(max_opening_sessions=MAX_OPENING)) as running:
        yield running


@contextmanager
def no_session_opens(service: Service) -> Iterator[None]:
    """Hold the tenants' pools, so that what is to be opened waits in the database."""

    async def hold() -> asyncpg.Connection[asyncpg.Record]:
        connection = await asyncpg.connect(service.dsn)
        await connection.execute("BEGIN; SELECT 1 FROM pools WHERE level = 1 FOR UPDATE")
        return connection

    connection = service.loop.run(hold())
    try:
        yield
    finally:
        service.loop.run(connection.close())


def wait_for_lock_waiter(service: Service) -> None:
    """Until a statement waits for the pools."""
    deadline = time.monotonic() + 20
    query = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while not service.fetch(query)[0]["n"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_until_full(service: Service) -> None:
    """Until as many sessions are in progress as may be."""

    async def is_full() -> bool:
        return service.services.sessions.overloaded()

    deadline = time.monotonic() + 20
    while not service.loop.run(is_full()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def open_one(service: Service, device: Device) -> int:
    with service.client(device.token) as client:
        return client.post("/sessions", json=session_body(device)).status_code


def test_one_too_many_is_refused_at_once_and_nothing_else_is(small: Service) -> None:
    devices = [small.new_device() for _ in range(MAX_OPENING + 1)]
    with ThreadPoolExecutor(MAX_OPENING) as pool:
        with no_session_opens(small):
            opening = [pool.submit(open_one, small, device) for device in devices[:MAX_OPENING]]
            wait_until_full(small)
            with small.client() as client:
                for path in ("/sessions", "/api/v1/sessions"):
                    headers = {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
                    answer = client.post(path, json=session_body(devices[-1]), headers=headers)
                    assert check_problem(answer, 503, "ERR_DEPENDENCY")["trace_id"] == TRACE_ID
                    assert answer.headers["retry-after"] == "1"
                assert client.get("/sessions").status_code == 200
                assert client.get("/healthz").status_code == 200
                counted = 'honeylink_http_requests_total{method="POST",route="/sessions",status="503"} '
                assert float(client.get("/metrics").text.partition(counted)[2].split()[0]) >= 2
            body = json.dumps(session_body(devices[-1]))
            with Peer(small) as peer:  # this one is not plain, so it is refused at the end of the way
                lines = ("Connection: close", "Content-Type: application/json", f"Content-Length: {len(body)}")
                peer.send(head(small, *lines), body)
                check_problem(peer.answer(), 503, "ERR_DEPENDENCY")
                assert peer.rest() == b""
            with Peer(small) as peer:  # nor is a body that is too long to be thrown away
                peer.send(head(small, "Content-Type: application/json", f"Content-Length: {MAX_BODY_BYTES + 1}"))
                check_problem(peer.answer(), 413, "ERR_TOO_LARGE")
            with Peer(small) as peer:
                plain = head(small, "Content-Type: application/json", f"Content-Length: {len(body)}")
                peer.send(plain, body[:10])
                check_problem(peer.answer(), 503, "ERR_DEPENDENCY")
                peer.send(body[10:], head(small, method="GET"))
                assert peer.answer().status_code == 200
                peer.send(plain, body, plain, body, head(small, method="GET"))
                for _ in range(2):
                    check_problem(peer.answer(), 503, "ERR_DEPENDENCY")
                assert peer.answer().status_code == 200
        assert [each.result() for each in opening] == [201] * MAX_OPENING
    assert open_one(small, devices[-1]) == 201


def test_who_hangs_up_while_waiting_gets_no_session(service: Service) -> None:
    ahead, leaver = service.new_device(), service.new_device()
    with ThreadPoolExecutor(1) as pool:
        with no_session_opens(service):
            opening = pool.submit(open_one, service, ahead)
            wait_for_lock_waiter(service)  # a group is on its way, so that the next one has to wait
            body = json.dumps(session_body(leaver))
            with Peer(service) as peer:
                lines = ("Content-Type: application/json", f"Content-Length: {len(body)}")
                peer.send(head(service, *lines), body)
                check_alive(service)  # on another connection, so what came before has been read
            check_alive(service)
        assert opening.result() == 201
    assert open_one(service, ahead) == 201  # came later, so by now the leaver has had its turn
    with service.client() as client:
        sessions = client.get("/sessions", params={"device_id": leaver.device_id}).json()["items"]
        assert sessions == []
    [pool_row] = service.fetch("SELECT reserved_kbps FROM pools WHERE level = 0 AND pool_id = $1", leaver.device_id)
    assert pool_row["reserved_kbps"] == 0
