"""The log of a real process: one JSON object a line, traceable, and without a secret."""

from __future__ import annotations

import base64
import re
import secrets
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.conftest import PUBLIC_KEY, session_body
from tests.operations.processes import Served, honeylink, new_token, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def served(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("served")
    with serving(directory, database_dsn=new_database(), data_dir=directory) as running:
        yield running


def test_lines_tell_requests(served: Served) -> None:
    with served.client() as client:
        answer = client.get("/sessions")
    line = served.logged("request", trace_id=answer.json()["trace_id"])
    assert (line["method"], line["path"], line["status"]) == ("GET", "/sessions", 401)
    assert line["level"] == "info"
    assert line["duration_ms"] >= 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["at"])
    assert served.stdout.read_text() == ""


def test_path_can_not_forge_a_line(served: Served) -> None:
    with served.client() as client:
        answer = client.get('/%0A{"event": "forged"}%0A')
    served.logged("request", trace_id=answer.json()["trace_id"])
    assert not [line for line in served.log() if line["event"] == "forged"]


def test_unread_requests_are_told_too(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), 20) as peer:
        peer.sendall(b"garbage\r\n\r\n")
        answer = peer.makefile("rb").read().decode()
    trace_id = answer.partition("traceparent: 00-")[2][:32]
    assert served.logged("request.unread", trace_id=trace_id)["status"] == 400


def test_traceparent_is_continued(served: Served) -> None:
    with served.client() as client:
        answer = client.get("/sessions", headers={"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"})
    assert answer.json()["trace_id"] == TRACE_ID
    version, trace_id, span_id, flags = answer.headers["traceparent"].split("-")
    assert (version, trace_id, flags) == ("00", TRACE_ID, "01")
    assert span_id != "00f067aa0ba902b7"
    assert served.logged("request", trace_id=TRACE_ID)


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "garbage",
        f"00-{TRACE_ID}-00f067aa0ba902b7",
        f"00-{TRACE_ID.upper()}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"ff-{TRACE_ID}-00f067aa0ba902b7-01",
        f"00-{TRACE_ID}-00f067aa0ba902b7-01-extra",
        f"00-{'g' * 32}-00f067aa0ba902b7-01",
    ],
)
def test_invalid_traceparent_starts_a_new_trace(served: Served, traceparent: str) -> None:
    with served.client() as client:
        answer = client.get("/healthz", headers={"traceparent": traceparent})
    trace_id = answer.headers["traceparent"].split("-")[1]
    assert re.fullmatch("[0-9a-f]{32}", trace_id)
    assert trace_id not in {TRACE_ID, "0" * 32}


def test_no_secret_is_logged(new_database: Callable[[], str], tmp_path: Path) -> None:
    """A device's whole life, with every error that is easy to provoke, at the most talkative level."""
    password = "pw-" + secrets.token_hex(8)
    dsn = with_password(new_database(), password)
    settings = {"database_dsn": dsn, "data_dir": tmp_path, "log_level": "debug"}
    operator = new_token(dsn, tmp_path)
    hidden = {password, operator, operator.removeprefix("hl1_")[43:]}
    with serving(tmp_path / "run", **settings) as served:
        with served.client(operator) as client:
            registered = client.post("/devices", json=registration("device-1")).json()
            device, code = registered["device_token"], registered["pairing_code"]
            hidden |= {device, code, code.replace("-", "")}
            pairing = {"pairing_code": code}
            as_device = {"authorization": f"Bearer {device}"}
            assert client.post("/devices/device-1/pair", json={"pairing_code": code[::-1]}, headers=as_device).is_error
            assert client.post("/devices/device-1/pair", json={**pairing, "x": 1}, headers=as_device).is_error
            assert client.post("/devices/device-1/pair", json=pairing, headers=as_device).is_success
            assert client.post("/devices/device-1/pair", json=pairing, headers=as_device).is_error
            opened = client.post("/sessions", json=session_body("device-1")).json()
            hidden |= {stream["key_material"] for stream in opened["streams"]}
            assert client.post("/sessions", json=session_body("device-1", 10**9)).status_code == 409
            assert client.post("/sessions", content=b'{"token": "' + operator.encode() + b'"').status_code == 400
            assert client.get("/sessions", headers={"authorization": f"Basic {operator}"}).status_code == 401
            assert client.get("/sessions", headers={"authorization": f"Bearer {operator[:-1]}_"}).status_code == 401
            assert client.get("/sessions", params={"token": operator}).status_code == 400
            assert client.post("/devices/device-1/revoke", json={"reason": "test"}).is_success
            assert client.get("/sessions", headers=as_device).status_code == 401
            assert client.get("/readyz").is_success
        (tmp_path / "kek.key").chmod(0o644)
        refused = honeylink("serve", **settings)
        assert refused.returncode != 0
    kek = (tmp_path / "kek.key").read_bytes()
    hidden |= {kek.hex(), base64.b64encode(kek).decode(), base64.urlsafe_b64encode(kek).decode()[:-1], repr(kek)[2:-1]}
    written = served.stderr.read_text() + served.stdout.read_text() + refused.stderr + refused.stdout
    assert len(served.log()) > 15
    assert [secret for secret in hidden if secret in written] == []


def test_no_password_in_errors_about_the_database(tmp_path: Path) -> None:
    password = "pw-" + secrets.token_hex(8)
    away = f"postgresql://user:{password}@127.0.0.1:1/nowhere"
    cases = [
        (away, "migrate"),
        (away, "pools", "check"),
        (f"{away}?sslmode=perhaps", "migrate"),
    ]
    with ThreadPoolExecutor(2) as pool:
        for failed in pool.map(lambda case: honeylink(*case[1:], database_dsn=case[0], data_dir=tmp_path), cases):
            assert failed.returncode == 1
            assert failed.stderr.startswith("honeylink: ")
            assert failed.stderr.count("\n") == 1, failed.stderr
            assert password not in failed.stderr + failed.stdout


def registration(device_id: str) -> dict[str, str]:
    return {"device_id": device_id, "public_key": PUBLIC_KEY, "firmware_version": "1.0.0"}


def with_password(dsn: str, password: str) -> str:
    """The same DSN with a password, which the test's server does not ask for."""
    return re.sub(r"^(postgresql://[^:@/]+)(:[^@]*)?@", rf"\1:{password}@", dsn)
