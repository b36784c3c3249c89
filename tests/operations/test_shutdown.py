"""Stopping: what is in flight finishes, nothing new begins, nothing is left behind."""

from __future__ import annotations

import json
import signal
import socket
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.conftest import PUBLIC_KEY, session_body
from tests.operations.processes import eventually, is_refused, new_device, new_token, serving

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_request_in_flight_finishes(tmp_path: Path, number: signal.Signals) -> None:
    data_dir = tmp_path / "data"
    with serving(tmp_path, data_dir=data_dir) as served:
        with served.client(new_token(None, data_dir)) as operator:
            token, _ = new_device(operator, "device-1", PUBLIC_KEY)
        database = psutil.Process(served.logged("database.start")["pid"])
        backends = [database, *database.children(recursive=True)]
        body = json.dumps(session_body("device-1")).encode()
        header = (
            "POST /sessions HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", served.port), 30) as peer, peer.makefile("rb") as answers:
            peer.sendall(header.encode())
            # The server is inside the request now: it asks for the body.
            assert answers.readline() == b"HTTP/1.1 100 Continue\r\n"
            assert answers.readline() == b"\r\n"
            peer.sendall(body[:40])
            served.send(number)
            eventually(lambda: is_refused(served.port), "new connections to be refused")
            peer.sendall(body[40:])
            assert answers.readline() == b"HTTP/1.1 201 Created\r\n"
            answer = answers.read()
        assert b"connection: close" in answer
        assert len(json.loads(answer.partition(b"\r\n\r\n")[2])["streams"]) == 2
        assert served.wait() == 0
    _, alive = psutil.wait_procs(backends, 10)
    assert alive == []
    assert not (tmp_path / "data" / "postgres" / "postmaster.pid").exists()
    assert "Traceback" not in served.stderr.read_text()


def test_second_signal_does_not_wait(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with serving(tmp_path, data_dir=data_dir, body_timeout_seconds=60) as served:
        header = (
            "POST /sessions HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {new_token(None, data_dir)}\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
        )
        database = psutil.Process(served.logged("database.start")["pid"])
        with socket.create_connection(("127.0.0.1", served.port), 30) as peer, peer.makefile("rb") as answers:
            peer.sendall(header.encode())
            assert answers.readline() == b"HTTP/1.1 100 Continue\r\n"
            served.send(signal.SIGTERM)
            eventually(lambda: is_refused(served.port), "new connections to be refused")
            served.send(signal.SIGTERM)
            assert served.wait() == 128 + signal.SIGTERM
    # It ends by itself, as with any other sudden end of its owner.
    eventually(lambda: is_gone(database), "the database to end")


def test_request_that_does_not_finish_is_not_waited_for(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    settings = {"data_dir": data_dir, "body_timeout_seconds": 300, "shutdown_timeout_seconds": 6}
    with serving(tmp_path, **settings) as served:
        header = (
            "POST /sessions HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {new_token(None, data_dir)}\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", served.port), 30) as peer, peer.makefile("rb") as answers:
            peer.sendall(header.encode())
            assert answers.readline() == b"HTTP/1.1 100 Continue\r\n"
            served.send(signal.SIGTERM)
            assert served.wait() == 0


def test_what_nobody_has_thought_of_is_not_waited_for(tmp_path: Path) -> None:
    """Spans go to a collector that takes them and never answers."""
    data_dir = tmp_path / "data"
    with socket.create_server(("127.0.0.1", 0)) as collector:
        settings = {
            "data_dir": data_dir,
            "shutdown_timeout_seconds": 6,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.getsockname()[1]}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": 10_000,
        }
        with serving(tmp_path, **settings) as served, served.client() as client:
            assert client.get("/readyz").status_code == 200
            database = psutil.Process(served.logged("database.start")["pid"])
            served.send(signal.SIGTERM)
            assert served.wait() == 1
            assert served.log()[-1]["event"] == "shutdown.overdue"
            assert is_gone(database)


def is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
