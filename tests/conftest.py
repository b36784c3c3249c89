"""Real parts for the tests: a PostgreSQL server, databases cloned from a template, and the API over sockets."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import httpx
import hypothesis
import pytest
import uvloop

from honeylink.cli.serving.listener import listen
from honeylink.cli.serving.process import serve
from honeylink.domain.access import Role
from honeylink.settings import Settings
from honeylink.store.embedded import EmbeddedPostgres
from honeylink.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from honeylink.services.runtime import Services

T = TypeVar("T")

# A test must not fail because others use the machine too.
hypothesis.settings.register_profile("honeylink", deadline=None)
hypothesis.settings.load_profile("honeylink")

# A valid X25519 key: that of RFC 7748, section 6.1.
PUBLIC_KEY = "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"

# Each process that runs a share of the tests has its own, since a given server is common to all.
_TEMPLATE = f"honeylink_template_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
_numbers = itertools.count(1)


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a shell starts what runs in the background; processes that tests interrupt would inherit it, and never stop.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class LoopThread:
    """An event loop in a thread, for tests that are plain functions."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout_seconds: float = 60) -> T:
        """Run a coroutine to its end."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_seconds)

    def close(self) -> None:
        """End the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass(frozen=True)
class Device:
    """A device with its token."""

    device_id: str
    token: str


class Service:
    """A running API, and what tests need of it."""

    def __init__(self, settings: Settings, dsn: str, url: str, services: Services, loop: LoopThread) -> None:
        self.settings = settings
        self.dsn = dsn
        self.url = url
        self.services = services
        self.loop = loop
        self.operator = self.token(Role.OPERATOR)

    def token(self, role: Role, tenant: str = "acme") -> str:
        """A new token."""
        name = f"{role.value}-{next(_numbers)}"
        return self.loop.run(self.services.tenants.create_token(tenant, role, name)).encode()

    def client(self, token: str | None = None) -> httpx.Client:
        """A client that sends `token` (default: an operator's of tenant acme); "" sends none."""
        token = self.operator if token is None else token
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def new_device(self, *, paired: bool = True, operator: str | None = None, **fields: object) -> Device:
        """A device, registered and, unless told otherwise, paired, all over HTTP."""
        body = {
            "device_id": f"device-{next(_numbers):05d}",
            "public_key": PUBLIC_KEY,
            "firmware_version": "1.0.0",
            **fields,
        }
        with self.client(operator) as client:
            registered = client.post("/devices", json=body)
            assert registered.status_code == 201, registered.text
            answer = registered.json()
            device = Device(answer["device_id"], answer["device_token"])
            if paired:
                paired_answer = client.post(
                    f"/devices/{device.device_id}/pair",
                    json={"pairing_code": answer["pairing_code"]},
                    headers={"authorization": f"Bearer {device.token}"},
                )
                assert paired_answer.status_code == 200, paired_answer.text
        return device

    def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Rows straight from the database, as its owner."""

        async def run() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.dsn)
            try:
                return await connection.fetch(query, *arguments)
            finally:
                await connection.close()

        return self.loop.run(run())


def session_body(device: Device | str, *bandwidths_kbps: int, **fields: object) -> dict[str, Any]:
    """A request for one stream of each bandwidth; without one, for the two of the documentation."""
    streams = [
        {"name": "telemetry", "mode": "reliable", "qos": {"priority": "normal", "bandwidth_kbps": 100}},
        {"name": "video", "mode": "unreliable", "qos": {"priority": "burst", "bandwidth_kbps": 5000}},
    ]
    if bandwidths_kbps:
        streams = [
            {"name": f"stream-{position}", "mode": "reliable", "qos": {"priority": "normal", "bandwidth_kbps": kbps}}
            for position, kbps in enumerate(bandwidths_kbps)
        ]
    device_id = device if isinstance(device, str) else device.device_id
    return {"device_id": device_id, "streams": streams, "ttl_seconds": 3600, **fields}


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def loop() -> Iterator[LoopThread]:
    """One loop for what lives as long as all tests."""
    thread = LoopThread()
    yield thread
    thread.close()


@pytest.fixture(scope="session")
def postgres_dsn(loop: LoopThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """The test server's DSN by database name; `TEST_POSTGRES_DSN`, with `{}` for the name, gives another one."""
    given = os.environ.get("TEST_POSTGRES_DSN")
    if given:
        yield given.format
        return
    postgres = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    loop.run(postgres.start())
    yield lambda database: postgres.dsn(database=database)
    loop.run(postgres.stop())


@pytest.fixture(scope="session")
def template(loop: LoopThread, postgres_dsn: Callable[[str], str]) -> str:
    """A database with the schema and nothing else."""
    make_anew = (f"DROP DATABASE IF EXISTS {_TEMPLATE}", f"CREATE DATABASE {_TEMPLATE}")
    loop.run(_administer(postgres_dsn("postgres"), *make_anew))
    loop.run(migrate(postgres_dsn(_TEMPLATE)))
    return _TEMPLATE


@pytest.fixture(scope="session")
def new_database(loop: LoopThread, postgres_dsn: Callable[[str], str], template: str) -> Callable[[], str]:
    """Makes a fresh database from the template; returns its DSN."""

    def make() -> str:
        name = f"honeylink_{os.getpid()}_{next(_numbers)}"
        loop.run(_administer(postgres_dsn("postgres"), f"CREATE DATABASE {name} TEMPLATE {template}"))
        return postgres_dsn(name)

    return make


@contextmanager
def run_service(settings: Settings) -> Iterator[Service]:
    """Serve `settings` on a free port, in a loop of its own, until the block ends."""
    loop = LoopThread()
    ready = threading.Event()
    stop = asyncio.Event()
    opened: list[Services] = []

    async def until_stopped(services: Services) -> None:
        opened.append(services)
        ready.set()
        await stop.wait()

    with listen(settings) as listener:
        host, port = listener.getsockname()[:2]

        async def run() -> None:
            try:
                await serve(settings, listener, until_stopped)
            finally:
                ready.set()

        serving = asyncio.run_coroutine_threadsafe(run(), loop._loop)
        assert ready.wait(30)
        if not opened:
            serving.result(0)
        assert settings.database_dsn is not None
        yield Service(settings, settings.database_dsn.get_secret_value(), f"http://{host}:{port}", opened[0], loop)
        loop._loop.call_soon_threadsafe(stop.set)
        serving.result(60)
    loop.close()


@pytest.fixture(scope="session")
def make_settings(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Settings]:
    """Settings for a service of its own: a fresh database, a fresh key file, a free port."""

    def make(**fields: Any) -> Settings:
        data_dir: Path = tmp_path_factory.mktemp("data")
        # A machine that runs all tests at once may drag; that is no fault of what is tested.
        patience = {"database_timeout_seconds": 15}
        return Settings(**{"database_dsn": new_database(), "data_dir": data_dir, "port": 0, **patience, **fields})

    return make


@pytest.fixture(scope="module")
def service(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    """A service with the default settings, shared by the tests of a module."""
    with run_service(make_settings()) as running:
        yield running


async def _administer(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
