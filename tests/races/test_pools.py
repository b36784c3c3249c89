"""Many clients at several processes on one database: pools are never over-committed, and reservations reconcile."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest

from honeylink.errors import Overloaded
from honeylink.services.runtime import open_services
from honeylink.settings import Settings
from tests.conftest import PUBLIC_KEY, session_body
from tests.operations.processes import Served, eventually, honeylink, new_device, new_token, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from honeylink.store.pools import PoolReconciliation
    from tests.conftest import LoopThread

CLIENTS = 200
OVERLOADED = str(Overloaded())
CONNECTIONS = CLIENTS  # at once: far more than the processes have connections to the database


class Fleet:
    """Several `honeylink serve` processes on one database."""

    def __init__(self, processes: list[Served], settings: dict[str, Any], loop: LoopThread) -> None:
        self.processes = processes
        self.settings = settings
        self.operator = new_token(settings["database_dsn"], settings["data_dir"])
        self._loop = loop
        self._numbers = iter(range(1, 1000))

    def client(self, token: str | None = None, process: int = 0) -> httpx.Client:
        return self.processes[process].client(token or self.operator)

    def new_device(self, **fields: object) -> tuple[str, str]:
        """A paired device's id and token."""
        device_id = f"device-{next(self._numbers)}"
        with self.client() as client:
            token, _ = new_device(client, device_id, PUBLIC_KEY, **fields)
        return device_id, token

    def race(self, requests: list[tuple[str, str, str, Any]]) -> list[httpx.Response | None]:
        """Send all requests (token, method, path, body) at once, spread over the processes; None for no answer.

        Who is turned away because there are too many comes again.
        """
        with ExitStack() as stack:
            clients = [stack.enter_context(self.client("none", process)) for process in range(len(self.processes))]

            def send(numbered: tuple[int, tuple[str, str, str, Any]]) -> httpx.Response | None:
                number, (token, method, path, body) = numbered
                headers = {"authorization": f"Bearer {token}"}
                try:
                    while True:
                        answer = clients[number % len(clients)].request(method, path, json=body, headers=headers)
                        if answer.status_code != 503 or answer.json()["message"] != OVERLOADED:
                            return answer
                        time.sleep(0.02)  # as it was told, only sooner
                except httpx.TransportError:
                    return None

            with ThreadPoolExecutor(CONNECTIONS) as pool:
                return list(pool.map(send, enumerate(requests)))

    def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Rows straight from the database."""

        async def run() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.settings["database_dsn"])
            try:
                return await connection.fetch(query, *arguments)
            finally:
                await connection.close()

        return self._loop.run(run())

    def reserved_kbps(self, pool_id: str) -> int:
        [row] = self.fetch("SELECT reserved_kbps FROM pools WHERE level = 0 AND pool_id = $1", pool_id)
        reserved: int = row["reserved_kbps"]
        return reserved

    def _reconciled(self) -> list[PoolReconciliation]:
        async def check() -> list[PoolReconciliation]:
            async with open_services(Settings(**self.settings)) as services:
                return await services.operations.check_pools()

        return self._loop.run(check())

    def check_reservations(self) -> None:
        """Every pool counts what its live sessions hold, and the trail tells of each session once."""
        assert [pool for pool in self._reconciled() if not pool.reconciles] == []
        unpaired = self.fetch(
            """
            SELECT session_id, count(event_id)
            FROM sessions
            FULL JOIN (
                SELECT (details ->> 'session_id')::uuid AS session_id, event_id
                FROM audit_events WHERE category = 'session-creation' AND outcome = 'success'
            ) AS created USING (session_id)
            GROUP BY session_id
            HAVING count(event_id) <> 1 OR count(sessions.session_id) <> 1
            """
        )
        assert unpaired == []
        untold = self.fetch(
            """
            SELECT session_id, status, count(event_id)
            FROM sessions
            LEFT JOIN (
                SELECT (details ->> 'session_id')::uuid AS session_id, event_id
                FROM audit_events WHERE category IN ('session-termination', 'session-expiry')
            ) AS ended USING (session_id)
            GROUP BY session_id, status
            HAVING count(event_id) <> CASE status WHEN 'active' THEN 0 ELSE 1 END
            """
        )
        assert untold == []
        [row] = self.fetch("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert row["deadlocks"] == 0


@pytest.fixture(scope="module")
def settings(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {
        "database_dsn": new_database(),
        "data_dir": tmp_path_factory.mktemp("data"),
        "rate_limit_per_second": 0,
        "expiry_interval_seconds": 0.2,
        # The races are about who gets in, not about who is quick on a small machine.
        "database_timeout_seconds": 20,
    }


@pytest.fixture(scope="module")
def fleet(settings: dict[str, Any], loop: LoopThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    directory = tmp_path_factory.mktemp("fleet")
    with serving(directory / "0", **settings) as one, serving(directory / "1", **settings) as two:
        yield Fleet([one, two], settings, loop)


def statuses(answers: list[httpx.Response | None]) -> Counter[int]:
    return Counter(0 if answer is None else answer.status_code for answer in answers)


def opened(answers: list[httpx.Response | None]) -> list[str]:
    return [answer.json()["session_id"] for answer in answers if answer is not None and answer.status_code == 201]


def test_one_pool_is_never_over_committed(fleet: Fleet) -> None:
    """200 clients want 7 or 11 kbps each of 1000; then all that got in are ended at once, each twice."""
    device_id, token = fleet.new_device(pool_kbps=1000)
    asks = [session_body(device_id, 7 if number % 2 else 11) for number in range(CLIENTS)]
    answers = fleet.race([(token, "POST", "/sessions", ask) for ask in asks])
    assert set(statuses(answers)) == {201, 409}
    granted = sum(
        stream["allocated_bandwidth_kbps"]
        for answer in answers
        if answer is not None and answer.status_code == 201
        for stream in answer.json()["streams"]
    )
    assert granted == fleet.reserved_kbps(device_id)
    assert 1000 - 11 < granted <= 1000
    fleet.check_reservations()
    ends = [(token, "DELETE", f"/sessions/{session_id}", None) for session_id in opened(answers)]
    assert set(statuses(fleet.race(ends + ends))) == {200}
    assert fleet.reserved_kbps(device_id) == 0
    fleet.check_reservations()


def test_every_pool_on_the_path_holds(fleet: Fleet) -> None:
    """Devices that together want more than their tenant has."""
    fleet.fetch("UPDATE pools SET capacity_kbps = 2000 WHERE level = 1")
    devices = [fleet.new_device() for _ in range(8)]
    try:
        asks = [devices[number % 8] for number in range(CLIENTS)]
        answers = fleet.race([(token, "POST", "/sessions", session_body(device, 30)) for device, token in asks])
        assert statuses(answers) == {201: 2000 // 30, 409: CLIENTS - 2000 // 30}
        limiting = {answer.json()["limiting_pool"] for answer in answers if answer is not None and answer.is_error}
        assert [pool.partition(":")[0] for pool in limiting] == ["tenant"]
        assert sum(fleet.reserved_kbps(device) for device, _ in devices) == 30 * (2000 // 30)
        fleet.check_reservations()
    finally:
        fleet.fetch("UPDATE pools SET capacity_kbps = 10000000 WHERE level = 1")


def test_all_ways_to_end_at_once(fleet: Fleet) -> None:
    """Creation, DELETE, expiry and revocation race on the same sessions; everything returns to zero."""
    devices = [fleet.new_device(pool_kbps=10_000) for _ in range(4)]
    asks = [devices[number % 4] for number in range(120)]
    bodies = [session_body(asks[number][0], 10, ttl_seconds=1 + number % 2) for number in range(120)]
    first = fleet.race([(token, "POST", "/sessions", body) for (_, token), body in zip(asks, bodies, strict=True)])
    assert statuses(first) == {201: 120}
    ends = [(fleet.operator, "DELETE", f"/sessions/{session_id}", None) for session_id in opened(first)]
    creations = [(token, "POST", "/sessions", session_body(device, 10, ttl_seconds=1)) for device, token in asks[:60]]
    revocations = [
        (fleet.operator, "POST", f"/devices/{device}/revoke", {"reason": "race"}) for device, _ in devices[:2]
    ]
    requests = [*ends, *creations, *revocations * 3]
    random.Random(1).shuffle(requests)
    answers = fleet.race(requests)
    assert set(statuses(answers)) <= {200, 201, 401, 409}
    for device, _ in devices[:2]:
        assert fleet.fetch("SELECT FROM sessions WHERE device_id = $1 AND status = 'active'", device) == []
        assert fleet.reserved_kbps(device) == 0
    eventually(lambda: not any(fleet.reserved_kbps(device) for device, _ in devices), "the sweep to give the rest back")
    fleet.check_reservations()


def test_sweeps_over_many_tenants(settings: dict[str, Any], fleet: Fleet, tmp_path: Path) -> None:
    """Expiry by four processes, one of which is killed, against creation and DELETE.

    The devices have the same name, so that only the tenant tells their pools apart: that has its place in the order of
    locks too.
    """
    operators = [new_token(settings["database_dsn"], settings["data_dir"], tenant=f"tenant-{n}") for n in range(8)]
    asks: list[tuple[str, str, str, Any]] = []
    for operator in operators:
        with fleet.client(operator) as client:
            new_device(client, "device-namesake", PUBLIC_KEY)
        asks += [(operator, "POST", "/sessions", session_body("device-namesake", 10))] * 24
    eager = {**settings, "expiry_interval_seconds": 0.001}
    with serving(tmp_path / "0", **eager), serving(tmp_path / "1", **eager) as victim:
        for round_number in range(3):
            answers = fleet.race(random.Random(round_number).sample(asks, len(asks)))
            assert statuses(answers) == {201: len(asks)}
            sessions = fleet.fetch(
                """
                SELECT session_id::text, right(tenant.name, 1)::integer AS number
                FROM sessions JOIN tenants AS tenant USING (tenant_id)
                WHERE device_id = 'device-namesake' AND status = 'active'
                ORDER BY session_id
                """
            )
            due, live = sessions[::2], sessions[1::2]
            fleet.fetch(
                "UPDATE sessions SET expires_at = now() WHERE session_id = ANY ($1::uuid[])",
                [row["session_id"] for row in due],
            )
            ends = [(operators[row["number"]], "DELETE", f"/sessions/{row['session_id']}", None) for row in live + due]
            requests = [*ends, *asks[::4]]
            random.Random(round_number).shuffle(requests)
            with ThreadPoolExecutor(1) as pool:
                racing = pool.submit(fleet.race, requests)
                if round_number == 1:
                    victim.kill()
                assert set(statuses(racing.result())) == {200, 201}
    fleet.fetch("UPDATE sessions SET expires_at = now() WHERE status = 'active' AND expires_at > now()")
    eventually(lambda: not fleet.fetch("SELECT FROM sessions WHERE status = 'active'"), "the sweep to end the rest")
    fleet.check_reservations()


@pytest.mark.parametrize("round_number", range(5))
def test_no_session_survives_a_revocation(fleet: Fleet, round_number: int) -> None:
    device_id, token = fleet.new_device()
    requests: list[tuple[str, str, str, Any]] = [
        (token if number % 2 else fleet.operator, "POST", "/sessions", session_body(device_id, 1))
        for number in range(40)
    ]
    requests.insert(10 + 2 * round_number, (fleet.operator, "POST", f"/devices/{device_id}/revoke", {"reason": "race"}))
    answers = fleet.race(requests)
    assert set(statuses(answers)) <= {200, 201, 401, 409}
    with fleet.client() as client:
        listed = client.get("/sessions", params={"device_id": device_id, "limit": 200}).json()["items"]
        assert client.post("/sessions", json=session_body(device_id, 1)).status_code == 409
    assert {session["session_id"] for session in listed} == set(opened(answers))
    assert {session["status"] for session in listed} <= {"terminated"}
    assert fleet.reserved_kbps(device_id) == 0


def test_killed_process_leaves_nothing_half_done(settings: dict[str, Any], fleet: Fleet, tmp_path: Path) -> None:
    device_id, token = fleet.new_device(pool_kbps=1_000_000)
    with serving(tmp_path, **settings) as victim:
        doomed = Fleet([victim, fleet.processes[0]], settings, fleet._loop)
        with ThreadPoolExecutor(1) as pool:
            asks = [(token, "POST", "/sessions", session_body(device_id, 5))] * 400
            racing = pool.submit(doomed.race, asks)
            eventually(lambda: fleet.reserved_kbps(device_id) > 200, "some sessions to be opened")
            victim.kill()
            answers = racing.result()
    assert set(statuses(answers)) == {0, 201}
    stored = fleet.fetch("SELECT session_id::text FROM sessions WHERE device_id = $1", device_id)
    assert set(opened(answers)) <= {row["session_id"] for row in stored}
    assert fleet.reserved_kbps(device_id) == 5 * len(stored)
    fleet.check_reservations()
    check = honeylink("pools", "check", **settings)
    assert check.returncode == 0, check.stdout
    assert json.loads(check.stdout)["off"] == 0


def test_same_device_registered_at_once(fleet: Fleet) -> None:
    """One of the answers is the one that holds: its token and code pair the device."""
    body = {"device_id": "device-twin", "public_key": PUBLIC_KEY, "firmware_version": "1.0.0"}
    answers = fleet.race([(fleet.operator, "POST", "/devices", body)] * 20)
    assert statuses(answers) == {201: 20}
    paired = 0
    with fleet.client() as client:
        for answer in answers:
            assert answer is not None
            code, device_token = answer.json()["pairing_code"], answer.json()["device_token"]
            attempt = client.post(
                "/devices/device-twin/pair",
                json={"pairing_code": code},
                headers={"authorization": f"Bearer {device_token}"},
            )
            assert attempt.status_code in {200, 401}
            paired += attempt.status_code == 200
    assert paired == 1
