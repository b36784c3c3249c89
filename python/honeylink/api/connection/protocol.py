"""One connection: requests parsed by llhttp, answered in their order, and a limit on all that a client can hold up.

uvicorn's own protocol class waits without end for headers, bodies and readers, queues pipelined requests without limit,
and lets the answer to bytes that are no request replace the answers before it. This one keeps uvicorn's server, and has
the connection to itself:

- Requests queue, and one is served at a time. What has been received is parsed in pieces, and only as long as nothing
  queues, so that memory is bounded by bytes received, whatever they would become.
- What can't be served (no HTTP, too large, too slow) is answered in its turn, and ends the connection.
- Under overload a request is refused when it is its turn, before any task of the application is made for it.
- A client has a time for its header, for its body, between requests, and for reading its answers: see `deadlines`.

llhttp is the only judge of where a request ends, also of one that is refused.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context
from typing import TYPE_CHECKING, Any

import httptools

from honeylink.api.connection.deadlines import Deadlines, Phase
from honeylink.api.connection.exchange import Exchange, Flow, addresses_of, asgi_scope, last_answer
from honeylink.errors import ServiceError, TooLarge, ValidationFailed

if TYPE_CHECKING:
    from uvicorn import Config
    from uvicorn.server import ServerState

    from honeylink.api.connection.load_shedding import LoadShedding
    from honeylink.settings import Settings

MAX_HEADER_BYTES = 32_768
"""Of a request's target and its header fields, with the four bytes that separate and end each field."""
MAX_HEADER_FIELDS = 128
# How much is parsed at once: most requests whole, and of the shortest so many that they take no more room parsed than
# the 256 KB that the event loop reads at once.
_PIECE_BYTES = 1024
_FRAMING = {b"content-length", b"transfer-encoding"}


class Connection(asyncio.Protocol):
    """One connection of a client.

    Args:
        settings: how long a client may take, and how much it may send.
        load_shedding: says which requests are refused.
        config: uvicorn's, with the application.
        server_state: what uvicorn's server waits for when it stops.
        app_state: not used; uvicorn hands it to every protocol.
        _loop: the running loop, if uvicorn says so.
    """

    def __init__(
        self,
        settings: Settings,
        load_shedding: LoadShedding,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        del app_state
        self._app = config.loaded_app
        self._settings = settings
        self._load_shedding = load_shedding
        self._server_state = server_state
        self._loop = _loop or asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._flow: Flow
        self._addresses: tuple[object, object]

        self._phase = Phase.REQUEST
        self._received = memoryview(b"")
        """What has not been parsed yet."""
        self._message = 0
        """Counts requests, so that each has deadlines of its own."""
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._header_bytes = 0
        self._unfinished_bytes = 0
        """Parsed since the header, a chunk or the trailer began, or since the last part of a body."""
        self._expects_continue = False
        self._body_of: Exchange | None = None
        """The request whose body is to come."""
        self._ignored_bytes = 0
        """How much of that body was of no use to its answer."""

        self._queue: deque[Exchange] = deque()
        self._serving: Exchange | None = None
        self._fault: ServiceError | None = None
        """The last answer."""

        self._deadlines = Deadlines(self._loop, settings)

    # The transport's side.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        self._transport = transport
        self._flow = Flow(transport, self._read_on)
        self._addresses = addresses_of(transport)
        self._server_state.connections.add(self)  # type: ignore[arg-type]  # uvicorn names its own classes only
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more, whoever ended it."""
        del exc
        self._server_state.connections.discard(self)
        self._end()
        if self._serving is not None:
            self._serving.disconnect()
        self._flow.resume_writing()
        self._deadlines.cancel()
        # These refer back to the connection. Left here, they would hold it, its transport and its last request until a
        # full collection, which is hours away.
        self._queue.clear()
        self._serving = self._fault = None
        del self._parser, self._flow

    def data_received(self, data: bytes) -> None:
        """More bytes have come."""
        if self._phase is Phase.END:
            return
        self._received = memoryview(self._received.tobytes() + data if self._received else data)
        if self._phase is Phase.REQUEST:
            # Whatever it is. Bytes that begin no request, such as empty lines, have a header's time as well.
            self._phase = Phase.HEADER
        self._read_on()

    def pause_writing(self) -> None:
        """More is unsent than may be; called by the transport."""
        self._flow.pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """There is room for more answers; called by the transport."""
        self._flow.resume_writing()
        self._begin_next()
        self._read_on()

    def shutdown(self) -> None:
        """Finish what has been parsed, then end the connection; called by uvicorn's server."""
        last = self._queue[-1] if self._queue else self._serving
        if last is not None:
            last.keep_alive = False
        else:
            self._close()

    # Reading.

    def _read_on(self) -> None:
        """Parse what there is, as long as nothing queues, and read more when all is parsed."""
        if self._transport.is_closing():
            return
        while self._received and not self._is_full() and self._phase is not Phase.END:
            piece, self._received = self._received[:_PIECE_BYTES], self._received[_PIECE_BYTES:]
            self._parse(piece)
        if self._is_full():
            self._flow.pause_reading()
        else:
            self._flow.resume()
        self._set_deadline()

    def _is_full(self) -> bool:
        return bool(self._queue) or (self._body_of is not None and self._body_of.is_full)

    def _parse(self, piece: memoryview) -> None:
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            # No other protocol is spoken here, so what follows is the next request, wherever segments end.
            [parsed_bytes] = upgrade.args
            if self._phase is not Phase.END:
                self._parse(piece[parsed_bytes:])
        except httptools.HttpParserError as error:
            # After the last request of a connection anything may follow.
            if self._phase is not Phase.END:
                cause = error.__context__
                self._fail(cause if isinstance(cause, ServiceError) else _no_request(error))
        else:
            self._check_unfinished(len(piece))

    def _check_unfinished(self, piece_bytes: int) -> None:
        """Bound a header, a trailer and a chunk's extensions: llhttp tells of a field when it is whole, or never."""
        if self._phase in (Phase.HEADER, Phase.BODY):
            self._unfinished_bytes += piece_bytes
            if self._unfinished_bytes > MAX_HEADER_BYTES + _PIECE_BYTES:
                self._fail(TooLarge("header", MAX_HEADER_BYTES))

    # The parser's side: httptools calls these. What they raise ends its work.

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        if self._phase is Phase.END:
            raise _no_request("nothing after the last one")
        self._phase = Phase.HEADER
        self._message += 1
        self._url, self._headers = b"", []
        self._header_bytes = self._unfinished_bytes = self._ignored_bytes = 0
        self._expects_continue = False

    def on_url(self, url: bytes) -> None:
        """A part of its target."""
        self._url += url
        self._header_bytes += len(url)
        if self._header_bytes > MAX_HEADER_BYTES:
            raise TooLarge("header", MAX_HEADER_BYTES)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole field of its header, or of the trailer of a chunked body."""
        self._header_bytes += len(name) + len(value) + 4
        if self._header_bytes > MAX_HEADER_BYTES:
            raise TooLarge("header", MAX_HEADER_BYTES)
        if self._phase is not Phase.HEADER:
            return  # a chunked body's trailer, of no use here; as a header it would get past who looks at headers
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects_continue = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The end of its header: it can be routed."""
        if len(self._headers) > MAX_HEADER_FIELDS:
            raise _no_request(f"more than {MAX_HEADER_FIELDS} header fields")
        if self._parser.should_upgrade() and any(name in _FRAMING and value != b"0" for name, value in self._headers):
            # httptools takes such a body for bytes of the other protocol. As a request it would be somebody else's.
            raise _no_request("an upgrade to another protocol with a body")
        scope = asgi_scope(self._parser, self._url, self._headers, *self._addresses)
        is_older = scope["http_version"] < "1.1"
        self._body_of = Exchange(
            scope,
            self._transport,
            self._flow,
            self._server_state.default_headers,
            expects_continue=self._expects_continue and not is_older,
            keep_alive=self._parser.should_keep_alive() and not is_older,
            answered=self._answered,
        )
        self._phase = Phase.BODY
        self._unfinished_bytes = 0
        self._queue.append(self._body_of)
        self._begin_next()

    def on_chunk_header(self) -> None:
        """The size of a chunk of its body and its extensions; of the last one, before the trailer."""
        self._unfinished_bytes = 0

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        self._unfinished_bytes = 0
        request = self._body_of
        assert request is not None  # noqa: S101 - its header was complete
        if not request.response_complete:
            request.feed(body)
        else:
            self._ignore(body)

    def on_message_complete(self) -> None:
        """Its end."""
        request, self._body_of = self._body_of, None
        assert request is not None  # noqa: S101 - as above
        request.end_body()
        if request.keep_alive:
            self._phase = Phase.REQUEST
        else:
            self._end()

    def _ignore(self, body: bytes | bytearray) -> None:
        """Bound what an answered request has of a body still."""
        self._ignored_bytes += len(body)
        if self._ignored_bytes > self._settings.max_body_bytes:
            raise TooLarge("body", self._settings.max_body_bytes)

    # Answering.

    def _begin_next(self) -> None:
        """Begin the next request, or send the last answer, if it is the turn of either and there is room for it."""
        if self._serving is not None or self._transport.is_closing():
            return
        if self._queue:
            if not self._flow.write_paused:
                self._begin(self._queue.popleft())
        elif self._fault is not None:
            self._transport.write(last_answer(self._fault))
            self._close()

    def _begin(self, request: Exchange) -> None:
        self._serving = request
        if self._load_shedding.refuses(request.scope, self._send_refusal, keep_alive=request.keep_alive):
            return
        # In a context of its own: the one of a request that was answered just now holds its trace and its budget.
        task = self._loop.create_task(request.run(self._app), context=Context())
        task.add_done_callback(self._server_state.tasks.discard)
        self._server_state.tasks.add(task)

    def _send_refusal(self, refusal: bytes) -> None:
        request = self._serving
        if request is None or self._transport.is_closing():
            return
        request.refuse(refusal)

    def _answered(self) -> None:
        """The request that was served has its whole answer."""
        self._server_state.total_requests += 1
        self._serving = None
        if self._transport.is_closing():
            self._end()
            self._watch_writing()
            return
        unread = self._body_of
        if unread is not None and unread.response_complete:
            # Nobody else empties it, and a full one would keep the connection from being read, and from its deadlines.
            body, unread.body = unread.body, bytearray()
            try:
                self._ignore(body)
            except TooLarge as fault:
                self._fail(fault)
        self._begin_next()
        self._read_on()

    def _fail(self, fault: ServiceError) -> None:
        """End the connection with a problem, after the answers to all that was asked before."""
        at_fault = self._body_of
        self._end()
        if at_fault is None:
            self._fault = fault
        elif self._queue and self._queue[-1] is at_fault:
            self._queue.pop()
            self._fault = fault
        elif at_fault is not self._serving:
            self._close()  # it has its answer
            return
        else:
            at_fault.break_off(lambda: self._answer_instead(fault))
        self._begin_next()

    def _answer_instead(self, fault: ServiceError) -> None:
        """The request that is being served can't go on without its body."""
        self._serving, self._fault = None, fault
        self._begin_next()

    def _end(self) -> None:
        """Look at nothing that still comes."""
        self._phase, self._body_of, self._received = Phase.END, None, memoryview(b"")
        self._set_deadline()

    def _close(self) -> None:
        self._end()
        self._transport.close()
        self._watch_writing()

    def _set_deadline(self) -> None:
        self._deadlines.wait_for(self._awaits(), self._give_up)

    def _awaits(self) -> tuple[Phase, int] | None:
        """What the client is waited for to send, and for which request."""
        is_served = self._phase is Phase.REQUEST and self._serving is not None
        if self._phase is Phase.END or self._is_full() or is_served:
            return None
        return self._phase, self._message

    def _give_up(self) -> None:
        """The client took too long."""
        fault = self._deadlines.fault(self._phase, self._message)
        if self._transport.is_closing():
            self._watch_writing()
        elif fault is None:
            self._close()
        else:
            self._fail(fault)

    def _watch_writing(self) -> None:
        self._deadlines.watch_writing(self._transport, lambda: self._flow.write_paused or self._transport.is_closing())


def _no_request(found: object) -> ValidationFailed:
    return ValidationFailed([("", f"expected an HTTP/1.1 request, found {found}")])
