"""What a session charges its path: one table of cases for Python, the Rust crate and the SQL statements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from honeylink import _native
from honeylink.domain.admission import Charge, Pool, PoolLevel, decide, path_emptied
from honeylink.domain.devices import DeviceStatus
from honeylink.domain.sessions import (
    FEC_BY_PRIORITY,
    FecParameters,
    Mode,
    Priority,
    SessionRequest,
    Stream,
    StreamRequest,
)
from honeylink.errors import PlannerError

TABLE = json.loads((Path(__file__).parents[1] / "cases" / "charging.json").read_text("utf-8"))
PATHS = {case["name"]: case for case in TABLE["paths"]}
PRIORITIES = {fec: priority for priority, fec in FEC_BY_PRIORITY.items()}


def pool_of(level: PoolLevel, case: dict[str, Any]) -> Pool:
    fields = {**case, "charge": Charge(case.get("charge", "payload"))}
    return Pool(UUID(int=1), level, level.label, **fields)


def path_of(case: dict[str, Any]) -> list[Pool]:
    return [pool_of(level, pool) for level, pool in zip(PoolLevel, case["pools"], strict=False)]


def fec_of(stream: dict[str, Any]) -> FecParameters:
    return FecParameters(stream["data_shards"], stream["parity_shards"])


def charges_of(case: dict[str, Any]) -> tuple[tuple[int, int], ...]:
    return tuple((charge["reserved_kbps"], charge["used_kbps"]) for charge in case["charges"])


@pytest.mark.parametrize("case", TABLE["wire"])
def test_a_stream_sends_its_parity_too_rounded_up(case: dict[str, int]) -> None:
    kbps = case["bandwidth_kbps"]
    stream = Stream(UUID(int=1), "video", Mode.RELIABLE, Priority.BURST, kbps, kbps, None, "conn-001", fec=fec_of(case))
    assert stream.wire_kbps == case["wire_kbps"]
    for charge, charged_kbps in ((Charge.PAYLOAD, kbps), (Charge.WIRE, case["wire_kbps"])):
        pool = Pool(UUID(int=1), PoolLevel.NODE, "node", 1, 0, charge)
        assert pool.charged_kbps([stream, stream]) == 2 * charged_kbps


@pytest.mark.parametrize("case", TABLE["pools"], ids=lambda case: str(case["name"]))
def test_what_follows_from_a_pool(case: dict[str, Any]) -> None:
    pool = pool_of(PoolLevel.TENANT, case["pool"])
    assert {name: getattr(pool, name) for name in case["expected"]} == case["expected"]
    assert pool.committed_kbps == pool.reserved_kbps + pool.withheld_kbps
    assert pool.free_kbps == max(pool.ceiling_kbps - pool.committed_kbps, 0)


@pytest.mark.parametrize("name", PATHS)
def test_what_a_session_charges_its_path(name: str) -> None:
    case = PATHS[name]
    asks = [
        _native.StreamAsk("", "normal", stream["bandwidth_kbps"], None, stream["data_shards"], stream["parity_shards"])
        for stream in case["streams"]
    ]
    pools = [pool.native for pool in path_of(case)]
    assert _native.charge_path(pools, asks, [ask.bandwidth_kbps for ask in asks]) == charges_of(case)


@pytest.mark.parametrize(
    "name", [name for name, case in PATHS.items() if {fec_of(each) for each in case["streams"]} <= PRIORITIES.keys()]
)
def test_an_admission_says_what_it_charges(name: str) -> None:
    case = PATHS[name]
    asks = tuple(
        StreamRequest(f"stream-{place}", Mode.RELIABLE, PRIORITIES[fec_of(stream)], stream["bandwidth_kbps"])
        for place, stream in enumerate(case["streams"])
    )
    path = path_of(case)
    ids = [UUID(int=place) for place in range(len(asks))]
    admission = decide(SessionRequest("device-1", asks, 60), DeviceStatus.PAIRED, path, ids, 16)
    assert admission.charges == charges_of(case)
    for pool, charge in zip(path, admission.charges, strict=True):
        after = pool.with_charge(*charge)
        assert after.reserved_kbps == pool.reserved_kbps + charge[0]
        assert after.withheld_kbps == pool.withheld_kbps - charge[1]


@pytest.mark.parametrize("name", PATHS)
def test_a_path_as_if_nobody_had_reserved_anything(name: str) -> None:
    path = path_of(PATHS[name])
    emptied = path_emptied(path)
    assert [(each.reserved_kbps, each.withheld_kbps) for each in emptied] == [
        (0, withheld_kbps) for withheld_kbps in PATHS[name]["withheld_when_empty"]
    ]
    assert [each.capacity_kbps for each in emptied] == [each.capacity_kbps for each in path]


def test_a_group_from_several_snapshots_uses_no_more_than_is_withheld() -> None:
    tenant = pool_of(PoolLevel.TENANT, {"capacity_kbps": 2000, "reserved_kbps": 700, "withheld_kbps": 100})
    assert tenant.with_charge(50, 130).withheld_kbps == 0
    assert tenant.with_charge(50, 130).key == tenant.key


def test_streams_that_no_pool_can_charge() -> None:
    with pytest.raises(PlannerError, match="data_shards"):
        _native.wire_kbps(1, 0, 1)
    with pytest.raises(PlannerError, match="bandwidth_kbps"):
        _native.wire_kbps(-1, 1, 1)
    with pytest.raises(PlannerError, match="total"):
        _native.wire_kbps(2**64 - 1, 1, 1)
    ask = _native.StreamAsk("", "normal", 1)
    with pytest.raises(PlannerError, match="one for each of 1 streams"):
        _native.charge_path([], [ask], [])
