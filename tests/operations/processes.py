"""The `honeylink` command as a process of its own, as an operator runs it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx

from honeylink.domain.access import Role
from honeylink.services.runtime import open_services
from honeylink.settings import Settings

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_SECONDS = 60
_PAUSE_SECONDS = 0.02

COMMAND = (sys.executable, "-c", "from honeylink.cli import main; main()")


def eventually(condition: Callable[[], Any], what: str, patience_seconds: float = PATIENCE_SECONDS) -> Any:
    """The first true value of `condition`; fails if there is none in time."""
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(_PAUSE_SECONDS)
    raise AssertionError(f"expected within {patience_seconds} s: {what}")


def environment(**settings: object) -> dict[str, str]:
    """The test's environment with these settings and no other; names in capitals are variables of any kind."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HONEYLINK_", "OTEL_"))}
    # As in a container: what must be shown at once may not depend on this, what pipes get may.
    inherited.pop("PYTHONUNBUFFERED", None)
    given = {name if name.isupper() else f"HONEYLINK_{name.upper()}": str(value) for name, value in settings.items()}
    return {**inherited, "HONEYLINK_PORT": "0", **given}


def honeylink(*arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; its output is a pipe."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


class Process:
    """A running `honeylink`, its output in files."""

    def __init__(self, directory: Path, arguments: tuple[str, ...], settings: dict[str, object]) -> None:
        self.settings = settings
        self.stdout = directory / "stdout"
        self.stderr = directory / "stderr"
        with self.stdout.open("wb") as stdout, self.stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                [*COMMAND, *arguments], env=environment(**settings), stdout=stdout, stderr=stderr
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it without a warning."""
        self._process.kill()
        self._process.wait(PATIENCE_SECONDS)

    def wait(self) -> int:
        """The exit code, once there is one."""
        return self._process.wait(PATIENCE_SECONDS)

    def end(self) -> None:
        """Make sure that it is gone."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(PATIENCE_SECONDS)

    def log(self) -> list[dict[str, Any]]:
        """The log so far: each whole line is one JSON object."""
        lines = self.stderr.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def logged(self, event: str, **fields: object) -> dict[str, Any]:
        """The first log line of an event with these fields, once it is there."""

        def find() -> dict[str, Any] | None:
            if self._process.poll() is not None:
                raise AssertionError(f"ended by itself: {self.stderr.read_text()}")
            return next((line for line in self.log() if {"event": event, **fields}.items() <= line.items()), None)

        found: dict[str, Any] = eventually(find, f"a log line {event!r} with {fields}")
        return found


class Served(Process):
    """A running `honeylink serve`."""

    def __init__(self, directory: Path, settings: dict[str, object]) -> None:
        super().__init__(directory, ("serve",), settings)
        try:
            self.port: int = self.logged("serving")["port"]
        except BaseException:
            self.end()
            raise
        self.url = f"http://127.0.0.1:{self.port}"

    def client(self, token: str = "") -> httpx.Client:
        """A client that sends `token`."""
        return httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {token}"} if token else {},
            timeout=30,
            # Idle for less than the server allows: of a connection that it closes meanwhile no answer would come.
            limits=httpx.Limits(max_connections=100, keepalive_expiry=2),
        )


@contextmanager
def serving(directory: Path, **settings: object) -> Iterator[Served]:
    """A `honeylink serve` with these settings, until the block ends."""
    directory.mkdir(parents=True, exist_ok=True)
    served = Served(directory, settings)
    try:
        yield served
    finally:
        served.end()


def new_token(database_dsn: str | None, data_dir: Path, role: Role = Role.OPERATOR, tenant: str = "acme") -> str:
    """A token for a service with these settings."""

    async def make() -> str:
        async with open_services(Settings(database_dsn=database_dsn, data_dir=data_dir)) as services:
            return (await services.tenants.create_token(tenant, role, f"{role.value}-{os.urandom(4).hex()}")).encode()

    return asyncio.run(make())


def new_device(client: httpx.Client, device_id: str, public_key: str, **fields: object) -> tuple[str, str]:
    """Register and pair a device as an operator's client; its token and the pairing code it used."""
    body = {"device_id": device_id, "public_key": public_key, "firmware_version": "1.0.0", **fields}
    registered = client.post("/devices", json=body)
    assert registered.status_code == 201, registered.text
    token, code = registered.json()["device_token"], registered.json()["pairing_code"]
    headers = {"authorization": f"Bearer {token}"}
    paired = client.post(f"/devices/{device_id}/pair", json={"pairing_code": code}, headers=headers)
    assert paired.status_code == 200, paired.text
    return token, code


def is_refused(port: int) -> bool:
    """Whether nobody listens on a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False
