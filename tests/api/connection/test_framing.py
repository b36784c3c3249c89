"""Framing on a connection: pipelines, broken requests and bodies, and which answers stay."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from honeylink.api.connection.protocol import MAX_HEADER_BYTES
from tests.api.connection.holding import holding, no_session_opens
from tests.api.connection.open_connections import connections, connections_here, wait_for
from tests.api.peer import (
    Peer,
    check_alive,
    check_problem,
    head,
)
from tests.conftest import PUBLIC_KEY, Device, Service, run_service, session_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from honeylink.settings import Settings


@pytest.fixture(scope="module")
def impatient(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    """A service that waits for no one."""
    with run_service(make_settings(header_timeout_seconds=0.3, body_timeout_seconds=0.3)) as running:
        yield running


@pytest.fixture(scope="module")
def device(service: Service) -> Device:
    return service.new_device()


@pytest.fixture(autouse=True)
def _well_afterwards(service: Service) -> Iterator[None]:
    yield
    check_alive(service)


def check_alive_without_database(service: Service) -> None:
    """It still does its work, so what came before on other connections has been read."""
    with service.client() as client:
        assert client.get("/metrics").status_code == 200


class TestFraming:
    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"GET\r\n\r\n",
            b"HELLO world\r\n\r\n",
            b"GET /healthz HTTP/9.9\r\n\r\n",
            b"GET /healthz\x00 HTTP/1.1\r\nHost: test\r\n\r\n",
            b"GET /h\xc3\xa4lthz HTTP/1.1\r\nHost: test\r\n\r\n",
            b"GET /\xff\xfe HTTP/1.1\r\nHost: test\r\n\r\n",
            b"CONNECT example.com:443 HTTP/1.1\r\nHost: test\r\n\r\n",
            b"OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n",
            b"GET http://[::1 HTTP/1.1\r\nHost: test\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost : test\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nX-Name: a\x00b\r\n\r\n",
            b"POST /sessions HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"POST /sessions HTTP/1.1\r\nContent-Length: ten\r\n\r\n",
            b"POST /sessions HTTP/1.1\r\nContent-Length: 1e3\r\n\r\n",
            b"POST /sessions HTTP/1.1\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n",
            b"POST /sessions HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            b"POST /sessions HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST /sessions HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        ],
        ids=repr,
    )
    def test_no_request(self, service: Service, request_bytes: bytes) -> None:
        with Peer(service) as peer:
            peer.send(request_bytes)
            answer = peer.answer()
            assert 400 <= answer.status_code < 500
            check_problem(answer, answer.status_code, answer.json()["error_code"])

    @pytest.mark.parametrize("chunk", [b"zz\r\n", b"-1\r\n", b"fffffffffffffffff\r\n", b"5\r\nabcdefgh\r\n"], ids=repr)
    def test_broken_chunks(self, service: Service, chunk: bytes) -> None:
        with Peer(service) as peer:
            peer.send(head(service, "Content-Type: application/json", "Transfer-Encoding: chunked"), chunk)
            check_problem(peer.answer(), 400, "ERR_VALIDATION")
            assert peer.rest() == b""

    def test_pipelined_requests_are_answered_in_order(self, service: Service, device: Device) -> None:
        bodies = [json.dumps(session_body(device, kbps)) for kbps in (1, 2, 3)]
        opening = [
            head(service, "Content-Type: application/json", f"Content-Length: {len(body)}") + body for body in bodies
        ]
        reading = head(service, method="GET", path="/nowhere")
        with Peer(service) as peer:
            peer.send(opening[0] + reading + opening[1] + reading + opening[2])
            answers = [peer.answer() for _ in range(5)]
        assert [answer.status_code for answer in answers] == [201, 404, 201, 404, 201]
        opened = [answer.json()["streams"][0]["allocated_bandwidth_kbps"] for answer in answers[::2]]
        assert opened == [1, 2, 3]

    def test_garbage_behind_a_request_does_not_take_its_answer(self, service: Service, device: Device) -> None:
        body = json.dumps(session_body(device, 1))
        with Peer(service) as peer:
            peer.send(head(service, "Content-Type: application/json", f"Content-Length: {len(body)}") + body)
            peer.send(b"\x00garbage\r\n\r\n")
            assert peer.answer().status_code == 201
            check_problem(peer.answer(), 400, "ERR_VALIDATION")
            assert peer.rest() == b""

    def test_garbage_in_the_same_packet_does_not_take_the_answer(self, service: Service, device: Device) -> None:
        body = json.dumps(session_body(device, 1))
        opening = head(service, "Content-Type: application/json", f"Content-Length: {len(body)}") + body
        with Peer(service) as peer:
            peer.send(opening + opening + "\0garbage\r\n\r\n")
            assert [peer.answer().status_code, peer.answer().status_code] == [201, 201]
            check_problem(peer.answer(), 400, "ERR_VALIDATION")
            assert peer.rest() == b""

    def test_answer_before_a_broken_body_stays_the_only_one(self, service: Service) -> None:
        with Peer(service) as peer:
            peer.send("POST /sessions HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
            check_problem(peer.answer(), 401, "ERR_AUTH")
            peer.send("zz\r\n")
            assert peer.rest() == b""

    def test_a_fault_does_not_take_the_answers_before_it(self, service: Service) -> None:
        """Whatever it is, and though nothing has been answered when it is found."""
        opening = head(service, "Content-Length: 2") + "[]"
        for fault, status in (
            ("\0", 400),
            ("GET /\0 HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nX: " + "x" * (MAX_HEADER_BYTES + 1), 413),
            (head(service, "Transfer-Encoding: chunked") + "zz\r\n", 400),
            (head(service, "Content-Length: 5", "Transfer-Encoding: chunked"), 400),
        ):
            with Peer(service) as peer:
                peer.send(opening * 3 + fault, opening)
                assert [peer.answer().status_code for _ in range(4)] == [400, 400, 400, status], fault
                assert peer.rest() == b""

    def test_what_was_carried_out_is_told_before_the_fault_behind_it(self, service: Service) -> None:
        body = {"device_id": "behind-a-fault", "public_key": PUBLIC_KEY, "firmware_version": "1.0.0"}
        text = json.dumps(body)
        lines = ("Content-Type: application/json", f"Content-Length: {len(text)}")
        with Peer(service) as peer:
            peer.send(
                head(service, *lines, path="/devices") + text + head(service, "Transfer-Encoding: chunked") + "zz"
            )
            answer = peer.answer()
            assert answer.status_code == 201
            assert answer.json()["device_token"]
            check_problem(peer.answer(), 400, "ERR_VALIDATION")
            assert peer.rest() == b""

    @pytest.mark.parametrize("broken", ["zz\r\n", "0\r\nno colon\r\n\r\n", "0\r\nX: " + "x" * 40_000])
    def test_what_is_carried_out_without_its_body_has_its_own_answer(
        self, service: Service, device: Device, broken: str
    ) -> None:
        with service.client(device.token) as client:
            session_id = client.post("/sessions", json=session_body(device, 1)).json()["session_id"]
        ending = head(service, "Transfer-Encoding: chunked", method="DELETE", path=f"/sessions/{session_id}")
        with Peer(service) as peer:
            with holding(service, "LOCK TABLE sessions"):
                peer.send(ending)
                check_alive_without_database(service)
                peer.send(broken)
                check_alive_without_database(service)
            answer = peer.answer()
            assert answer.status_code == 200
            assert answer.json()["session_id"] == session_id
            assert answer.headers["connection"] == "close"
            assert peer.rest() == b""

    @pytest.mark.parametrize("behind", ["GET / HTTP/1.1\r\nHost: te", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"])
    def test_slowness_does_not_take_the_answers_before_it(self, impatient: Service, behind: str) -> None:
        device = impatient.new_device()
        text = json.dumps(session_body(device, 1))
        opening = head(impatient, "Content-Type: application/json", f"Content-Length: {len(text)}") + text
        with Peer(impatient) as peer:
            with no_session_opens(impatient):
                peer.send(opening + behind)
                # Longer than its deadlines for a client: the service's own time is none of the client's.
                assert peer.next_byte(1.6) is None
            peer.wait_longer()
            assert peer.answer().status_code == 201
            assert peer.answer().status_code in {401, 404, 408}
            assert peer.rest() == b""

    def test_a_stopping_server_answers_what_it_has_read(self, service: Service, device: Device) -> None:
        text = json.dumps(session_body(device, 1))
        opening = head(service, "Content-Type: application/json", f"Content-Length: {len(text)}") + text

        async def shut_down() -> None:
            [connection] = connections_here(service)
            connection.shutdown()

        wait_for(lambda: not connections(service))
        with Peer(service) as peer:
            with no_session_opens(service):
                peer.send(opening * 3)
                wait_for(lambda: [len(each._queue) for each in connections(service)] == [2])
                service.loop.run(shut_down())
            assert [peer.answer().status_code for _ in range(3)] == [201, 201, 201]
            assert peer.rest() == b""

    def test_pipelined_requests_have_traces_of_their_own(self, service: Service) -> None:
        with Peer(service) as peer:
            peer.send(head(service, method="GET") * 3)
            assert len({peer.answer().headers["traceparent"].split("-")[1] for _ in range(3)}) == 3

    def test_a_trailer_is_no_header(self, service: Service) -> None:
        with Peer(service) as peer:
            chunks = f"0\r\nAuthorization: Bearer {service.operator}\r\n\r\n"
            peer.send(f"POST /sessions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
            check_problem(peer.answer(), 401, "ERR_AUTH")

    def test_expecting_100_continue(self, service: Service, device: Device) -> None:
        body = json.dumps(session_body(device, 1))
        lines = ("Content-Type: application/json", f"Content-Length: {len(body)}", "Expect: 100-continue")
        with Peer(service) as peer:
            peer.send(head(service, *lines))
            assert peer.answer(body=False).status_code == 100
            peer.send(body)
            assert peer.answer().status_code == 201

    def test_http_1_0_knows_no_100_continue(self, service: Service, device: Device) -> None:
        """RFC 9110 section 10.1.1: its client would take that for the answer."""
        body = json.dumps(session_body(device, 1))
        lines = ("Content-Type: application/json", f"Content-Length: {len(body)}", "Expect: 100-continue")
        with Peer(service) as peer:
            peer.send(head(service, *lines).replace("HTTP/1.1", "HTTP/1.0"), body)
            assert peer.answer().status_code == 201
            assert peer.rest() == b""

    def test_unauthorized_body_is_not_asked_for(self, service: Service) -> None:
        with Peer(service) as peer:
            peer.send("POST /sessions HTTP/1.1\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
            assert check_problem(peer.answer(), 401, "ERR_AUTH")

    def test_upgrade_is_not_followed(self, service: Service) -> None:
        upgrade = head(service, "Connection: upgrade", "Upgrade: websocket", method="GET")
        with Peer(service) as peer:
            peer.send(upgrade)
            assert peer.answer().status_code == 200
            peer.send(upgrade + upgrade + head(service, method="GET", path="/nowhere"))
            assert [peer.answer().status_code for _ in range(3)] == [200, 200, 404]

    @pytest.mark.parametrize("sent_bytes", [0, 1, 40])
    def test_leaving_in_the_middle_of_a_body(self, service: Service, device: Device, sent_bytes: int) -> None:
        before = len(service.fetch("SELECT FROM sessions"))
        body = json.dumps(session_body(device, 1))
        for _ in range(20):
            with Peer(service) as peer:
                length = f"Content-Length: {len(body)}"
                peer.send(head(service, "Content-Type: application/json", length), body[:sent_bytes])
        check_alive(service)
        assert len(service.fetch("SELECT FROM sessions")) == before
