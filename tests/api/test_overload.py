"""More requests than can be served, over sockets: who is refused hears so at once, and who gave up is not served."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg
import pytest
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from honeylink.api.overload import Overload
from honeylink.domain.access import Role
from honeylink.services.opening import Expected
from tests.api.peer import MAX_BODY_BYTES, Peer, check_alive, check_problem, head
from tests.conftest import run_service, session_body

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from contextlib import AbstractContextManager

    from starlette.types import Message, Receive, Scope, Send

    from honeylink.settings import Settings
    from tests.conftest import Device, Service

MAX_OPENING = 3
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def small(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    with run_service(make_settings(max_opening_sessions=MAX_OPENING)) as running:
        yield running


@contextmanager
def holding(service: Service, lock: str) -> Iterator[None]:
    """Hold what a statement locks."""

    async def hold() -> asyncpg.Connection[asyncpg.Record]:
        connection = await asyncpg.connect(service.dsn)
        await connection.execute(f"BEGIN; {lock}")
        return connection

    connection = service.loop.run(hold())
    try:
        yield
    finally:
        service.loop.run(connection.close())


def no_session_opens(service: Service) -> AbstractContextManager[None]:
    """What is to be opened waits in the database, for the tenants' pools."""
    return holding(service, "SELECT 1 FROM pools WHERE level = 1 FOR UPDATE")


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


@contextmanager
def nothing_is_read(service: Service) -> Iterator[None]:
    """Hold up the service's loop: what arrives meanwhile is read in one pass of it."""
    held, go_on = threading.Event(), threading.Event()

    async def hold() -> None:
        held.set()
        go_on.wait(20)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(service.loop.run, hold())
        assert held.wait(20)
        try:
            yield
        finally:
            go_on.set()
        holding.result()


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


def test_of_those_that_arrive_together_no_more_are_let_in_than_may_be_in_progress(small: Service) -> None:
    body = "[]"
    wrong = head(small, "Content-Type: application/json", f"Content-Length: {len(body)}")
    peers = [Peer(small) for _ in range(5 * MAX_OPENING)]
    try:
        for peer in peers:
            peer.send(head(small, method="GET"))
            assert peer.answer().status_code == 200
        with nothing_is_read(small):
            for peer in peers:
                peer.send(wrong, body)
        # What is wrong with it is only found once it is let in.
        assert sorted(peer.answer().status_code for peer in peers) == [400] * MAX_OPENING + [503] * 4 * MAX_OPENING
    finally:
        for peer in peers:
            peer.leave()


def test_who_is_on_the_way_counts_before_it_is_in_progress(small: Service) -> None:
    *first, last = [small.new_device() for _ in range(MAX_OPENING + 1)]
    unknown = [replace(device, token=small.token(Role.OPERATOR)) for device in first]
    with ThreadPoolExecutor(MAX_OPENING) as pool:
        with holding(small, "LOCK TABLE tokens"):
            opening = [pool.submit(open_one, small, device) for device in unknown]
            wait_until_full(small)
            assert open_one(small, last) == 503
        assert [each.result() for each in opening] == [201] * MAX_OPENING
    assert open_one(small, last) == 201


def test_who_waits_for_a_slow_client_does_not_count(small: Service) -> None:
    device = small.new_device()
    assert open_one(small, device) == 201
    body = json.dumps(session_body(device))
    peers = [Peer(small) for _ in range(MAX_OPENING)]
    try:
        for peer in peers:
            lines = (f"Authorization: Bearer {device.token}", f"Content-Length: {len(body)}")
            peer.send(head(small, "Content-Type: application/json", *lines), body[:10])
        check_alive(small)  # on another connection, so what came before has been read
        assert open_one(small, device) == 201
    finally:
        for peer in peers:
            peer.leave()


def serve_crowd(
    app: Callable[[Scope, Receive, Send], Awaitable[None]], count: Callable[[int], None], receive: Receive, send: Send
) -> list[asyncio.Task[None]]:
    """A hundred that ask for sessions at the same moment."""
    overload = Overload(app, lambda _: False, lambda: Expected(count), MAX_BODY_BYTES, STATUS_LINE)
    scopes = [{"method": "POST", "path": "/sessions", "number": number} for number in range(100)]
    return [asyncio.create_task(overload(scope, receive, send)) for scope in scopes]


async def receive_nothing() -> Message:
    return {}


async def send_nothing(_: Message) -> None:
    return


def test_a_crowd_begins_a_few_at_a_time_in_the_order_in_which_it_came() -> None:
    begun: list[int] = []
    counted: list[int] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        begun.append(scope["number"])

    async def run() -> list[int]:
        crowd = serve_crowd(app, counted.append, receive_nothing, send_nothing)
        in_a_pass = []
        while not all(each.done() for each in crowd):
            before = len(begun)
            await asyncio.sleep(0)
            in_a_pass.append(len(begun) - before)
            assert sum(counted) == sum(not each.done() for each in crowd)
            if len(in_a_pass) == 2:
                crowd[70].cancel()
        return in_a_pass

    assert max(asyncio.run(run())) == 16
    assert begun == [number for number in range(100) if number != 70]


def test_what_is_up_to_the_client_does_not_count() -> None:
    counted: list[int] = []
    seen: dict[str, int] = {}

    def look(at: str) -> None:
        seen[at] = sum(counted)

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        look("before the body")
        await receive()
        look("after the body")
        await send({})

    async def receive() -> Message:
        look("waiting for the body")
        return {}

    async def send(_: Message) -> None:
        look("waiting to be read")

    async def run() -> None:
        first, *others = serve_crowd(app, counted.append, receive, send)
        for other in others:
            other.cancel()
        await first

    asyncio.run(run())
    assert seen == {"before the body": 1, "waiting for the body": 0, "after the body": 1, "waiting to be read": 0}
