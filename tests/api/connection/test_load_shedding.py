"""More requests than can be served, over sockets: who is refused is told so at once, and who gave up is not served."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from honeylink.api.connection.load_shedding import LoadShedding
from honeylink.domain.access import Role
from honeylink.domain.tokens import BearerToken
from honeylink.services.load_shedding.gate import AdmissionGate
from honeylink.services.load_shedding.states import State
from tests.api.connection.holding import full, holding, no_session_opens
from tests.api.peer import Peer, check_alive, check_problem, head
from tests.conftest import run_service, session_body

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.types import Message, Receive, Scope, Send

    from honeylink.settings import Settings
    from tests.conftest import Device, Service

MAX_OPENING = 3
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TOKEN = BearerToken(UUID(int=1), UUID(int=2), bytes(32))


@pytest.fixture(scope="module")
def small(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    with run_service(make_settings(max_opening_sessions=MAX_OPENING)) as running:
        yield running


def wait_for_lock_waiter(service: Service) -> None:
    """Until a statement waits for the pools."""
    deadline = time.monotonic() + 20
    query = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while not service.fetch(query)[0]["n"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_until_full(service: Service) -> None:
    """Until as many sessions are in progress as may be. One that waits for its body only counts again after it."""

    async def is_full() -> bool:
        return service.services.gate._counts[State.OPENING] == MAX_OPENING

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
        return client.post("/sessions", json=session_body(device, 1)).status_code


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
            with Peer(small) as peer:
                body = json.dumps(session_body(devices[-1]))
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


@pytest.fixture(scope="module")
def known(small: Service) -> Device:
    """A device whose token is known to be live."""
    device = small.new_device()
    assert open_one(small, device) == 201
    return device


@pytest.fixture(name="full")
def _full(small: Service) -> Iterator[None]:
    with full(small):
        yield


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


def test_of_those_that_arrive_together_no_more_are_admitted_than_may_be_in_progress(small: Service) -> None:
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
        # What is wrong with it is only found once it is admitted.
        assert sorted(peer.answer().status_code for peer in peers) == [400] * MAX_OPENING + [503] * 4 * MAX_OPENING
    finally:
        for peer in peers:
            peer.leave()


def test_who_has_no_known_token_takes_no_place_of_those_who_have(small: Service) -> None:
    device = small.new_device()
    assert open_one(small, device) == 201
    stranger = replace(device, token=small.token(Role.OPERATOR))
    with ThreadPoolExecutor(5 * MAX_OPENING) as pool:
        with holding(small, "LOCK TABLE tokens"):
            strangers = [pool.submit(open_one, small, stranger) for _ in range(5 * MAX_OPENING)]
            wait_for_lock_waiter(small)
            assert open_one(small, device) == 201
        assert {each.result() for each in strangers} <= {201, 503}


def test_of_unknown_tokens_that_arrive_together_no_more_are_looked_up_than_sessions_may_be_in_progress(
    small: Service,
) -> None:
    body = "[]"
    wrong = head(small, "Content-Type: application/json", f"Content-Length: {len(body)}")
    peers = [Peer(small) for _ in range(5 * MAX_OPENING)]
    try:
        for peer in peers:
            peer.send(head(small, method="GET", path="/healthz"))
            assert peer.answer().status_code == 200
        with nothing_is_read(small):
            for peer in peers:
                peer.send(wrong.replace(small.operator, small.operator[:-2] + "AA"), body)
        assert sorted(peer.answer().status_code for peer in peers) == [401] * MAX_OPENING + [503] * 4 * MAX_OPENING
    finally:
        for peer in peers:
            peer.leave()


@pytest.mark.usefixtures("full")
def test_refusing_the_unknown_says_nothing_of_what_there_is_to_do(small: Service, known: Device) -> None:
    """So it makes the limit no smaller for those who are known, however many unknown ones are refused."""

    async def refused() -> int:
        return small.services.gate._limit._refused

    before = small.loop.run(refused())
    unknown = small.operator[:-2] + "AA"
    for token in ("", "nonsense", unknown):
        with small.client(token) as client:
            assert client.post("/sessions", json=session_body(known)).status_code == 503
    with Peer(small) as peer:
        peer.send("POST /sessions HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        check_problem(peer.answer(), 503, "ERR_DEPENDENCY")
    assert small.loop.run(refused()) == before
    assert open_one(small, known) == 503
    assert small.loop.run(refused()) == before + 1


def on_the_way(gate: AdmissionGate) -> int:
    """Requests with known tokens that wait for the service, before their sessions are being opened."""
    return gate._counts[State.KNOWN]


def test_a_request_counts_before_its_session_is_being_opened() -> None:
    """From when it was admitted, or if its token was not known, from when it has been authenticated."""
    gate = AdmissionGate(9)
    seen: dict[str, int] = {}

    async def app(scope: Scope, receive: Receive, _: Send) -> None:
        await receive()
        seen[scope["path"]] = on_the_way(gate)

    async def run(*, known: bool) -> None:
        shedding = LoadShedding(app, gate, lambda _: TOKEN if known else None)
        scope = opening_scope("/sessions" if known else "/api/v1/sessions")
        assert not shedding.refuses(scope, ignore, keep_alive=True)
        assert on_the_way(gate) == known
        await shedding(scope, receive_nothing, send_nothing)
        assert on_the_way(gate) == 0

    asyncio.run(run(known=True))
    asyncio.run(run(known=False))
    assert seen == {"/sessions": 1, "/api/v1/sessions": 1}


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


def serve_at_once(
    app: Callable[[Scope, Receive, Send], Awaitable[None]],
    gate: AdmissionGate,
    receive: Receive,
    send: Send,
    size: int = 100,
) -> list[asyncio.Task[None]]:
    """So many that ask for sessions at the same moment."""
    shedding = LoadShedding(app, gate, lambda _: TOKEN)
    scopes = [opening_scope("/sessions", number=number) for number in range(size)]
    assert not any(shedding.refuses(scope, ignore, keep_alive=True) for scope in scopes)
    return [asyncio.create_task(shedding(scope, receive, send)) for scope in scopes]


def opening_scope(path: str, **fields: object) -> Scope:
    """A request for a session, as far as the gate looks at it."""
    return {"method": "POST", "path": path, "headers": [], "state": {}, **fields}


async def receive_nothing() -> Message:
    return {}


async def send_nothing(_: Message) -> None:
    return


def ignore(_: bytes) -> None:
    return


def test_a_burst_begins_a_few_at_a_time_in_the_order_in_which_it_came() -> None:
    begun: list[int] = []
    gate = AdmissionGate(1000)

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        begun.append(scope["number"])

    async def run() -> list[int]:
        burst = serve_at_once(app, gate, receive_nothing, send_nothing)
        in_a_pass = []
        while not all(each.done() for each in burst):
            before = len(begun)
            await asyncio.sleep(0)
            in_a_pass.append(len(begun) - before)
            assert on_the_way(gate) == sum(not each.done() for each in burst)
            if len(in_a_pass) == 2:
                burst[70].cancel()
        return in_a_pass

    assert max(asyncio.run(run())) == 16
    assert begun == [number for number in range(100) if number != 70]


def test_a_refusal_is_answered_once_and_later() -> None:
    answers: list[bytes] = []

    async def run() -> None:
        gate = AdmissionGate(0)
        shedding = LoadShedding(send_nothing, gate, lambda _: TOKEN)  # type: ignore[arg-type]  # nothing is served
        assert shedding.refuses(opening_scope("/sessions"), answers.append, keep_alive=True)
        assert not answers
        done = asyncio.Event()
        gate.turns.refuse_later(done.set)
        await asyncio.wait_for(done.wait(), 5)

    asyncio.run(run())
    [answer] = answers
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")


def test_what_is_up_to_the_client_does_not_count() -> None:
    gate = AdmissionGate(9)
    seen: dict[str, int] = {}

    def look(at: str) -> None:
        seen[at] = on_the_way(gate)

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
        [one] = serve_at_once(app, gate, receive, send, size=1)
        await one

    asyncio.run(run())
    assert seen == {"before the body": 1, "waiting for the body": 0, "after the body": 1, "waiting to be read": 0}
