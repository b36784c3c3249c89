"""Streams of bytes that are HTTP, nearly or not at all, cut anywhere: the service answers them as plain uvicorn would.

Each stream goes to the service at rest and under overload, whole and cut, and to the same application behind uvicorn's
own protocol class. Who answers what, in which order, and whether the connection goes on must be the same, but for what
`check_like_uvicorn` lists with the reasons.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httptools
import pytest
import uvicorn
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from honeylink.api.app import create_app
from tests.api.connection.holding import full
from tests.conftest import LoopThread, Service, run_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from honeylink.settings import Settings

PATIENCE_SECONDS = 5
MAX_OPENING = 2
# It ends whatever the stream has left open: a header, or a body of some hundred bytes. Between requests it is nothing.
# Then it asks for something that is nowhere, which shows whether the connection has been kept, and ends it.
END = b"\r\n" * 300 + b"GET /end HTTP/1.1\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Target:
    """A server, and the loop that it runs in."""

    port: int
    loop: LoopThread


@dataclass(frozen=True)
class Outcome:
    """The answers to a stream."""

    statuses: list[int]
    has_fault: bool
    """Whether the last one says that what was sent is no request."""
    waits: bool
    """Whether the server still waits for more."""


@pytest.fixture(scope="module")
def rested(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    with run_service(make_settings(body_timeout_seconds=60, header_timeout_seconds=60)) as running:
        yield running


@pytest.fixture(scope="module")
def overloaded(make_settings: Callable[..., Settings], rested: Service) -> Iterator[Target]:
    """The service with as many sessions in progress as may be, for good."""
    fields = {"body_timeout_seconds": 60, "header_timeout_seconds": 60, "max_opening_sessions": MAX_OPENING}
    with run_service(make_settings(database_dsn=rested.dsn, **fields)) as running, full(running):
        yield target_of(running)


@pytest.fixture(scope="module")
def plain(rested: Service) -> Iterator[Target]:
    """The same application behind uvicorn's own protocol class, in the loop that its database belongs to."""
    config = uvicorn.Config(
        create_app(rested.settings, rested.services),
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.run_coroutine_threadsafe(server._serve([listener]), rested.loop._loop)
        yield Target(listener.getsockname()[1], rested.loop)
        server.should_exit = True
        serving.result(30)


@dataclass(frozen=True)
class Targets:
    rested: Target
    overloaded: Target
    plain: Target
    token: str


@pytest.fixture(scope="module")
def targets(rested: Service, overloaded: Target, plain: Target) -> Targets:
    return Targets(target_of(rested), overloaded, plain, rested.operator)


def target_of(service: Service) -> Target:
    port = urlsplit(service.url).port
    assert port is not None
    return Target(port, service.loop)


def outcome_of(target: Target, segments: list[bytes]) -> Outcome:
    """Send a stream, each segment when the one before has been read, and receive the answers."""

    async def nothing() -> None: ...

    received = b""
    waits = False
    with socket.create_connection(("127.0.0.1", target.port), PATIENCE_SECONDS) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for segment in segments:
                client.sendall(segment)
                target.loop.run(nothing())  # so it has looked at its sockets once more
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has received enough
        try:
            while chunk := client.recv(65_536):
                received += chunk
        except ConnectionResetError:
            pass
        except TimeoutError:
            waits = True
    answers = list(split_answers(received))
    faults = [is_fault(answer) for _, answer in answers]
    assert not any(faults[:-1]), "an answer after a fault"
    return Outcome([status for status, _ in answers if status != 100], any(faults), waits)


def split_answers(received: bytes) -> Iterator[tuple[int, bytes]]:
    """The answers, each with its status; asserts that each is whole."""
    while received:
        head, end, received = received.partition(b"\r\n\r\n")
        assert end, head
        status = re.match(rb"HTTP/1\.1 ([0-9]{3}) ", head)
        assert status is not None, head
        length = re.search(rb"\r\ncontent-length: ([0-9]+)", head)
        size = int(length[1]) if length else 0
        assert len(received) >= size, "a part of an answer"
        yield int(status[1]), head + received[:size]
        received = received[size:]


def is_fault(answer: bytes) -> bool:
    """Whether it is the last answer to what is no HTTP, ours or uvicorn's."""
    return b"expected an HTTP/1.1 request" in answer or b"Invalid HTTP request" in answer


def check_like_uvicorn(stream: bytes, ours: Outcome, plain: Outcome) -> None:
    """What a stream comes to here and behind uvicorn's own protocol class.

    These may differ:

    - An upgrade: uvicorn drops what came in one segment with it, and takes its body for the next request. Here the next
      request is found, and an upgrade with a body is a fault.
    - Answers before a fault: uvicorn's fault takes the place of all that are under way, and follows an answer that the
      same request has had already. Here it comes after them, or the connection only ends.
    - After a request that ends the connection nothing is looked at here; there a fault still takes its answer's place.
    """
    if re.search(rb"(?i)upgrade|connect", stream):
        return
    if not plain.has_fault:
        assert ours == plain
        return
    assert not ours.waits
    before = plain.statuses[:-1]
    assert ours.statuses[: len(before)] == before
    if not ours.has_fault:
        assert is_explained_without_fault(stream, ours)


def is_explained_without_fault(stream: bytes, ours: Outcome) -> bool:
    """Whether a fault had no request of its own to answer: that one was answered, or it came after the last one."""
    parsed = Parsed()
    with contextlib.suppress(httptools.HttpParserError):
        parsed.parser.feed_data(stream + END)
    return len(ours.statuses) == min(parsed.begun, parsed.last)


class Parsed:
    """What llhttp finds in a stream: how many requests begin, and which one is the last of the connection."""

    def __init__(self) -> None:
        self.begun = 0
        self.last = 1_000
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def on_headers_complete(self) -> None:
        self.begun += 1
        if self.parser.get_http_version() == "1.0" or not self.parser.should_keep_alive():
            self.last = min(self.last, self.begun)


def check_like_whole(cut: Outcome, whole: Outcome) -> None:
    """Where a stream is cut makes no difference; but a request may have been answered before its body's fault."""
    assert cut.waits == whole.waits
    assert len(cut.statuses) == len(whole.statuses)
    assert cut.statuses[:-1] == whole.statuses[:-1]
    if cut.has_fault == whole.has_fault:
        assert cut.statuses == whole.statuses


def check_like_rested(overloaded: Outcome, rested: Outcome) -> None:
    """Under overload the same requests are answered, in the same order; those for sessions are refused."""
    assert overloaded.waits == rested.waits
    assert len(overloaded.statuses) == len(rested.statuses)
    last = len(rested.statuses) - 1
    for place, (refused, served) in enumerate(zip(overloaded.statuses, rested.statuses, strict=True)):
        is_cut_short = place == last and overloaded.has_fault != rested.has_fault
        assert refused in {served, 503} or is_cut_short


# Parts of requests, one a line, as Python would write them in a literal.
def lines(text: str) -> list[bytes]:
    return [line.strip().encode().decode("unicode_escape").encode("latin-1") for line in text.strip().splitlines()]


METHODS = [b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"get", b"PO ST", b"\xc3\xa4"]
PATHS = lines(r"""
    /sessions
    /api/v1/sessions
    /sessions?a=b
    /%73essions
    http://h/sessions
    /sessions/
    //sessions
    /nowhere
    /healthz
    *
    /a b
    /\x00
    /\xff
    http://[
""")
VERSIONS = [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"HTTP/1.1 ", b""]
FIELDS = lines(r"""
    Host: test
    X-Empty:
    X:\x20a b\x20
    \x20folded: x
    no colon
    X : 1
    X: a\x00b
    : x
    X:\ty
    X: \xff
    Connection: close
    Connection: keep-alive
    Connection: Close, x
    Connection: upgrade
    Upgrade: h2c
    Expect: 100-continue
    Content-Type: application/json
    Content-Encoding: gzip
""")
FRAMINGS = lines(r"""
    Content-Length: 0
    Content-Length: 2
    Content-Length: 20
    Content-Length: +2
    Content-Length: 2, 2
    Content-Length : 2
    Content-Length: 0x2
    Transfer-Encoding: chunked
    Transfer-Encoding : chunked
    Transfer-Encoding: gzip, chunked
    Transfer-Encoding: chunked, gzip
    Transfer-Encoding: identity
    transfer-encoding:chunked
    Transfer-Encoding:\x0bchunked
""")
CHUNKED = b"2\r\n{}\r\n0\r\n\r\n"
BODIES = [b"", b"{}", b"[]", b"{}" * 10, CHUNKED]
BODIES += lines(r"""
    1\r\n{\r\n1;x=y\r\n}\r\n0\r\nX-T: 1\r\n\r\n
    0\r\n\r\n
    zz\r\n
    2\n{}\n0\n\n
    3\r\n 6\r\n0\r\n\r\n
    2\r\n{}0\r\n\r\n
    -1\r\n
    2 \r\n{}\r\n0\r\n\r\n
""")
LINE_ENDS = [b"\n", b"\r", b"\r\r\n"]


def mostly(usual: list[bytes], odd: list[bytes]) -> st.SearchStrategy[bytes]:
    """One of the first ones, and seldom one of the others: with many odd parts a stream ends at its first byte."""
    return st.integers(0, 15).flatmap(lambda number: st.sampled_from(odd if number == 11 else usual))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request, whose parts may not belong together."""
    method = draw(mostly([b"POST", b"POST", b"GET"], METHODS))
    path = draw(mostly(PATHS[:8], PATHS))
    version = draw(mostly([b"HTTP/1.1"], VERSIONS))
    end = draw(mostly([b"\r\n"], LINE_ENDS))
    fields = draw(st.lists(mostly([b"Host: test", b"Content-Type: application/json"], FIELDS), max_size=3))
    framing: list[bytes]
    body: bytes
    framing, body = draw(
        st.one_of(
            st.just(([], b"")),
            st.just(([b"Content-Length: 2"], b"{}")),
            st.just(([b"Content-Length: 20"], b"{}" * 10)),
            st.just(([b"Transfer-Encoding: chunked"], CHUNKED)),
            st.tuples(st.just([b"Transfer-Encoding: chunked"]), st.sampled_from(BODIES)),
            st.tuples(st.lists(st.sampled_from(FRAMINGS), max_size=2), st.sampled_from(BODIES)),
        )
    )
    all_lines = [b" ".join([method, path, version]), b"Authorization: Bearer TOKEN", *fields, *framing, b""]
    return end.join(all_lines) + end + body


@st.composite
def damaged(draw: st.DrawFn, streams: st.SearchStrategy[bytes]) -> bytes:
    """A stream in which a byte is missing, or one is too many."""
    stream = draw(streams)
    at = draw(st.integers(0, len(stream)))
    extra = draw(st.sampled_from([b"", b"\r", b"\n", b"\x00", b" ", b":", b"x", b"\r\n", b"\r\n\r\n"]))
    return stream[:at] + extra + stream[at + draw(st.integers(0, 2)) :]


STREAMS = st.lists(requests(), min_size=1, max_size=4).map(b"".join)
CUTS = st.lists(st.floats(0, 1), max_size=6)


def check(targets: Targets, stream: bytes, cuts: list[float]) -> None:
    stream = stream.replace(b"TOKEN", targets.token.encode())
    places = sorted({0, *(int(cut * len(stream)) for cut in cuts), len(stream)})
    segments = [stream[start:stop] for start, stop in itertools.pairwise(places)] + [END]
    rested, overloaded = outcome_of(targets.rested, segments), outcome_of(targets.overloaded, segments)
    check_like_whole(rested, outcome_of(targets.rested, [stream + END]))
    check_like_whole(overloaded, outcome_of(targets.overloaded, [stream + END]))
    check_like_rested(overloaded, rested)
    check_like_uvicorn(stream, rested, outcome_of(targets.plain, segments))


GOOD = b"POST /sessions HTTP/1.1\r\nAuthorization: Bearer TOKEN\r\nContent-Length: 2\r\n\r\n{}"


@given(stream=st.one_of(STREAMS, STREAMS, damaged(STREAMS)), cuts=CUTS)
@example(GOOD * 3, [0.1, 0.5, 0.9])
@example(GOOD.replace(b"Content-Length: 2", b"Transfer-Encoding : chunked") + GOOD, [])
@example(GOOD.replace(b"\r\n", b"\n") + GOOD, [])
@example(GOOD + GOOD[:40], [0.3])
@settings(max_examples=60, derandomize=True, suppress_health_check=list(HealthCheck))
def test_any_bytes_are_answered_as_by_uvicorn(targets: Targets, stream: bytes, cuts: list[float]) -> None:
    check(targets, stream, cuts)


@pytest.mark.long
@given(stream=st.one_of(STREAMS, STREAMS, damaged(STREAMS)), cuts=CUTS)
@settings(max_examples=3_000, suppress_health_check=list(HealthCheck))
def test_many_bytes_are_answered_as_by_uvicorn(targets: Targets, stream: bytes, cuts: list[float]) -> None:
    check(targets, stream, cuts)
