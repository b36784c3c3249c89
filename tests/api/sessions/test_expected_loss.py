"""Streams that say what their link loses: the parity they get, what is refused, what is stored and shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from honeylink.fec import plan
from tests.api.peer import faults_of, post
from tests.conftest import Device, Service, session_body

if TYPE_CHECKING:
    import httpx


@pytest.fixture(scope="module")
def device(service: Service) -> Device:
    return service.new_device()


def streams(*asks: dict[str, object]) -> list[dict[str, Any]]:
    return [
        {"name": f"stream-{n}", "mode": "unreliable", "qos": {"priority": "burst", "bandwidth_kbps": 1, **ask}}
        for n, ask in enumerate(asks)
    ]


def ask(service: Service, device: Device, *asks: dict[str, object]) -> httpx.Response:
    return post(service, json.dumps(session_body(device, streams=streams(*asks))))


def opened(service: Service, device: Device, *asks: dict[str, object]) -> dict[str, Any]:
    answer = ask(service, device, *asks)
    assert answer.status_code == 201, answer.text
    session: dict[str, Any] = answer.json()
    return session


@pytest.mark.parametrize(
    ("asked", "planned"),
    [
        ({"loss_rate": 0.05}, plan(0.05, 0.999)),
        ({"loss_rate": 0.05, "recovery_target": None, "loss_burst": None}, plan(0.05, 0.999)),
        ({"loss_rate": 0.05, "recovery_target": 0.9}, plan(0.05, 0.9)),
        ({"loss_rate": 0.03, "loss_burst": 4, "recovery_target": 0.99}, plan(0.03, 0.99, burst=4)),
        ({"loss_rate": 0, "recovery_target": 1}, plan(0, 1)),
        ({"loss_rate": 0.9}, plan(0.9, 0.999)),
        ({"loss_rate": 0.9, "recovery_target": 0}, plan(0.9, 0)),
        ({"loss_rate": 0.95, "recovery_target": 0.5}, plan(0.95, 0.5)),
        ({"loss_rate": 0.1, "loss_burst": 1e6, "recovery_target": 0.5}, plan(0.1, 0.5, burst=1e6)),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_parity_is_planned_for_what_is_lost(
    service: Service, device: Device, asked: dict[str, object], planned: Any
) -> None:
    [stream] = opened(service, device, asked)["streams"]
    assert stream["fec"] == {"data_shards": 10, "parity_shards": planned.parity_shards}
    assert stream["fec_rule"] == "planned"


def test_each_stream_has_its_own_rule_and_is_shown_as_it_was_asked(service: Service, device: Device) -> None:
    bursts: dict[str, object] = {"loss_rate": 0.03, "loss_burst": 4, "recovery_target": 0.99}
    session = opened(service, device, bursts, {}, {"loss_rate": 0.05}, {"loss_rate": None})
    found = [(stream["fec"]["parity_shards"], stream["fec_rule"]) for stream in session["streams"]]
    assert found == [(9, "planned"), (5, "priority"), (4, "planned"), (5, "priority")]
    with service.client(device.token) as client:
        read = client.get(f"/sessions/{session['session_id']}").json()
        assert client.get("/sessions").json()["items"][0] == read
    plain = {"priority": "burst", "bandwidth_kbps": 1}
    assert [stream["qos"] for stream in read["streams"]] == [
        plain | bursts,
        plain,
        plain | {"loss_rate": 0.05, "recovery_target": 0.999},
        plain,
    ]
    for stream, shown in zip(session["streams"], read["streams"], strict=True):
        assert (shown["fec"], shown["fec_rule"]) == (stream["fec"], stream["fec_rule"])


@pytest.mark.parametrize(
    ("asked", "field", "message"),
    [
        ({"loss_burst": 4}, "loss_rate", "expected a number beside loss_burst, found none"),
        ({"recovery_target": 0.9}, "loss_rate", "expected a number beside recovery_target, found none"),
        (
            {"loss_rate": None, "loss_burst": 4, "recovery_target": 0.9},
            "loss_rate",
            "expected a number beside loss_burst, found none",
        ),
        ({"loss_rate": 0.75, "loss_burst": 2}, "loss_burst", "expected at least 3 packets at this loss, found 2.0"),
        ({"loss_rate": -0.1}, "loss_rate", "expected greater than or equal to 0"),
        ({"loss_rate": 1}, "loss_rate", "expected less than 1"),
        ({"loss_rate": 0.99}, "recovery_target", "expected at most 0."),
        ({"loss_rate": 1 - 2**-53}, "recovery_target", "expected at most 0"),
        ({"loss_rate": 1 - 2**-53, "loss_burst": 1e6}, "loss_burst", "expected at least 9007199254740991 packets"),
        ({"loss_rate": True}, "loss_rate", "expected a valid number"),
        ({"loss_rate": "0.1"}, "loss_rate", "expected a valid number"),
        ({"loss_rate": 10**400}, "loss_rate", "expected"),
        ({"loss_rate": 0.1, "loss_burst": 0.9}, "loss_burst", "expected greater than or equal to 1"),
        ({"loss_rate": 0.1, "loss_burst": 1e7}, "loss_burst", "expected less than or equal to 1000000"),
        ({"loss_rate": 0.1, "loss_burst": [4]}, "loss_burst", "expected a valid number"),
        ({"loss_rate": 0.1, "recovery_target": 2}, "recovery_target", "expected less than or equal to 1"),
        (
            {"loss_rate": 0.2, "loss_burst": 1000},
            "recovery_target",
            "expected at most 0.8421, the best that parity can do at this loss, found 0.999; ask for less, ",
        ),
        ({"loss_rate": 0.01, "recovery_target": 1}, "recovery_target", "expected at most 0.9999, "),
        ({"loss_rate": 0.9, "recovery_target": 0.99999}, "recovery_target", "expected at most 0.9999, "),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_a_loss_that_can_not_be_planned_for(
    service: Service, device: Device, asked: dict[str, object], field: str, message: str
) -> None:
    [(pointer, found)] = faults_of(ask(service, device, {}, asked)).items()
    assert pointer == f"/streams/1/qos/{field}"
    assert found.startswith(f"stream 'stream-1', {field}: {message}")


def test_what_the_refusal_calls_the_best_can_be_had(service: Service, device: Device) -> None:
    [message] = faults_of(ask(service, device, {"loss_rate": 0.9, "loss_burst": 20})).values()
    best = float(message.partition("at most ")[2].partition(",")[0])
    opened(service, device, {"loss_rate": 0.9, "loss_burst": 20, "recovery_target": best})


def test_faults_of_loss_are_listed_with_all_others(service: Service) -> None:
    asked = streams(
        {"priority": "urgent", "loss_rate": 0.5, "loss_burst": 1000},
        {"loss_rate": 0.75, "loss_burst": 2, "recovery_target": 3},
        {"loss_rate": 0.75, "loss_burst": 2},
        {"recovery_target": 0.5, "jitter": 1},
    )
    faults = faults_of(post(service, json.dumps({"device_id": "x", "streams": asked})))
    assert set(faults) == {
        "/device_id",
        "/streams/0/qos/priority",
        "/streams/0/qos/recovery_target",
        "/streams/1/qos/recovery_target",
        "/streams/2/qos/loss_burst",
        "/streams/3/qos/jitter",
        "/streams/3/qos/loss_rate",
    }


@pytest.mark.parametrize(
    "columns",
    ["loss_rate = 0.1, recovery_target = NULL", "loss_rate = NULL, recovery_target = 0.9", "loss_burst = 2"],
)
def test_rows_that_can_not_be(service: Service, device: Device, columns: str) -> None:
    opened(service, device, {})
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        service.fetch(f"UPDATE streams SET {columns} WHERE loss_rate IS NULL")
    assert caught.value.constraint_name == "streams_loss"
