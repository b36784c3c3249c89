"""Many clients at several processes on pools with shares, minima and pre-emption: every promise holds."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from honeylink.domain.access import Role
from tests.conftest import PUBLIC_KEY
from tests.operations.processes import eventually, honeylink, new_device, new_token, serving
from tests.races.test_pools import CLIENTS, Fleet, opened, statuses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from tests.conftest import LoopThread

TENANTS = ("acme", "other")
DEVICES = tuple(f"device-{number}" for number in range(4))
# In turns. What keeps something charges as its ancestors do.
CHARGES = ("wire", "payload")

Request = tuple[str, str, str, Any]


@pytest.fixture(scope="module")
def settings(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {
        "database_dsn": new_database(),
        "data_dir": tmp_path_factory.mktemp("data"),
        "rate_limit_per_second": 0,
        "expiry_interval_seconds": 0.2,
        "database_timeout_seconds": 20,
        "node_pool_kbps": 6000,
        "node_pool_preemption": True,
    }


@pytest.fixture(scope="module")
def fleet(settings: dict[str, Any], loop: LoopThread, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    directory = tmp_path_factory.mktemp("fleet")
    with serving(directory / "0", **settings) as one, serving(directory / "1", **settings) as two:
        yield Fleet([one, two], settings, loop)


@pytest.fixture(scope="module")
def operators(fleet: Fleet, settings: dict[str, Any]) -> dict[str, str]:
    """An operator of each tenant; each has devices of the same names, and keeps something of every pool."""
    tokens = {}
    shares = {"acme": (3000, 1000), "other": (2000, 0)}
    for tenant, (guaranteed, lend) in shares.items():
        tokens[tenant] = new_token(settings["database_dsn"], settings["data_dir"], tenant=tenant)
        admin = new_token(settings["database_dsn"], settings["data_dir"], tenant=tenant, role=Role.ADMIN)
        with fleet.client(tokens[tenant]) as client:
            for device in DEVICES:
                new_device(client, device, PUBLIC_KEY)
        pools: dict[str, dict[str, object]] = {
            f"/tenants/{tenant}": {"capacity_kbps": 5000, "guaranteed_kbps": guaranteed, "lend_limit_kbps": lend}
        }
        for number, device in enumerate(DEVICES):
            share = {"guaranteed_kbps": 300, "lend_limit_kbps": 100} if number % 2 else {}
            pools[f"/devices/{device}"] = {"capacity_kbps": 2000, "charge": CHARGES[number % 2], **share}
        with fleet.client(admin) as client:
            for path, pool in pools.items():
                answer = client.put(f"{path}/pool", json={**pool, "preemption": True})
                assert answer.status_code == 200, answer.text
    return tokens


def creation(rng: random.Random, operators: dict[str, str]) -> Request:
    streams = []
    for number in range(rng.randint(1, 3)):
        kbps = rng.randint(1, 200)
        qos = {"priority": rng.choice(["latency", "normal", "burst"]), "bandwidth_kbps": kbps}
        if rng.random() < 0.6:
            qos["min_bandwidth_kbps"] = rng.randint(1, kbps)
        streams.append({"name": f"stream-{number}", "mode": "reliable", "qos": qos})
    body = {"device_id": rng.choice(DEVICES), "streams": streams, "ttl_seconds": rng.choice([1, 60])}
    setup_priority = rng.randint(0, 3)
    body |= {"setup_priority": setup_priority, "hold_priority": max(setup_priority, rng.randint(0, 3))}
    return operators[rng.choice(TENANTS)], "POST", "/sessions", body


def change(rng: random.Random, operators: dict[str, str]) -> Request:
    """A device's pool that becomes smaller or larger, and keeps more or less."""
    number = rng.randrange(len(DEVICES))
    pool = {
        "capacity_kbps": rng.randint(500, 2500),
        "charge": CHARGES[number % 2],
        "guaranteed_kbps": rng.choice([None, 200, 400]),
        "lend_limit_kbps": rng.choice([None, 0, 100]) if number % 2 else None,
        "preemption": True,
        "force": rng.choice(["shrink", "drain"]),
    }
    return operators[rng.choice(TENANTS)], "PUT", f"/devices/{DEVICES[number]}/pool", pool


def check(fleet: Fleet) -> None:
    """Reservations reconcile, and no stream has less than its minimum or more than the trail says."""
    fleet.check_reservations()
    assert fleet.fetch("SELECT * FROM streams WHERE bandwidth_kbps < coalesce(min_bandwidth_kbps, 1)") == []
    untold = """
        SELECT session_id
        FROM streams
        LEFT JOIN (
            SELECT (details ->> 'session_id')::uuid AS session_id,
                   min((details ->> 'to_bandwidth_kbps')::bigint) AS kbps
            FROM audit_events WHERE category = 'session-shrink' GROUP BY 1
        ) AS shrunk USING (session_id)
        JOIN (
            SELECT (details ->> 'session_id')::uuid AS session_id, (details ->> 'total_bandwidth_kbps')::bigint AS kbps
            FROM audit_events WHERE category = 'session-creation' AND outcome = 'success'
        ) AS created USING (session_id)
        GROUP BY session_id, created.kbps, shrunk.kbps
        HAVING sum(bandwidth_kbps) <> coalesce(shrunk.kbps, created.kbps)
    """
    assert fleet.fetch(untold) == []


def live(fleet: Fleet, operators: dict[str, str]) -> list[Request]:
    """Requests that end all sessions that are live now."""
    rows = fleet.fetch(
        "SELECT tenant.name, session_id::text FROM sessions JOIN tenants AS tenant USING (tenant_id)"
        " WHERE status = 'active'"
    )
    return [(operators[row["name"]], "DELETE", f"/sessions/{row['session_id']}", None) for row in rows]


@pytest.mark.parametrize("round_number", range(3))
def test_every_promise_holds(fleet: Fleet, operators: dict[str, str], round_number: int) -> None:
    """200 clients want sessions of three pools, some stronger than others; then all is mixed with ends and changes."""
    rng = random.Random(round_number)
    answers = fleet.race([creation(rng, operators) for _ in range(CLIENTS)])
    assert set(statuses(answers)) <= {201, 409}
    assert statuses(answers)[201] > 10
    check(fleet)
    # Nobody has lowered a pool yet, so none has given away more than it may.
    assert fleet.fetch("SELECT * FROM pools WHERE draining_kbps > 0") == []
    requests = [
        *live(fleet, operators)[::2],
        *(creation(rng, operators) for _ in range(CLIENTS)),
        *(change(rng, operators) for _ in range(20)),
    ]
    rng.shuffle(requests)
    assert set(statuses(fleet.race(requests))) <= {200, 201, 409}
    check(fleet)
    assert fleet.fetch("SELECT FROM audit_events WHERE category = 'session-shrink'")
    assert fleet.fetch("SELECT FROM sessions WHERE end_reason = 'preempted'")
    fleet.race(live(fleet, operators))
    check(fleet)
    assert fleet.fetch("SELECT FROM pools WHERE reserved_kbps > 0") == []


def test_a_killed_process_takes_nothing_and_leaves_nothing(
    settings: dict[str, Any], fleet: Fleet, operators: dict[str, str], tmp_path: Path
) -> None:
    rng = random.Random(7)
    with serving(tmp_path, **settings) as victim:
        doomed = Fleet([victim, *fleet.processes], settings, fleet._loop)
        with ThreadPoolExecutor(1) as pool:
            racing = pool.submit(doomed.race, [creation(rng, operators) for _ in range(2 * CLIENTS)])
            eventually(lambda: len(live(fleet, operators)) > 5, "some sessions to be opened")
            victim.kill()
            answers: list[httpx.Response | None] = racing.result()
    assert set(statuses(answers)) <= {0, 201, 409}
    stored = {row["session_id"] for row in fleet.fetch("SELECT session_id::text FROM sessions")}
    assert set(opened(answers)) <= stored
    check(fleet)
    fleet.race(live(fleet, operators))
    check(fleet)
    assert fleet.fetch("SELECT FROM pools WHERE reserved_kbps > 0") == []
    proof = honeylink("pools", "check", **settings)
    assert proof.returncode == 0, proof.stdout
    assert json.loads(proof.stdout)["off"] == 0
