"""`POST /sessions` with the documented two streams: the use case alone, the application, and the service over HTTP.

Each needs a real database, with all that a commit costs. Over HTTP the service is a process of its own, as operators
run it; requests come over connections that stay open, from a client that does little but write and read. The device's
pool has room for every session of a run, so none has to be ended in between.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvloop

from honeylink.api.app import create_app
from honeylink.api.devices.examples import DEVICE_BODY
from honeylink.api.sessions.examples import SESSION_BODY
from honeylink.api.sessions.requests import SessionBody
from honeylink.cli.logs import configure_logging
from honeylink.domain.access import Role
from honeylink.services.runtime import open_services
from honeylink.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

    from honeylink.services.runtime import Services

pytestmark = pytest.mark.benchmark(group="POST /sessions")

BODY = json.dumps(SESSION_BODY).encode()
EXPECTED_KBPS = [100, 5000]
SETTINGS = {"rate_limit_per_second": 0, "tenant_pool_kbps": 10**12, "log_level": "warning"}
CALLS = 1000
BATCHES, BATCH_REQUESTS = 20, 200


@dataclass(frozen=True)
class InProcess:
    """The service's parts in this process, and the loop that they run in."""

    loop: asyncio.AbstractEventLoop
    settings: Settings
    services: Services
    token: str


@pytest.fixture(scope="module")
def in_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    configure_logging("warning")
    settings = Settings(data_dir=tmp_path_factory.mktemp("honeylink"), **SETTINGS)  # type: ignore[arg-type]
    loop = uvloop.new_event_loop()
    opening = open_services(settings)
    services = loop.run_until_complete(opening.__aenter__())
    token = loop.run_until_complete(services.tenants.create_token("bench", Role.OPERATOR, "bench")).encode()
    transport = httpx.ASGITransport(create_app(settings, services))
    client = httpx.AsyncClient(transport=transport, base_url="http://bench")
    loop.run_until_complete(pair_device(client, token))
    yield InProcess(loop, settings, services, token)
    loop.run_until_complete(opening.__aexit__(None, None, None))
    loop.close()


def test_use_case(benchmark: BenchmarkFixture, in_process: InProcess) -> None:
    """Expected: both streams with all that they asked for. Neither HTTP nor authentication is measured."""
    loop, services = in_process.loop, in_process.services
    caller = loop.run_until_complete(services.access.authenticate(f"Bearer {in_process.token}"))
    request = SessionBody.model_validate_json(BODY).to_domain(in_process.settings)
    opened = benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: loop.run_until_complete(services.sessions.open(caller, request)), rounds=CALLS, warmup_rounds=50
    )
    assert [stream.bandwidth_kbps for stream in opened.streams] == EXPECTED_KBPS


def test_application(benchmark: BenchmarkFixture, in_process: InProcess) -> None:
    """Expected: 201, and both streams with all that they asked for. Everything but the server's sockets is measured."""
    app = create_app(in_process.settings, in_process.services)
    headers = [(b"authorization", f"Bearer {in_process.token}".encode()), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/sessions",
        "query_string": b"",
        "headers": [*headers, (b"host", b"bench"), (b"content-length", str(len(BODY)).encode())],
    }

    async def post() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": BODY, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await app(dict(scope), receive, send)
        return sent

    loop = in_process.loop
    start, body = benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: loop.run_until_complete(post()), rounds=CALLS, warmup_rounds=50
    )
    check(start["status"], body["body"])


@dataclass(frozen=True)
class Server:
    """A service in a process of its own."""

    port: int
    token: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data_dir = tmp_path_factory.mktemp("honeylink")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    variables = {f"HONEYLINK_{name.upper()}": str(value) for name, value in SETTINGS.items()}
    environment = {**os.environ, **variables, "HONEYLINK_DATA_DIR": str(data_dir), "HONEYLINK_PORT": str(port)}
    command = [sys.executable, "-c", "from honeylink.cli import main; main()"]
    process = subprocess.Popen([*command, "serve"], env=environment)
    try:
        wait_until_ready(port, process)
        made = subprocess.run(
            [*command, "token", "create", "--tenant", "bench", "--name", "bench"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        token = json.loads(made.stdout)["token"]
        asyncio.run(pair_device(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}"), token))
        yield Server(port, token)
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.parametrize("connections", [1, 8])
def test_http(benchmark: BenchmarkFixture, server: Server, connections: int) -> None:
    """Expected: as above. A round is a batch of requests, each of which is timed by itself."""
    loop = uvloop.new_event_loop()
    clients = [loop.run_until_complete(Client.connect(server)) for _ in range(connections)]
    latencies: list[float] = []

    def batch() -> None:
        answers = loop.run_until_complete(post_all(clients, BATCH_REQUESTS // connections))
        latencies.extend(seconds for seconds, _, _ in answers)
        for _, status, body in answers:
            check(status, body)

    batch()
    latencies.clear()
    started = time.perf_counter()
    benchmark.pedantic(batch, rounds=BATCHES)  # type: ignore[no-untyped-call]
    elapsed = time.perf_counter() - started
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    benchmark.extra_info["requests"] = len(latencies)
    benchmark.extra_info["requests_per_second"] = len(latencies) / elapsed
    benchmark.extra_info["latency_seconds"] = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}
    for client in clients:
        client.close()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


class Client(asyncio.Protocol):
    """One connection that stays open, with one request on its way at a time."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[tuple[int, bytes]] | None = None

    @classmethod
    async def connect(cls, server: Server) -> Client:
        head = (
            f"POST /sessions HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {server.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
        )
        make = asyncio.get_running_loop().create_connection
        _, client = await make(lambda: cls(head.encode() + BODY), "127.0.0.1", server.port)
        return client

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if separator and len(body) == int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            assert self._answered is not None
            self._received = b""
            self._answered.set_result((int(head.split(b" ", 2)[1]), body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionError("expected an answer, found the connection closed"))

    async def post(self) -> tuple[float, int, bytes]:
        """Seconds from the first byte out to the last byte in, status and body."""
        assert self._transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        started = time.perf_counter()
        self._transport.write(self._request)
        status, body = await self._answered
        return time.perf_counter() - started, status, body

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()


async def post_all(clients: list[Client], requests_each: int) -> list[tuple[float, int, bytes]]:
    async def repeat(client: Client) -> list[tuple[float, int, bytes]]:
        return [await client.post() for _ in range(requests_each)]

    return [answer for answers in await asyncio.gather(*map(repeat, clients)) for answer in answers]


def check(status: int, body: bytes) -> None:
    assert status == 201, body
    assert [stream["allocated_bandwidth_kbps"] for stream in json.loads(body)["streams"]] == EXPECTED_KBPS


def wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"expected a server, found it ended with status {process.returncode}")


async def pair_device(client: httpx.AsyncClient, operator: str) -> None:
    """Register and pair the documented device, with a pool that no run uses up."""
    async with client:
        body = {**DEVICE_BODY, "pool_kbps": 10**9}
        registered = await client.post("/devices", json=body, headers={"authorization": f"Bearer {operator}"})
        registered.raise_for_status()
        paired = await client.post(
            f"/devices/{DEVICE_BODY['device_id']}/pair",
            json={"pairing_code": registered.json()["pairing_code"]},
            headers={"authorization": f"Bearer {registered.json()['device_token']}"},
        )
        paired.raise_for_status()
