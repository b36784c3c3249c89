"""What a session charges its path, as the statements do it: by the table of cases that the Rust crate is held to."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from honeylink.domain.admission import PoolLevel
from honeylink.domain.audit import AuditEvent, Category
from honeylink.domain.keys import SealedKey
from honeylink.domain.sessions import Mode, Priority, SessionRequest, Stream
from honeylink.store.sessions import EndingSession, NewSession, create_sessions, end_sessions
from honeylink.store.statements import STATEMENTS
from tests.conftest import run_service
from tests.domain.test_charging import PATHS, TABLE, fec_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from honeylink.settings import Settings
    from tests.conftest import Service

DEVICE = "device-1"
REMOVE_NODE = "DELETE FROM pools WHERE level = 2"
MAKE_NODE = """
INSERT INTO pools (tenant_id, level, pool_id, capacity_kbps, accepting)
VALUES ('00000000-0000-0000-0000-000000000000', 2, 'node', 1000, true)
"""
SET_POOL = """
UPDATE pools AS pool
SET capacity_kbps = new.capacity_kbps, reserved_kbps = new.reserved_kbps, charge = new.charge,
    guaranteed_kbps = new.guaranteed_kbps, lend_limit_kbps = new.lend_limit_kbps, withheld_kbps = new.withheld_kbps
FROM jsonb_populate_record(NULL::pools, $2) AS new
WHERE pool.level = $1
"""
PLAIN = {"charge": "payload", "guaranteed_kbps": None, "lend_limit_kbps": None, "withheld_kbps": 0}


@pytest.fixture(scope="module")
def service(make_settings: Callable[..., Settings]) -> Iterator[Service]:
    with run_service(make_settings(expiry_interval_seconds=3600)) as service:
        service.new_device(device_id=DEVICE)
        yield service


@pytest.mark.parametrize("case", TABLE["wire"])
def test_a_stream_sends_its_parity_too_rounded_up(service: Service, case: dict[str, int]) -> None:
    wire = "SELECT wire_kbps($1, $2, $3)"
    [row] = service.fetch(wire, case["bandwidth_kbps"], case["data_shards"], case["parity_shards"])
    assert row["wire_kbps"] == case["wire_kbps"]


@pytest.mark.parametrize("case", TABLE["pools"], ids=lambda case: str(case["name"]))
def test_what_follows_from_a_pool(service: Service, case: dict[str, Any]) -> None:
    [row] = service.fetch(
        "SELECT share_kbps(pool), kept_kbps(pool), ceiling_kbps(pool), claim_kbps(pool)"
        " FROM jsonb_populate_record(NULL::pools, $1) AS pool",
        json.dumps(PLAIN | case["pool"]),
    )
    assert dict(row) == case["expected"]


@pytest.mark.parametrize("name", PATHS)
def test_what_a_session_charges_its_path(service: Service, name: str) -> None:
    case = PATHS[name]
    service.fetch(REMOVE_NODE)
    if len(case["pools"]) == len(PoolLevel):
        service.fetch(MAKE_NODE)
    for level, pool in zip(PoolLevel, case["pools"], strict=False):
        service.fetch(SET_POOL, level, json.dumps(PLAIN | pool))
    before = amounts(service)
    assert before == [(pool["reserved_kbps"], pool.get("withheld_kbps", 0)) for pool in case["pools"]]
    [tenant] = service.fetch("SELECT tenant_id, dek_id FROM tenants JOIN data_keys USING (tenant_id)")
    new = new_session(tenant["tenant_id"], tenant["dek_id"], case["streams"])

    service.loop.run(store(service, new))
    after = amounts(service)
    service.loop.run(end(service, new))

    charges = [(charge["reserved_kbps"], charge["used_kbps"]) for charge in case["charges"]]
    assert [(a[0] - b[0], b[1] - a[1]) for a, b in zip(after, before, strict=True)] == charges
    assert amounts(service) == before


def test_the_planner_puts_each_rule_in_its_place(service: Service) -> None:
    """A function that it can't inline would be called for each row, and have its own plan."""
    charging = [name for name, (sql, _) in STATEMENTS.items() if re.search(r"\w_kbps\(", sql)]
    assert {"create_session", "create_sessions", "end_sessions", "shrink_sessions", "check_pools"} <= set(charging)
    plans = service.loop.run(plans_of(service.dsn, charging))
    assert {name: re.findall(r"\w+_kbps\(", plan) for name, plan in plans.items()} == {name: [] for name in charging}


async def plans_of(dsn: str, names: list[str]) -> dict[str, str]:
    """The plans that serve all parameters, with the expressions that they compute."""
    connection = await asyncpg.connect(dsn, server_settings={"plan_cache_mode": "force_generic_plan"})
    try:
        plans = {}
        for name in names:
            sql, parameters = STATEMENTS[name]
            await connection.execute(f"PREPARE {name} AS {sql}")
            arguments = f"({', '.join(['NULL'] * len(parameters))})" if parameters else ""
            lines = await connection.fetch(f"EXPLAIN (VERBOSE) EXECUTE {name} {arguments}")
            plans[name] = "\n".join(line[0] for line in lines)
        return plans
    finally:
        await connection.close()


def amounts(service: Service) -> list[tuple[int, int]]:
    """What the pools of the path have reserved and withhold, from the device up."""
    rows = service.fetch("SELECT reserved_kbps, withheld_kbps FROM pools ORDER BY level")
    return [tuple(row) for row in rows]


def new_session(tenant_id: UUID, dek_id: UUID, streams: list[dict[str, Any]]) -> NewSession:
    event = AuditEvent(uuid4(), tenant_id, Category.SESSION_CREATION, {}, "")
    return NewSession(
        uuid4(),
        SessionRequest(DEVICE, (), 3600),
        tuple(
            Stream(uuid4(), f"s{n}", Mode.RELIABLE, Priority.NORMAL, kbps, kbps, None, f"conn-{n}", fec_of(stream))
            for n, stream in enumerate(streams)
            for kbps in [stream["bandwidth_kbps"]]
        ),
        "acme",
        SealedKey(dek_id, b"", b""),
        datetime.now(UTC) + timedelta(minutes=5),
        event,
    )


async def store(service: Service, new: NewSession) -> None:
    async with service.services.database.work() as work:
        assert new.session_id in await create_sessions(work, [new], "quic://127.0.0.1")


async def end(service: Service, new: NewSession) -> None:
    ending = [EndingSession(new.event.tenant_id, new.session_id, uuid4())]
    async with service.services.database.work() as work:
        assert len(await end_sessions(work, ending, reason="test", actor="test", trace_id="")) == 1
