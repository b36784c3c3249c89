"""The database dies, freezes or drags: clients are told within two seconds, and nothing is lost or half done."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from honeylink.settings import Settings
from tests.conftest import PUBLIC_KEY, Device, Service, run_service, session_body
from tests.operations.processes import eventually, new_device, new_token, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from tests.operations.postgres import OwnPostgres

# The contract is two seconds; the third is for a machine that runs all tests at once.
BOUND_SECONDS = 3

# The default: what a request waits for its database.
TIMEOUT_SECONDS = Settings.model_fields["database_timeout_seconds"].default


@pytest.fixture(scope="module")
def service(own_postgres: OwnPostgres, make_settings: Callable[..., Settings]) -> Iterator[Service]:
    own_postgres.migrate()
    with run_service(make_settings(database_dsn=own_postgres.dsn, database_timeout_seconds=TIMEOUT_SECONDS)) as running:
        yield running


@pytest.fixture
def device(service: Service) -> Iterator[Device]:
    """A device whose reservations must reconcile when the test is over."""
    yield service.new_device()
    reconciled = service.loop.run(service.services.operations.check_pools())
    assert [pool for pool in reconciled if not pool.reconciles] == []


def stored_sessions(service: Service) -> int:
    return len(service.fetch("SELECT FROM sessions"))


def timed(client: httpx.Client, method: str, path: str, body: object = None) -> httpx.Response:
    """A request whose answer must come in time."""
    started = time.monotonic()
    answer = client.request(method, path, json=body)
    assert time.monotonic() - started < BOUND_SECONDS
    return answer


def check_away(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["error_code"] == "ERR_DEPENDENCY"
    assert int(answer.headers["retry-after"]) >= 1


def open_session(service: Service, device: Device) -> httpx.Response:
    with service.client(device.token) as client:
        return timed(client, "POST", "/sessions", session_body(device, 10))


def open_again(service: Service, device: Device) -> dict[str, Any]:
    """A session, as soon as there can be one."""

    def attempt() -> dict[str, Any] | None:
        answer = open_session(service, device)
        return answer.json() if answer.status_code == 201 else None

    opened: dict[str, Any] = eventually(attempt, "a session to be opened again")
    return opened


def requests_of_all_kinds(device: Device) -> list[tuple[str, str, object]]:
    registration = {"device_id": "device-unborn", "public_key": PUBLIC_KEY, "firmware_version": "1.0.0"}
    return [
        ("POST", "/sessions", session_body(device, 10)),
        ("GET", "/sessions", None),
        ("GET", "/devices", None),
        ("POST", "/devices", registration),
        ("POST", f"/devices/{device.device_id}/revoke", {"reason": "test"}),
        ("DELETE", "/sessions/00000000-0000-0000-0000-000000000000", None),
    ]


def test_killed_server(service: Service, device: Device, own_postgres: OwnPostgres) -> None:
    acknowledged = []
    for _ in range(5):
        answer = open_session(service, device)
        assert answer.status_code == 201
        acknowledged.append(answer.json()["session_id"])
    with own_postgres.killed(), service.client() as client:
        for method, path, body in requests_of_all_kinds(device):
            check_away(timed(client, method, path, body))
        ready = timed(client, "GET", "/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "not ready")
        assert ready.json()["checks"]["key_provider"] == "unknown without the database"
        assert "not available" in ready.json()["checks"]["database"]
        assert timed(client, "GET", "/healthz").status_code == 200
        assert timed(client, "GET", "/metrics").status_code == 200
    acknowledged.append(open_again(service, device)["session_id"])
    with service.client() as client:
        assert client.get("/readyz").status_code == 200
        for session_id in acknowledged:
            assert client.get(f"/sessions/{session_id}").json()["status"] == "active"


def test_killed_under_load(service: Service, device: Device, own_postgres: OwnPostgres) -> None:
    """Each session that was acknowledged is there; one whose answer got lost may be, and all reconciles."""
    before = stored_sessions(service)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(open_session, service, device) for _ in range(120)]
        eventually(lambda: sum(answer.done() for answer in answers) > 20, "some sessions to be opened")
        with own_postgres.killed():
            pass
    statuses = [answer.result().status_code for answer in answers]
    assert set(statuses) <= {201, 503}
    acknowledged = {answer.result().json()["session_id"] for answer in answers if answer.result().status_code == 201}
    open_again(service, device)
    stored = {str(row["session_id"]) for row in service.fetch("SELECT session_id FROM sessions")}
    assert acknowledged <= stored
    assert len(stored) - before <= len(answers) + 1


def test_frozen_server(service: Service, device: Device, own_postgres: OwnPostgres) -> None:
    open_again(service, device)
    before = stored_sessions(service)
    with own_postgres.frozen(), service.client() as client:
        with ThreadPoolExecutor(6) as pool:
            for answer in pool.map(lambda request: timed(client, *request), requests_of_all_kinds(device)):
                check_away(answer)
        assert timed(client, "GET", "/readyz").status_code == 503
        assert timed(client, "GET", "/healthz").status_code == 200
    open_again(service, device)
    assert stored_sessions(service) == before + 1


def test_frozen_server_and_many_clients(service: Service, device: Device, own_postgres: OwnPostgres) -> None:
    """More requests than there are connections: those that wait for one are answered in time as well."""
    open_again(service, device)
    before = stored_sessions(service)
    with own_postgres.frozen(), ThreadPoolExecutor(40) as pool:
        for answer in pool.map(lambda _: open_session(service, device), range(40)):
            check_away(answer)
    open_again(service, device)
    assert stored_sessions(service) == before + 1


def test_statement_thawed_after_its_deadline_stores_nothing(
    service: Service, device: Device, own_postgres: OwnPostgres
) -> None:
    open_again(service, device)
    before = stored_sessions(service)
    with ThreadPoolExecutor(1) as pool, own_postgres.locking(lock_of(device)):
        answer = pool.submit(open_session, service, device)
        eventually(lambda: waiting(own_postgres), "the session's statement to wait for the pool", 1.5)
        with own_postgres.frozen():
            check_away(answer.result())
    # Thawed, it ends by its own time limit or, if it gets the lock before that, by its deadline.
    eventually(lambda: not waiting(own_postgres), "the statement to end")
    assert stored_sessions(service) == before
    open_again(service, device)


def test_dragging_server(service: Service, device: Device, own_postgres: OwnPostgres) -> None:
    before = stored_sessions(service)
    with own_postgres.locking(lock_of(device)):
        with ThreadPoolExecutor(4) as pool:
            for answer in pool.map(lambda _: open_session(service, device), range(4)):
                check_away(answer)
        with service.client() as client:
            assert timed(client, "GET", f"/devices/{device.device_id}").status_code == 200
    open_again(service, device)
    eventually(lambda: not waiting(own_postgres), "the late statements to end")
    assert stored_sessions(service) == before + 1


def test_killed_embedded_server_comes_back(tmp_path: Path) -> None:
    """What one `honeylink serve` with its own database does about it: everything."""
    data_dir = tmp_path / "data"
    with serving(tmp_path, data_dir=data_dir) as served:
        with served.client(new_token(None, data_dir)) as operator:
            token, _ = new_device(operator, "device-1", PUBLIC_KEY)
        with served.client(token) as client:
            acknowledged = [client.post("/sessions", json=session_body("device-1", 10)).json()["session_id"]]
            psutil.Process(served.logged("database.start")["pid"]).kill()
            served.logged("database.restart")

            def opened() -> str | None:
                answer = timed(client, "POST", "/sessions", session_body("device-1", 10))
                assert answer.status_code in {201, 503}
                return str(answer.json()["session_id"]) if answer.status_code == 201 else None

            acknowledged.append(eventually(opened, "a session to be opened again"))
            stored = [session["session_id"] for session in client.get("/sessions").json()["items"]]
            assert set(acknowledged) <= set(stored)


def test_who_shares_the_database_of_a_killed_owner_takes_it_over(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with (
        serving(tmp_path / "owner", data_dir=data_dir) as owner,
        serving(tmp_path / "borrower", data_dir=data_dir) as borrower,
    ):
        with owner.client(new_token(None, data_dir)) as operator:
            token, _ = new_device(operator, "device-1", PUBLIC_KEY)
        with borrower.client(token) as client:
            acknowledged = []

            def opened() -> str | None:
                answer = timed(client, "POST", "/sessions", session_body("device-1", 10))
                if answer.status_code == 201:
                    acknowledged.append(answer.json()["session_id"])
                    return str(acknowledged[-1])
                check_away(answer)
                return None

            for _ in range(3):
                assert opened()
            owner.kill()
            eventually(lambda: not opened(), "the owner's database to end")
            eventually(opened, "a session to be opened again")
            assert borrower.logged("database.start")
            assert [client.get(f"/sessions/{session_id}").status_code for session_id in acknowledged] == [
                200 for _ in acknowledged
            ]


def lock_of(device: Device) -> str:
    return f"SELECT FROM pools WHERE level = 0 AND pool_id = '{device.device_id}' FOR UPDATE"


def waiting(postgres: OwnPostgres) -> int:
    """How many of the service's statements wait for a lock."""
    count: int = postgres.value(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'honeylink' AND wait_event_type = 'Lock'"
    )
    return count
