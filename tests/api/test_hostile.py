"""What clients must not be able to do: every abuse gets its problem, soon, and the service stays well."""

from __future__ import annotations

import base64
import json
import socket
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from honeylink.domain.access import Role
from tests.conftest import PUBLIC_KEY, Device, Service, run_service, session_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from honeylink.settings import Settings

PATIENCE_SECONDS = 20
MAX_BODY_BYTES = 65_536
MAX_HEADER_BYTES = 32_768


class Peer:
    """A client that sends whatever bytes it likes."""

    def __init__(self, service: Service) -> None:
        address = urlsplit(service.url)
        assert address.hostname is not None
        assert address.port is not None
        self._socket = socket.create_connection((address.hostname, address.port), PATIENCE_SECONDS)
        self._input = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Close the connection, whatever is still under way."""
        self._input.close()
        self._socket.close()

    def send(self, *parts: bytes | str) -> bool:
        """Send; False if the other side is not there any more."""
        try:
            for part in parts:
                self._socket.sendall(part.encode() if isinstance(part, str) else part)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def answer(self, *, body: bool = True) -> httpx.Response:
        """The next answer on the connection."""
        status_line = self._input.readline()
        assert status_line.startswith(b"HTTP/1.1 "), status_line
        headers = httpx.Headers()
        while line := self._input.readline().strip():
            name, _, value = line.decode("latin-1").partition(": ")
            headers[name] = value
        content = self._input.read(int(headers["content-length"])) if body else b""
        return httpx.Response(int(status_line.split()[1]), headers=headers, content=content)

    def next_byte(self, patience_seconds: float) -> bytes | None:
        """The next byte; none at the connection's end; None if nothing comes within the patience."""
        self._socket.settimeout(patience_seconds)
        try:
            return self._socket.recv(1)
        except ConnectionResetError:
            return b""
        except TimeoutError:
            return None

    def rest(self) -> bytes:
        """All that still comes before the connection ends."""
        try:
            return self._input.read()
        except ConnectionResetError:
            return b""


def check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """A problem as RFC 9457 and the design have it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["error_code"]) == (status, code)
    assert body["message"]
    assert body["detail"] == body["message"]
    version, trace_id, span_id, _ = answer.headers["traceparent"].split("-")
    assert (version, trace_id, len(span_id)) == ("00", body["trace_id"], 16)
    assert len(trace_id) == 32
    assert int(trace_id, 16)
    return body


def post(service: Service, content: bytes | str) -> httpx.Response:
    """`POST /sessions` with just these bytes, as an operator."""
    content = content.encode() if isinstance(content, str) else content
    with Peer(service) as peer:
        peer.send(head(service, "Content-Type: application/json", f"Content-Length: {len(content)}"), content)
        return peer.answer()


def faults_of(answer: httpx.Response) -> dict[str, str]:
    """The faults of a refused body by their pointers."""
    body = check_problem(answer, 400, "ERR_VALIDATION")
    return {fault["pointer"]: fault["message"] for fault in body["errors"]}


def head(service: Service, *lines: str, method: str = "POST", path: str = "/sessions") -> str:
    """A request's header with an operator's token."""
    all_lines = (f"{method} {path} HTTP/1.1", "Host: test", f"Authorization: Bearer {service.operator}", *lines)
    return "\r\n".join(all_lines) + "\r\n\r\n"


def check_alive(service: Service) -> None:
    """The service still does its work."""
    with Peer(service) as peer:
        peer.send(head(service, method="GET"))
        assert peer.answer().status_code == 200


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

    def test_long_path(self, service: Service) -> None:
        with service.client() as client:
            check_problem(client.get("/sessions/" + "x" * 20_000), 404, "ERR_NOT_FOUND")
            check_problem(client.get("/" + "x" * 20_000), 404, "ERR_NOT_FOUND")


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
            assert b"HTTP/1.1 2" not in peer.rest()

    def test_garbage_in_the_same_packet_does_not_take_the_answer(self, service: Service, device: Device) -> None:
        body = json.dumps(session_body(device, 1))
        opening = head(service, "Content-Type: application/json", f"Content-Length: {len(body)}") + body
        with Peer(service) as peer:
            peer.send(opening + opening + "\0garbage\r\n\r\n")
            assert [peer.answer().status_code, peer.answer().status_code] == [201, 201]
            assert peer.rest() == b""

    def test_answer_before_a_broken_body_stays_the_only_one(self, service: Service) -> None:
        with Peer(service) as peer:
            peer.send("POST /sessions HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
            check_problem(peer.answer(), 401, "ERR_AUTH")
            peer.send("zz\r\n")
            assert peer.rest() == b""

    def test_expecting_100_continue(self, service: Service, device: Device) -> None:
        body = json.dumps(session_body(device, 1))
        lines = ("Content-Type: application/json", f"Content-Length: {len(body)}", "Expect: 100-continue")
        with Peer(service) as peer:
            peer.send(head(service, *lines))
            assert peer.answer(body=False).status_code == 100
            peer.send(body)
            assert peer.answer().status_code == 201

    def test_unauthorized_body_is_not_asked_for(self, service: Service) -> None:
        with Peer(service) as peer:
            peer.send("POST /sessions HTTP/1.1\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
            assert check_problem(peer.answer(), 401, "ERR_AUTH")

    def test_upgrade_is_not_followed(self, service: Service) -> None:
        with Peer(service) as peer:
            peer.send(head(service, "Connection: upgrade", "Upgrade: websocket", method="GET"))
            assert peer.answer().status_code == 200

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


class TestRoutes:
    @pytest.mark.parametrize(
        "path",
        ["/", "//", "/nowhere", "/sessions/", "/api/v2/sessions", "/api/v1", "/sessions/a/b", "/%2e%2e/etc/passwd"],
    )
    def test_unknown_path(self, service: Service, path: str) -> None:
        with service.client() as client:
            check_problem(client.get(path), 404, "ERR_NOT_FOUND")

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("PUT", "/sessions", {"GET", "HEAD", "POST"}),
            ("TRACE", "/api/v1/sessions", {"GET", "HEAD", "POST"}),
            ("OPTIONS", "/sessions", {"GET", "HEAD", "POST"}),
            ("PATCH", "/sessions/x", {"DELETE", "GET", "HEAD"}),
            ("GET", "/devices/x/revoke", {"POST"}),
            ("HEAD", "/devices/x/pair", {"POST"}),
            ("DELETE", "/audit/events", {"GET", "HEAD"}),
            ("POST", "/healthz", {"GET", "HEAD"}),
        ],
    )
    def test_wrong_method(self, service: Service, method: str, path: str, allowed: set[str]) -> None:
        with service.client() as client:
            answer = client.request(method, path)
        assert {word.strip() for word in answer.headers["allow"].split(",")} == allowed
        if method == "HEAD":
            assert (answer.status_code, answer.content) == (405, b"")
        else:
            check_problem(answer, 405, "ERR_METHOD")

    @pytest.mark.parametrize("path", ["/sessions", "/healthz", "/audit/events", "/openapi.json"])
    def test_head_is_get_without_a_body(self, service: Service, path: str) -> None:
        token = service.token(Role.AUDITOR)
        with service.client(token) as client:
            answer = client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/sessions/%00", 400),
            ("/sessions/%0a%1b[31m", 400),
            ("/devices/%00", 400),
            ("/devices/dev%C2%85ice", 400),
            ("/devices/%ff%fe", 404),
            ("/devices/%ed%a0%80", 404),
            ("/devices/%zz", 404),
            ("/devices/ger%C3%A4t", 404),
            ("/sessions/%F0%9F%90%9D", 404),
            ("/sessions/00000000-0000-0000-0000-000000000000", 404),
            ("/sessions/{00000000-0000-0000-0000-000000000000}", 404),
            ("/sessions/" + "9" * 5000, 404),
        ],
    )
    @pytest.mark.parametrize("prefix", ["", "/api/v1"])
    def test_strange_ids(self, service: Service, prefix: str, path: str, status: int) -> None:
        with Peer(service) as peer:
            peer.send(head(service, method="GET", path=prefix + path))
            check_problem(peer.answer(), status, {400: "ERR_VALIDATION", 404: "ERR_NOT_FOUND"}[status])

    @pytest.mark.parametrize(
        "authorization",
        [
            "",
            "Bearer",
            "Bearer ",
            "Basic dXNlcjpwYXNz",
            "Bearer hl1_",
            "Bearer hl1_" + "A" * 107,
            "Bearer hl1_" + "=" * 107,
            "Bearer " + "x" * 8000,
            "Bearer hl1_\xff\xfe",
        ],
    )
    def test_bad_token(self, service: Service, authorization: str) -> None:
        with Peer(service) as peer:
            peer.send("GET /sessions HTTP/1.1\r\nAuthorization: ", authorization.encode("latin-1"), "\r\n\r\n")
            answer = peer.answer()
            check_problem(answer, 401, "ERR_AUTH")
            assert answer.headers["www-authenticate"].startswith("Bearer")


class TestQueries:
    @pytest.mark.parametrize(
        ("path", "pointer"),
        [
            ("/sessions?colour=red", "/colour"),
            ("/sessions?limit=1&limit=2", "/limit"),
            ("/sessions?limit=0", "/limit"),
            ("/sessions?limit=-1", "/limit"),
            ("/sessions?limit=201", "/limit"),
            ("/sessions?limit=1.5", "/limit"),
            ("/sessions?limit=%D9%A1", "/limit"),
            ("/sessions?limit=", "/limit"),
            ("/sessions?limit=" + "9" * 5000, "/limit"),
            ("/sessions?status=ACTIVE", "/status"),
            ("/sessions?status=gone", "/status"),
            ("/sessions?device_id=%00", "/device_id"),
            ("/sessions?device_id=a", "/device_id"),
            ("/sessions?cursor=", "/cursor"),
            ("/sessions?cursor=nonsense", "/cursor"),
            ("/sessions?cursor=%FF%FE", "/cursor"),
            ("/sessions?cursor=W10", "/cursor"),
            ("/sessions?cursor=bnVsbA", "/cursor"),
            ("/sessions?cursor=" + "W" * 512, "/cursor"),
            ("/sessions?cursor=" + "A" * 5000, "/cursor"),
            ("/sessions?%00=1", ""),
            ("/devices?status=active", "/status"),
            ("/devices?cursor=WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwieCJd", "/cursor"),
            ("/audit/events?since=yesterday", "/since"),
            ("/audit/events?since=1", "/since"),
            ("/audit/events?since=2026-02-30T00:00:00Z", "/since"),
            ("/audit/events?since=2026-01-01", "/since"),
            ("/audit/events?until=0000-00-00T00:00:00Z", "/until"),
            ("/audit/events?until=2026-01-01T24:01:00Z", "/until"),
            ("/audit/events?until=2026-01-01T00:00:00%2B99:99", "/until"),
            ("/audit/events?category=weather", "/category"),
        ],
    )
    def test_bad_query(self, service: Service, path: str, pointer: str) -> None:
        token = service.token(Role.AUDITOR)
        with service.client(token) as client:
            assert list(faults_of(client.get(path))) == [pointer]

    def test_all_faults_of_a_query_are_listed(self, service: Service) -> None:
        with service.client() as client:
            faults = faults_of(client.get("/sessions?limit=x&colour=red&status=gone&status=active"))
        assert set(faults) == {"/limit", "/colour", "/status"}

    @pytest.mark.parametrize(
        "moment",
        ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00%2B14:00", "1066-10-14T09:00:00Z"],
    )
    @pytest.mark.parametrize("bound", ["since", "until"])
    def test_absurd_moments(self, service: Service, bound: str, moment: str) -> None:
        with service.client(service.token(Role.AUDITOR)) as client:
            answer = client.get(f"/audit/events?{bound}={moment}")
        if answer.status_code != 200:
            assert list(faults_of(answer)) == [f"/{bound}"]

    @pytest.mark.parametrize(
        "cursor_row",
        [
            ["0001-01-01T00:00:00+14:00", "x"],
            ["9999-12-31T23:59:59.999999-14:00", "x"],
            ["2026-01-01T00:00:00+00:00", "\ud800"],
            ["2026-01-01T00:00:00+00:00", "\0"],
            ["2026-01-01T00:00:00+00:00", 5],
            ["2026-01-01T00:00:00+00:00", "x", "y"],
            {"0": "2026-01-01T00:00:00+00:00", "1": "x"},
        ],
    )
    @pytest.mark.parametrize("path", ["/devices", "/sessions", "/audit/events"])
    def test_forged_cursor(self, service: Service, path: str, cursor_row: object) -> None:
        cursor = base64.urlsafe_b64encode(json.dumps(cursor_row).encode()).rstrip(b"=").decode()
        with service.client(service.token(Role.ADMIN)) as client:
            answer = client.get(path, params={"cursor": cursor})
        if answer.status_code != 200:
            assert list(faults_of(answer)) == ["/cursor"]

    def test_cursor_of_another_list(self, service: Service) -> None:
        for _ in range(2):
            service.new_device()
        with service.client(service.token(Role.ADMIN)) as client:
            cursor = client.get("/devices?limit=1").json()["next_cursor"]
            assert list(faults_of(client.get("/sessions", params={"cursor": cursor}))) == ["/cursor"]
            assert list(faults_of(client.get("/audit/events", params={"cursor": cursor}))) == ["/cursor"]


QOS = {"priority": "burst", "bandwidth_kbps": 1}
STREAM = {"name": "video", "mode": "reliable", "qos": QOS}
KBPS = "/streams/0/qos/bandwidth_kbps"


def deep(levels: int, opening: str = "[", closing: str = "]") -> str:
    """Nested arrays or objects."""
    return opening * levels + closing * levels


class TestBodies:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b" ",
            b"null",
            b"true",
            b"5",
            b'"text"',
            b"[]",
            b"{",
            b"{}}",
            b"{'device_id': 1}",
            b"\xff\xfe\x00",
            b'{"device_id": "\xc3\x28"}',
            b'\xef\xbb\xbf{"device_id": "x"}',
            b'{"device_id": "device-1", "streams": [], "ttl_seconds": NaN}',
            b'{"ttl_seconds": Infinity}',
            b'{"ttl_seconds": -Infinity}',
            b'{"ttl_seconds": 1e999}',
            b'{"ttl_seconds": -1e999}',
            b'{"ttl_seconds": ' + b"9" * 4000 + b"}",
            b'{"ttl_seconds": ' + b"9" * 5000 + b"}",
            b'{"ttl_seconds": 0.' + b"9" * 5000 + b"}",
            b'{"device_id": "\\ud800"}',
            b'{"\\ud800": 1}',
            b'{"device_id": "a\\u0000b"}',
            b'{"a\\u0000b": 1}',
            b'{"device_id": "a\x00b"}',
            b'{"": "\\u0000"}',
            b'{"a/b~c": "\\u0000"}',
            b'{"streams": {"first": "\\u0000"}}',
            b'{"streams": {"first": 1, "first": 2}}',
            b'{"streams": {"first": 1e999}}',
            b'{"streams": {"-1": {"name": "\\u0000"}}}',
            b'{"streams": [{"name": 1, "name": 2}]}',
            b'{"streams": "text"}',
            deep(17).encode(),
            deep(30_000).encode(),
            deep(10_000, '{"a":', "}").encode(),
            b'{"streams": ' + deep(20).encode() + b"}",
        ],
        ids=lambda content: repr(content[:40]),
    )
    def test_no_body(self, service: Service, content: bytes) -> None:
        assert faults_of(post(service, content))

    @pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", "x" * 500, "a\xffb"])
    def test_wrong_content_type(self, service: Service, media_type: str) -> None:
        with Peer(service) as peer:
            typed = b"Content-Type: " + media_type.encode("latin-1")
            peer.send(head(service, "Content-Length: 2").removesuffix("\r\n"), typed, "\r\n\r\n{}")
            check_problem(peer.answer(), 400, "ERR_VALIDATION")

    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"ttl_seconds": True}, "/ttl_seconds"),
            ({"ttl_seconds": "60"}, "/ttl_seconds"),
            ({"ttl_seconds": 60.5}, "/ttl_seconds"),
            ({"ttl_seconds": 0}, "/ttl_seconds"),
            ({"ttl_seconds": -1}, "/ttl_seconds"),
            ({"ttl_seconds": 43_201}, "/ttl_seconds"),
            ({"ttl_seconds": 2**63}, "/ttl_seconds"),
            ({"device_id": 5}, "/device_id"),
            ({"device_id": None}, "/device_id"),
            ({"device_id": "../../etc"}, "/device_id"),
            ({"device_id": "device-1\n"}, "/device_id"),
            ({"streams": []}, "/streams"),
            ({"streams": None}, "/streams"),
            ({"streams": {"0": STREAM}}, "/streams"),
            ({"streams": [5]}, "/streams/0"),
            ({"streams": [[STREAM]]}, "/streams/0"),
            ({"streams": [STREAM, STREAM]}, "/streams/1/name"),
            ({"streams": [{**STREAM, "name": ""}]}, "/streams/0/name"),
            ({"streams": [{**STREAM, "name": "x" * 65}]}, "/streams/0/name"),
            ({"streams": [{**STREAM, "name": "a\tb"}]}, "/streams/0/name"),
            ({"streams": [{**STREAM, "mode": 5}]}, "/streams/0/mode"),
            ({"streams": [{**STREAM, "mode": ["reliable"]}]}, "/streams/0/mode"),
            ({"streams": [{**STREAM, "qos": None}]}, "/streams/0/qos"),
            ({"streams": [{**STREAM, "qos": {**QOS, "bandwidth_kbps": 0}}]}, KBPS),
            ({"streams": [{**STREAM, "qos": {**QOS, "bandwidth_kbps": 1.5}}]}, KBPS),
            ({"streams": [{**STREAM, "qos": {**QOS, "bandwidth_kbps": True}}]}, KBPS),
            ({"streams": [{**STREAM, "qos": {**QOS, "bandwidth_kbps": 2**64}}]}, KBPS),
            ({"streams": [{**STREAM, "qos": {"priority": "huge", "bandwidth_kbps": 1}}]}, "/streams/0/qos/priority"),
            ({"streams": [{**STREAM, "colour": "red"}]}, "/streams/0/colour"),
            ({"colour": "red"}, "/colour"),
            ({"Device_ID": "device-1"}, "/Device_ID"),
            ({"__proto__": {}}, "/__proto__"),
        ],
        ids=lambda value: json.dumps(value)[:60],
    )  # fmt: skip
    def test_one_fault(self, service: Service, device: Device, fields: dict[str, Any], pointer: str) -> None:
        assert list(faults_of(post(service, json.dumps(session_body(device, 1, **fields))))) == [pointer]

    def test_key_given_twice(self, service: Service, device: Device) -> None:
        text = json.dumps(session_body(device, 1))
        assert list(faults_of(post(service, text[:-1] + ', "ttl_seconds": 60}'))) == ["/ttl_seconds"]

    def test_all_faults_are_listed_with_their_streams(self, service: Service) -> None:
        streams = [
            {"name": "telemetry", "mode": "sometimes", "qos": {"priority": "urgent", "bandwidth_kbps": "fast"}},
            {"mode": "reliable", "qos": {"priority": "burst", "bandwidth_kbps": 1, "jitter": 0}},
            {**STREAM, "name": "telemetry"},
        ]
        body = {"device_id": "x", "streams": streams, "ttl_seconds": 0, "colour": "red"}
        faults = faults_of(post(service, json.dumps(body)))
        assert set(faults) == {
            "/device_id",
            "/streams/0/mode",
            "/streams/0/qos/priority",
            "/streams/0/qos/bandwidth_kbps",
            "/streams/1/name",
            "/streams/1/qos/jitter",
            "/streams/2/name",
            "/ttl_seconds",
            "/colour",
        }
        assert faults["/streams/0/mode"] == (
            "stream 'telemetry', mode: expected one of reliable, unreliable, found 'sometimes'"
        )
        assert faults["/streams/0/qos/priority"].startswith("stream 'telemetry', priority: expected one of latency,")
        assert faults["/streams/1/qos/jitter"].startswith("stream #2, jitter: ")

    @pytest.mark.parametrize(
        ("path", "fields"),
        [
            ("/devices", {"public_key": "A" * 44}),
            ("/devices", {"firmware_version": "1.0.0\n"}),
            ("/devices", {"firmware_version": "1." * 2000}),
            ("/devices", {"capabilities": ["a\0b"]}),
            ("/devices", {"capabilities": "video"}),
            ("/devices", {"metadata": {"note": "\ud800"}}),
            ("/devices", {"metadata": {"a": {"b\0": 1}}}),
            ("/devices", {"metadata": []}),
            ("/devices", {"pool_kbps": True}),
            ("/devices", {"pool_kbps": -1}),
            ("/devices", {"pool_kbps": 2**70}),
            ("/devices", {"streams": {"x": "\0"}}),
        ],
        ids=lambda value: json.dumps(value)[:60],
    )
    def test_bad_registration(self, service: Service, path: str, fields: dict[str, Any]) -> None:
        body = {"device_id": "device-hostile", "public_key": PUBLIC_KEY, "firmware_version": "1.0.0", **fields}
        with service.client() as client:
            answer = client.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
        assert any(pointer.startswith("/" + next(iter(fields))) for pointer in faults_of(answer))

    def test_metadata_of_strange_but_valid_values(self, service: Service) -> None:
        metadata = {"": 1, "big": 10**300, "tiny": 5e-324, "text": "🐝 ä", "deep": {"a": [[[]]]}, "__class__": None}
        device = service.new_device(metadata=metadata)
        with service.client() as client:
            assert client.get(f"/devices/{device.device_id}").json()["metadata"] == metadata


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def session_like() -> st.SearchStrategy[object]:
    """Bodies whose shape is right here and there."""
    qos = st.fixed_dictionaries(
        {"priority": st.sampled_from(["burst", "LATENCY", "none"]) | JSON, "bandwidth_kbps": st.integers() | JSON}
    )
    stream = st.fixed_dictionaries(
        {"name": st.text(max_size=70), "mode": st.just("reliable") | JSON, "qos": qos | JSON}
    )
    streams = st.lists(stream | JSON, max_size=20) | st.dictionaries(st.text(max_size=4), JSON, max_size=3)
    fields: dict[Any, Any] = {
        "device_id": st.just("device-00001") | st.text(),
        "streams": streams,
        "ttl_seconds": st.integers() | JSON,
    }
    return st.fixed_dictionaries(fields) | st.fixed_dictionaries({**fields, "extra": JSON})


class TestFuzz:
    @settings(
        max_examples=200, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(content=st.binary(max_size=300) | JSON.map(json.dumps) | session_like().map(json.dumps))
    @example(content='{"streams": {"a": "\\u0000"}}')
    def test_any_body_gets_a_problem_or_a_session(self, service: Service, content: bytes | str) -> None:
        answer = post(service, content)
        if answer.status_code != 201:
            assert 400 <= answer.status_code < 500, answer.text
            check_problem(answer, answer.status_code, answer.json()["error_code"])
