"""uvicorn, with deadlines for what a client sends and problems for what it can't parse.

uvicorn waits without end for a request's header and has no limit on its size, and it answers a request that it can't
parse in plain text. The protocol below adds what is missing; the application's own deadline for the body is in `body`.
"""

from __future__ import annotations

import json
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from honeylink.api.app import create_app
from honeylink.api.overload import Overload
from honeylink.api.problems import MEDIA_TYPE, problem_body
from honeylink.errors import ServiceError, TooLarge, TooSlow, ValidationFailed

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from honeylink.api.operations import Exposition
    from honeylink.services.runtime import Services
    from honeylink.settings import Settings

__all__ = ["Server"]

_log = structlog.get_logger(__name__)

_MAX_HEADER_BYTES = 32_768
_KEEP_ALIVE_SECONDS = 30


class Server(uvicorn.Server):
    """uvicorn's server for the open services, which leaves signals to the process that runs it.

    Its own handling raises the signal again after the last request, which would end the process before the database has
    been shut down.

    Args:
        settings: how to serve.
        services: what to serve.
        exposition: what `/metrics` answers; without it, what this process counts.
    """

    def __init__(self, settings: Settings, services: Services, exposition: Exposition | None = None) -> None:
        app = create_app(settings, services, exposition)
        overload = Overload(
            app,
            services.sessions.overloaded,
            services.sessions.expecting,
            settings.max_body_bytes,
            STATUS_LINE,
        )
        config = uvicorn.Config(
            overload,
            http=_protocol(settings, overload),
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            proxy_headers=False,
            timeout_graceful_shutdown=settings.drain_timeout_seconds,
        )
        super().__init__(config)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them."""
        yield


def _protocol(settings: Settings, overload: Overload) -> type[HttpToolsProtocol]:  # noqa: C901 - a class, whose methods are short
    """A protocol class that keeps the settings' deadlines, and turns away what is too much."""

    class DeadlineProtocol(HttpToolsProtocol):
        """One connection. A deadline runs from its start, or a request's first byte, to the request's end."""

        _deadline: asyncio.TimerHandle | None = None
        _expects_seconds: float | None = settings.header_timeout_seconds
        """How long what is under way may take from now; None while nothing is expected."""
        _is_new = True
        """Whether it has come under way since a deadline was last set."""
        _header_bytes = 0
        _in_header = True
        _refusal: bytes | None = None
        """What a refused request will be answered."""
        _unread_bytes = 0
        """How much of its body is still to come, and to be thrown away."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._set_deadline()

        def connection_lost(self, exc: Exception | None) -> None:
            self._expect(None)
            self._set_deadline()
            super().connection_lost(exc)
            # uvicorn leaves it running when the connection was reset, and it holds all that is let go below.
            self._unset_keepalive_if_required()
            # These refer back to the connection. Left here, they would hold it, its transport and its last request
            # until a full collection, which is hours away.
            self.pipeline.clear()
            self.cycle = self.scope = None  # type: ignore[assignment]

        def data_received(self, data: bytes) -> None:
            if self._unread_bytes:
                data, self._unread_bytes = data[self._unread_bytes :], max(self._unread_bytes - len(data), 0)
                if not data:
                    return
            self._send_refusal()
            if self._header_bytes == 0 and self._in_header and self._idle() and self._refuses(data):
                return
            if self._in_header:
                self._header_bytes += len(data)
            super().data_received(data)
            if self._expects_seconds is None and self._idle() and self._header_bytes:
                # Bytes that begin no request, such as an empty line, have stopped uvicorn's own timer.
                self._expect(settings.header_timeout_seconds)
            if self._is_new:
                # Only now: most requests come whole, and then there is nothing to wait for.
                self._set_deadline()
            if self._in_header and self._header_bytes > _MAX_HEADER_BYTES and not self.transport.is_closing():
                self._refuse(TooLarge("header", _MAX_HEADER_BYTES))

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope["state"]["connected"] = self._connected
            self._in_header = True
            self._expect(settings.header_timeout_seconds)

        def on_headers_complete(self) -> None:
            self._in_header = False
            # A second more than the application gives, so that it can say so itself.
            self._expect(settings.body_timeout_seconds + 1)
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._expect(None)
            self._in_header = True
            self._header_bytes = 0
            super().on_message_complete()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.pipeline:
                # It reads on after each answer, so who sends faster than it answers would fill the memory.
                self.flow.pause_reading()

        def shutdown(self) -> None:
            self._send_refusal()
            super().shutdown()

        def _refuses(self, data: bytes) -> bool:
            """Refuse the request that begins with these bytes, if there are too many."""
            refusal = overload.refusal(data)
            if refusal is None:
                return False
            self._refusal, self._unread_bytes = refusal
            self._expect(None)
            self._set_deadline()
            self._unset_keepalive_if_required()
            overload.answer_later(self._send_refusal)
            return True

        def _send_refusal(self) -> None:
            if self._refusal is None or self.transport.is_closing():
                return
            self.transport.write(self._refusal)
            self._refusal = None
            # What uvicorn does after each answer of the application.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

        def send_400_response(self, msg: str) -> None:
            self._refuse(ValidationFailed([("", f"expected an HTTP/1.1 request: {msg.lower().rstrip('.')}")]))

        def _connected(self) -> bool:
            return not self.transport.is_closing()

        def _idle(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _expect(self, seconds: float | None) -> None:
            self._expects_seconds, self._is_new = seconds, True

        def _set_deadline(self) -> None:
            self._is_new = False
            if self._deadline is not None:
                self._deadline.cancel()
            seconds = self._expects_seconds
            self._deadline = None if seconds is None else self.loop.call_later(seconds, self._give_up)

        def _give_up(self) -> None:
            if self.transport.is_closing():
                return
            if self._in_header and self._idle():
                self._refuse(TooSlow("header", settings.header_timeout_seconds))
            else:
                self.transport.close()

        def _refuse(self, error: ServiceError) -> None:
            """Answer outside of the application, and close; but never in the place of another answer."""
            if self._in_header and not self._idle():
                # Earlier requests of the connection come first. It ends with the last of their answers.
                self.cycle.keep_alive = False
                return
            if not self._in_header and self.cycle is not None and self.cycle.response_started:
                self.transport.close()
                return
            trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
            body = problem_body(error.code, str(error), trace_id)
            content = json.dumps(body).encode()
            head = STATUS_LINE[int(str(body["status"]))] + (
                f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(content)}\r\nconnection: close\r\n"
                f"traceparent: 00-{trace_id}-{span_id}-00\r\n\r\n"
            ).encode("ascii")
            self.transport.write(head + content)
            self.transport.close()
            _log.info("request.unread", status=body["status"], reason=str(error), trace_id=trace_id)

    return DeadlineProtocol
