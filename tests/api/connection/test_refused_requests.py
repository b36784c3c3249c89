"""Where a request that load shedding refuses ends, and what comes behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.connection.holding import full
from tests.api.peer import Peer, check_problem, head
from tests.conftest import run_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from honeylink.settings import Settings
    from tests.conftest import Service


@pytest.fixture(scope="module")
def small(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    with run_service(make_settings(max_opening_sessions=3)) as running:
        yield running


@pytest.fixture(name="full")
def _full(small: Service) -> Iterator[None]:
    with full(small):
        yield


CHUNKED = "Transfer-Encoding: chunked"
JSON = "Content-Type: application/json"


@pytest.mark.usefixtures("full")
class TestFramingOfWhatIsRefused:
    """llhttp says where a refused request ends, as it does for every other."""

    @pytest.mark.parametrize(
        "path", ["/sessions?x=1", "/api/v1/sessions", "/%73essions", "http://test/sessions", "/sessions#x"]
    )
    def test_what_the_application_would_route_to_it_is_refused(self, small: Service, path: str) -> None:
        with Peer(small) as peer:
            peer.send(head(small, JSON, "Content-Length: 2", path=path) + "[]", head(small, method="GET"))
            check_problem(peer.answer(), 503, "ERR_DEPENDENCY")
            assert peer.answer().status_code == 200

    def test_other_methods_and_paths_are_not(self, small: Service) -> None:
        with Peer(small) as peer:
            for method, path, status in (
                ("GET", "/sessions", 200),
                ("PUT", "/sessions", 405),
                ("POST", "/sessions/", 404),
                ("POST", "//sessions", 404),
                ("POST", "/Sessions", 404),
                ("POST", "/healthz", 405),
            ):
                peer.send(head(small, "Content-Length: 0", method=method, path=path))
                assert peer.answer().status_code == status, (method, path)

    @pytest.mark.parametrize(
        ("lines", "body"),
        [
            (["Content-Length: 5"], "12345"),
            ([CHUNKED], "5\r\n12345\r\n0\r\n\r\n"),
            ([CHUNKED], "1\r\n1\r\n4\r\n2345\r\n0\r\nX-Trailer: 1\r\n\r\n"),
            (["Connection: upgrade", "Upgrade: websocket"], ""),
            ([], ""),
        ],
    )
    @pytest.mark.parametrize("segment_bytes", [1, 7, 10_000])
    def test_the_next_request_is_found_wherever_it_is_cut(
        self, small: Service, lines: list[str], body: str, segment_bytes: int
    ) -> None:
        sent = (head(small, *lines) + body) * 2 + head(small, method="GET", path="/nowhere")
        with Peer(small) as peer:
            for start in range(0, len(sent), segment_bytes):
                peer.send(sent[start : start + segment_bytes])
            for _ in range(2):
                check_problem(peer.answer(), 503, "ERR_DEPENDENCY")
            assert peer.answer().status_code == 404
            peer.send(head(small, method="GET"))
            assert peer.answer().status_code == 200

    @pytest.mark.parametrize(
        "lines",
        [
            ["Transfer-Encoding : chunked"],
            ["Content-Length: 1\n"],
            ["X-Name: a\0b"],
            ["no colon"],
            ["Content-Length: 5", CHUNKED],
            ["Content-Length: 5", "Content-Length: 6"],
            ["Content-Length: +5"],
            ["Content-Length : 5"],
            ["Connection: upgrade", "Upgrade: websocket", "Content-Length: 5"],
        ],
        ids=repr,
    )
    def test_what_llhttp_refuses_ends_the_connection(self, small: Service, lines: list[str]) -> None:
        with Peer(small) as peer:
            peer.send(head(small, *lines) + "12345", head(small, method="GET"))
            check_problem(peer.answer(), 400, "ERR_VALIDATION")
            assert peer.rest() == b""

    def test_a_broken_body_gets_no_second_answer(self, small: Service) -> None:
        with Peer(small) as peer:
            peer.send(head(small, CHUNKED) + "3\r\n 6", head(small, method="GET"))
            check_problem(peer.answer(), 503, "ERR_DEPENDENCY")
            assert peer.rest() == b""

    @pytest.mark.parametrize(
        "start", ["POST /sessions HTTP/1.0\r\n", "POST /sessions HTTP/1.1\r\nConnection: close\r\n"]
    )
    def test_a_connection_that_is_to_end_does(self, small: Service, start: str) -> None:
        with Peer(small) as peer:
            peer.send(start + "Content-Length: 2\r\n\r\n[]", head(small, method="GET"))
            answer = peer.answer()
            check_problem(answer, 503, "ERR_DEPENDENCY")
            assert answer.headers["connection"] == "close"
            assert peer.rest() == b""

    def test_a_refused_body_without_end_ends_the_connection(self, small: Service) -> None:
        with Peer(small) as peer:
            peer.send(head(small, JSON, f"Content-Length: {10**12}"))
            check_problem(peer.answer(), 503, "ERR_DEPENDENCY")
            while peer.send(b" " * 10_000):
                pass

    def test_expecting_100_continue(self, small: Service) -> None:
        with Peer(small) as peer:
            peer.send(head(small, JSON, "Content-Length: 2", "Expect: 100-continue"))
            check_problem(peer.answer(), 503, "ERR_DEPENDENCY")
            peer.send("[]", head(small, method="GET"))
            assert peer.answer().status_code == 200

    def test_answers_keep_their_order(self, small: Service) -> None:
        reading, opening = head(small, method="GET", path="/nowhere"), head(small, "Content-Length: 2") + "[]"
        with Peer(small) as peer:
            peer.send(reading + opening + reading + opening + opening + reading + "\0")
            statuses = [peer.answer().status_code for _ in range(7)]
            assert peer.rest() == b""
        assert statuses == [404, 503, 404, 503, 503, 404, 400]
