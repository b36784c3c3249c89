"""Connections that are too slow, too large or no HTTP: each gets its problem, soon, and the service stays well."""

from __future__ import annotations

import gc
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import TYPE_CHECKING
from weakref import WeakSet

import pytest

from honeylink.api.connection.protocol import MAX_HEADER_BYTES, MAX_HEADER_FIELDS, Connection
from tests.api.connection.holding import full
from tests.api.connection.open_connections import connections, connections_here, wait_for
from tests.api.peer import (
    MAX_BODY_BYTES,
    PATIENCE_SECONDS,
    Peer,
    check_alive,
    check_problem,
    head,
    post,
)
from tests.conftest import Device, Service, run_service, session_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from honeylink.settings import Settings


@pytest.fixture(scope="module")
def impatient(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    """A service that waits for no one."""
    with run_service(make_settings(header_timeout_seconds=0.3, body_timeout_seconds=0.3)) as running:
        yield running


@pytest.fixture(scope="module")
def unread(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    """A service that gives up soon on who reads nothing."""
    with run_service(make_settings(write_timeout_seconds=0.3)) as running:
        yield running


@pytest.fixture(scope="module")
def device(service: Service) -> Device:
    return service.new_device()


@pytest.fixture(autouse=True)
def _well_afterwards(service: Service) -> Iterator[None]:
    yield
    check_alive(service)


class TestSize:
    def test_length_above_the_limit_is_refused_before_the_body_comes(self, service: Service) -> None:
        with Peer(service) as peer:
            peer.send(head(service, "Content-Type: application/json", f"Content-Length: {10**12}"))
            check_problem(peer.answer(), 413, "ERR_TOO_LARGE")

    def test_chunks_above_the_limit_are_refused_before_all_came(self, service: Service) -> None:
        chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
        with Peer(service) as peer:
            peer.send(head(service, "Content-Type: application/json", "Transfer-Encoding: chunked"))
            for _ in range(MAX_BODY_BYTES // 0x4000 + 1):
                peer.send(chunk)
            check_problem(peer.answer(), 413, "ERR_TOO_LARGE")

    def test_refused_body_without_end_ends_the_connection(self, impatient: Service) -> None:
        chunk = b"400\r\n" + b" " * 0x400 + b"\r\n"
        with Peer(impatient) as peer:
            peer.send(head(impatient, "Content-Type: application/json", "Transfer-Encoding: chunked"))
            for _ in range(10_000):
                if not peer.send(chunk) or peer.next_byte(0.001) == b"":
                    return
        pytest.fail("the server took ten thousand chunks of a refused body")

    def test_body_of_the_longest_length_is_read(self, service: Service, device: Device) -> None:
        text = json.dumps(session_body(device, 1))
        assert post(service, text.ljust(MAX_BODY_BYTES)).status_code == 201
        check_problem(post(service, text.ljust(MAX_BODY_BYTES + 1)), 413, "ERR_TOO_LARGE")

    def test_header_above_the_limit(self, service: Service) -> None:
        with Peer(service) as peer:
            peer.send("GET /healthz HTTP/1.1\r\n")
            for number in range(MAX_HEADER_BYTES // 1024 + 1):
                peer.send(f"X-Filler-{number}: {'x' * 1024}\r\n")
            check_problem(peer.answer(), 413, "ERR_TOO_LARGE")
            assert peer.rest() == b""

    def test_one_header_line_without_end(self, service: Service) -> None:
        with Peer(service) as peer:
            peer.send("GET /healthz HTTP/1.1\r\nX-Filler: ")
            for _ in range(2 * MAX_HEADER_BYTES // 1024):
                peer.send("x" * 1024)
            check_problem(peer.answer(), 413, "ERR_TOO_LARGE")

    @pytest.mark.parametrize("pieces", [1, 2, 40])
    @pytest.mark.parametrize("place", ["target", "name", "value"])
    def test_header_limit_holds_however_it_arrives(self, service: Service, place: str, pieces: int) -> None:
        def request(longer_bytes: int) -> str:
            target, name, value = "/nowhere", "X-Name", "value"
            filler = "x" * (MAX_HEADER_BYTES - len(f"{target}{name}{value}") - 4 + longer_bytes)
            match place:
                case "target":
                    target += filler
                case "name":
                    name += filler
                case _:
                    value += filler
            return f"GET {target} HTTP/1.1\r\n{name}: {value}\r\n\r\n"

        for longer_bytes, status in ((0, 404), (1, 413)):
            sent = request(longer_bytes)
            with Peer(service) as peer:
                for piece in range(pieces):
                    peer.send(sent[len(sent) * piece // pieces : len(sent) * (piece + 1) // pieces])
                assert peer.answer().status_code == status

    def test_number_of_header_fields(self, service: Service) -> None:
        with Peer(service) as peer:
            peer.send("GET /nowhere HTTP/1.1\r\n" + "A:b\r\n" * MAX_HEADER_FIELDS + "\r\n")
            assert peer.answer().status_code == 404
            peer.send("GET /nowhere HTTP/1.1\r\n" + "A:b\r\n" * (MAX_HEADER_FIELDS + 1) + "\r\n")
            check_problem(peer.answer(), 400, "ERR_VALIDATION")
            assert peer.rest() == b""

    def test_trailer_above_the_limit(self, service: Service) -> None:
        with Peer(service) as peer:
            peer.send(head(service, "Content-Type: application/json", "Transfer-Encoding: chunked") + "0\r\n")
            for number in range(2 * MAX_HEADER_BYTES // 1024):
                peer.send(f"X-Filler-{number}: {'x' * 1024}\r\n")
            check_problem(peer.answer(), 413, "ERR_TOO_LARGE")
            assert peer.rest() == b""

    @pytest.mark.parametrize("authorization", ["", "Authorization: Bearer TOKEN\r\n"], ids=["unknown", "known"])
    @pytest.mark.parametrize(
        ("start", "part"),
        [
            ("0\r\nX-Trailer: ", "a"),
            ("0\r\n", "a"),
            ("0\r\nX-Trailer:", " "),
            ("0\r\n", "X-Trailer:                               \r\n"),
            ("1;", "a"),
            ("1;a=", "b"),
            ('1;a="', "b"),
            ("", "0"),
        ],
    )
    def test_chunked_framing_without_end(self, service: Service, authorization: str, start: str, part: str) -> None:
        """It ends the connection, soon enough that what the parser has of it costs nothing."""
        piece = (part * 4096)[: 4096 // len(part) * len(part)]
        with Peer(service) as peer:
            line = "POST /sessions HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
            peer.send(line + authorization.replace("TOKEN", service.operator) + "\r\n" + start)
            if not authorization:
                check_problem(peer.answer(), 401, "ERR_AUTH")
            for _ in range(50):
                check_alive(service)  # on another connection, so what came before has been read
                if not peer.send(piece):
                    break
            else:
                pytest.fail("the server took 200 KB of it")
            if authorization:
                assert peer.answer().status_code in {400, 413}
            assert peer.rest() == b""

    def test_long_path(self, service: Service) -> None:
        with service.client() as client:
            check_problem(client.get("/sessions/" + "x" * 20_000), 404, "ERR_NOT_FOUND")
            check_problem(client.get("/" + "x" * 20_000), 404, "ERR_NOT_FOUND")


class TestBodyBehindAnAnswer:
    """An answer that comes before its body has been read: the connection goes on, is waited for, or ends."""

    @pytest.mark.parametrize("limit_bytes", [MAX_BODY_BYTES, 1_000_000])
    @pytest.mark.parametrize("sent_bytes", [0, 1_000, 66_000, 69_999, 70_000])
    @pytest.mark.parametrize("early", ["unauthorized", "unreadable", "refused", "unrouted"])
    def test_whole_or_in_part(self, unbusy: dict[int, Service], early: str, sent_bytes: int, limit_bytes: int) -> None:
        service = unbusy[limit_bytes]
        length = "Content-Length: 70000"
        start, statuses = {
            "unauthorized": (f"POST /sessions HTTP/1.1\r\n{length}\r\n\r\n", {401}),
            "unreadable": (head(service, "Content-Type: text/plain", length), {400, 413, 415}),
            "refused": (head(service, "Content-Type: application/json", length), {503}),
            "unrouted": (head(service, length, path="/nowhere"), {404}),
        }[early]
        with full(service) if early == "refused" else nullcontext(), Peer(service) as peer:
            peer.send(start + "x" * sent_bytes)
            assert peer.answer().status_code in statuses
            check_none_is_left(service)
            if peer.send(
                "x" * (70_000 - sent_bytes), head(service, "Connection: close", method="GET", path="/healthz")
            ):
                check_none_is_left(service)
            rest = peer.rest()
            assert rest.startswith(b"HTTP/1.1 200 OK") if limit_bytes > 70_000 else rest == b""

    @pytest.mark.parametrize("sent_bytes", [0, 66_000, 69_999])
    def test_the_rest_is_not_waited_for(self, impatient: Service, sent_bytes: int) -> None:
        with Peer(impatient) as peer:
            peer.send("POST /sessions HTTP/1.1\r\nContent-Length: 70000\r\n\r\n" + "x" * sent_bytes)
            check_problem(peer.answer(), 401, "ERR_AUTH")
            assert peer.rest() == b""


@pytest.fixture(scope="module")
def unbusy(make_settings: Callable[..., Settings]) -> Iterator[dict[int, Service]]:
    """Services by the longest body that they take."""
    with (
        run_service(make_settings(max_body_bytes=MAX_BODY_BYTES)) as usual,
        run_service(make_settings(max_body_bytes=1_000_000)) as patient,
    ):
        yield {MAX_BODY_BYTES: usual, 1_000_000: patient}


def check_none_is_left(service: Service) -> None:
    """Each connection is being served, has a deadline or is on its way to its end."""

    async def check() -> None:
        for each in connections_here(service):
            is_closing = each._transport.is_closing()
            assert is_closing or each._serving is not None or each._deadlines.awaited is not None, each._phase

    check_alive(service)  # on another connection, so what came before has been read
    service.loop.run(check())


class TestSlowness:
    def test_silence_ends_the_connection(self, impatient: Service) -> None:
        with Peer(impatient) as peer:
            check_problem(peer.answer(), 408, "ERR_TIMEOUT")
            assert peer.rest() == b""

    @pytest.mark.parametrize("drop", [b"\r\n", b"G", b"x", b" "])
    def test_dribble_ends_the_connection(self, impatient: Service, drop: bytes) -> None:
        """Byte after byte, each well within the deadline; together they are not."""
        with Peer(impatient) as peer:
            for _ in range(1000):
                if not peer.send(drop) or peer.next_byte(0.02) is not None:
                    return
        pytest.fail("the server took a thousand drops")

    def test_dribbled_header(self, impatient: Service) -> None:
        with Peer(impatient) as peer:
            peer.send("GET /healthz HTTP/1.1\r\n")
            for number in range(1000):
                if not peer.send(f"X-Filler-{number}: x\r\n") or peer.next_byte(0.02) is not None:
                    return
        pytest.fail("the server took a header for twenty seconds")

    def test_unfinished_header(self, impatient: Service) -> None:
        with Peer(impatient) as peer:
            peer.send("GET /healthz HTTP/1.1\r\nHost: te")
            check_problem(peer.answer(), 408, "ERR_TIMEOUT")
            assert peer.rest() == b""

    def test_empty_lines_after_an_answer(self, impatient: Service) -> None:
        with Peer(impatient) as peer:
            peer.send("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
            assert peer.answer().status_code == 200
            for _ in range(1000):
                if not peer.send("\r\n") or peer.next_byte(0.02) is not None:
                    return
        pytest.fail("the server took a thousand empty lines")

    def test_unfinished_body(self, impatient: Service) -> None:
        with Peer(impatient) as peer:
            peer.send(head(impatient, "Content-Type: application/json", "Content-Length: 100"), '{"device_id":')
            check_problem(peer.answer(), 408, "ERR_TIMEOUT")

    def test_dribbled_body(self, impatient: Service) -> None:
        with Peer(impatient) as peer:
            peer.send(head(impatient, "Content-Type: application/json", "Transfer-Encoding: chunked"))
            for _ in range(1000):
                if not peer.send("1\r\n \r\n") or peer.next_byte(0.02) is not None:
                    return
        pytest.fail("the server took a body for twenty seconds")

    def test_body_for_nobody(self, impatient: Service) -> None:
        """A body that no route reads is not waited for either."""
        with Peer(impatient) as peer:
            peer.send(head(impatient, "Content-Length: 100", method="GET"))
            assert peer.answer().status_code == 200
            assert peer.next_byte(PATIENCE_SECONDS) == b""

    def test_silent_peers_keep_no_one_waiting(self, impatient: Service) -> None:
        peers = [Peer(impatient) for _ in range(200)]
        try:
            check_alive(impatient)
        finally:
            for peer in peers:
                peer.leave()


class TestUnreadAnswers:
    @pytest.mark.parametrize("last", ["", "GET /docs HTTP/1.1\r\nConnection: close\r\n\r\n", "\0"], ids=repr)
    @pytest.mark.parametrize("times", [1, 50])
    def test_who_reads_nothing_is_cut_off(self, unread: Service, times: int, last: str) -> None:
        with narrow_peer(unread) as peer:
            peer.send("GET /docs HTTP/1.1\r\n\r\n" * times + last)
            wait_for(lambda: not connections(unread))
            with unread.client() as client:
                page_bytes = len(client.get("/docs").content)
            assert len(peer.rest()) < page_bytes

    def test_who_reads_slowly_but_reads_gets_all(self, unread: Service) -> None:
        with narrow_peer(unread) as peer:
            peer.send("GET /docs HTTP/1.1\r\n\r\n" * 5)
            for _ in range(5):
                assert peer.answer().status_code == 200

    def test_what_nobody_reads_takes_little_memory(self, service: Service) -> None:
        """What queues is bounded, and nothing begins while as much is unsent as may be."""
        with narrow_peer(service) as peer:
            peer.send_some("GET /docs HTTP/1.1\r\n\r\n" * 100_000)
            [connection] = connections(service)
            wait_for(lambda: connection._flow.write_paused)
            assert 0 < len(connection._queue) < 50
            assert connection._transport.get_write_buffer_size() < 400_000
            assert len(connection._received) < 300_000


def narrow_peer(service: Service) -> Peer:
    """A peer with the only connection there is, on which hardly anything is under way that has not been read."""
    wait_for(lambda: not connections(service))
    peer = Peer(service, receive_buffer_bytes=4096)
    wait_for(lambda: len(connections(service)) == 1)

    async def narrow() -> None:
        [connection] = connections_here(service)
        connection._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    service.loop.run(narrow())
    return peer


def test_who_sends_faster_than_it_is_answered_does_not_fill_the_memory(service: Service) -> None:
    requests = 1500 * head(service, "X-Filler: " + 1000 * "x", method="GET", path="/nowhere")

    def unanswered() -> int:
        return max(len(each._queue) for each in gc.get_objects() if type(each) is Connection)

    most = 0
    with Peer(service) as peer, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(peer.send, requests)
        for number in range(1500):
            assert peer.answer().status_code == 404
            if number % 50 == 0:
                most = max(most, unanswered())
        assert sending.result()
    assert most < 300, "as many as are read at once"


def test_a_connection_that_has_ended_leaves_nothing_for_the_garbage_collector(service: Service, device: Device) -> None:
    def connections() -> WeakSet[object]:
        return WeakSet(each for each in gc.get_objects() if type(each) is Connection)

    before, ended = connections(), WeakSet[object]()
    gc.disable()
    try:
        for _ in range(10):
            with service.client(device.token) as client:
                assert client.post("/sessions", json=session_body(device)).status_code == 201
                this = connections() - before - ended
                assert this
                ended |= this
        with Peer(service) as peer:
            peer.send(head(service, method="GET") * 3)  # it goes with requests in line
            assert peer.answer().status_code == 200
            ended |= connections() - before
        del this
        deadline = time.monotonic() + PATIENCE_SECONDS
        while ended and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not ended
    finally:
        gc.enable()
