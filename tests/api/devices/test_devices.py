"""`/devices` over HTTP on PostgreSQL: registering and reading."""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.devices.registering import WRONG_CODE, events_of, get, pair, register, registered, revoke
from tests.conftest import PUBLIC_KEY, Device, Service, session_body

if TYPE_CHECKING:
    from collections.abc import Iterator


PAIRING_CODE = re.compile(r"[2-9A-HJKMNP-TV-Z]{4}(-[2-9A-HJKMNP-TV-Z]{4}){2}")


def details_of(service: Service, device: Device, category: str) -> list[dict[str, Any]]:
    """The details of each event, the oldest first."""
    rows = service.fetch(
        "SELECT details FROM audit_events WHERE device_id = $1 AND category = $2 ORDER BY at",
        device.device_id,
        category,
    )
    return [json.loads(row["details"]) for row in rows]


# Registering.


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
def test_the_whole_answer_to_a_registration(service: Service, prefix: str) -> None:
    device_id = f"register{prefix.replace('/', '-')}"
    body = {"device_id": device_id, "public_key": PUBLIC_KEY, "firmware_version": "1.2.3-rc.1+build.5"}
    with service.client() as client:
        answer = client.post(f"{prefix}/devices", json=body)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{prefix}/devices/{device_id}"
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert found.keys() == {
        "device_id",
        "status",
        "device_token",
        "pairing_code",
        "registered_at",
        "pairing_expires_at",
    }
    assert (found["device_id"], found["status"]) == (device_id, "pending")
    assert PAIRING_CODE.fullmatch(found["pairing_code"])
    assert found["device_token"].startswith("hl1_")
    life = datetime.fromisoformat(found["pairing_expires_at"]) - datetime.fromisoformat(found["registered_at"])
    assert life == timedelta(minutes=10)


def test_a_device_is_read_as_it_was_registered(service: Service) -> None:
    fields = {"capabilities": ["fec", "video"], "metadata": {"site": "north", "mast": {"height_m": 12.5, "π": None}}}
    device, code = registered(service, "device-read", firmware_version="2.0.0", pool_kbps=4321, **fields)
    pending = get(service, device)
    assert pending.pop("registered_at").endswith("Z")
    described = {
        "device_id": "device-read",
        "public_key": PUBLIC_KEY,
        "firmware_version": "2.0.0",
        "pool_kbps": 4321,
        **fields,
    }
    assert pending == {"status": "pending", "paired_at": None, **described}
    paired = pair(service, device, code).json()
    assert (
        get(service, device, device.token).items()
        >= {
            "status": "paired",
            "paired_at": paired["paired_at"],
        }.items()
    )


def test_the_pool_is_the_services_default_unless_told(service: Service) -> None:
    assert get(service, service.new_device())["pool_kbps"] == 100_000
    assert get(service, service.new_device(pool_kbps=None))["pool_kbps"] == 100_000
    assert get(service, service.new_device(pool_kbps=7))["pool_kbps"] == 7


def test_a_pool_of_nothing_admits_nothing(service: Service) -> None:
    device = service.new_device(pool_kbps=0)
    with service.client(device.token) as client:
        problem = client.post("/sessions", json=session_body(device, 1)).json()
    assert (problem["error_code"], problem["admissible_kbps"]) == ("ERR_CONFLICT", 0)


def test_registering_a_pending_device_again_replaces_all_of_it(service: Service) -> None:
    old, old_code = registered(service, "device-again", pool_kbps=1)
    for _ in range(5):
        pair(service, old, WRONG_CODE)
    new, new_code = registered(service, "device-again", pool_kbps=2, firmware_version="3.0.0")
    assert new_code != old_code
    assert pair(service, old, new_code).status_code == 401
    assert pair(service, new, old_code).status_code == 403
    assert pair(service, new, new_code).status_code == 200
    found = get(service, new)
    assert (found["firmware_version"], found["pool_kbps"]) == ("3.0.0", 2)
    assert events_of(service, new, "device-registration") == [("token:operator", "success")] * 2
    details = details_of(service, new, "device-registration")
    assert [each["pool_kbps"] for each in details] == [1, 2]
    [change] = details_of(service, new, "pool-change")
    assert (change["was"]["capacity_kbps"], change["capacity_kbps"]) == (1, 2)


def test_registering_again_without_a_pool_leaves_it_as_it_is(service: Service) -> None:
    device, _ = registered(service, "device-keeps-pool", pool_kbps=3)
    registered(service, "device-keeps-pool", firmware_version="3.0.0")
    assert get(service, device)["pool_kbps"] == 3
    assert [each.get("pool_kbps") for each in details_of(service, device, "device-registration")] == [3, None]
    assert details_of(service, device, "pool-change") == []


def test_registering_again_sets_a_pool_that_has_a_share(service: Service) -> None:
    registered(service, "device-has-share", pool_kbps=100)
    with service.client() as client:
        share = {"capacity_kbps": 100, "guaranteed_kbps": 60, "lend_limit_kbps": 0}
        assert client.put("/devices/device-has-share/pool", json=share).status_code == 200
        registered(service, "device-has-share", pool_kbps=50)
        pool = client.get("/devices/device-has-share/pool").json()
    assert (pool["capacity_kbps"], pool["guaranteed_kbps"], pool["lend_limit_kbps"]) == (50, 60, 0)
    [row] = service.fetch("SELECT withheld_kbps FROM pools WHERE level = 1 AND pool_id = 'acme'")
    assert row["withheld_kbps"] == 50


@pytest.mark.parametrize("status", ["paired", "revoked"])
def test_a_device_past_pending_keeps_its_id(service: Service, status: str) -> None:
    device = service.new_device()
    if status == "revoked":
        revoke(service, device)
    before = get(service, device)
    answer = register(service, device.device_id, firmware_version="9.9.9")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "ERR_STATE")
    assert get(service, device) == before
    assert events_of(service, device, "device-registration")[-1] == ("token:operator", "refused")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("device_id", "abc"),
        ("device_id", "-starts-wrong"),
        ("device_id", "a" * 65),
        ("device_id", "device/1"),
        ("public_key", PUBLIC_KEY[:-1]),
        ("public_key", PUBLIC_KEY + "="),
        ("public_key", PUBLIC_KEY[:-1] + "p"),
        ("firmware_version", "1.0"),
        ("firmware_version", "01.0.0"),
        ("capabilities", "video"),
        ("metadata", []),
        ("pool_kbps", -1),
        ("pool_kbps", 10**9 + 1),
    ],
)
def test_a_field_that_does_not_fit(service: Service, field: str, value: object) -> None:
    body = {"device_id": "device-fits", field: value}
    answer = register(service, str(body.pop("device_id")), **body)
    assert answer.status_code == 400
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"/{field}"]


# The points of low order that 32 bytes can encode (https://cr.yp.to/ecdh.html). X25519 ignores the last bit of a key.
P = 2**255 - 19
LOW_ORDER = (
    0,
    1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
    P - 1,
    P,
    P + 1,
)


@pytest.mark.parametrize(
    "point", [*LOW_ORDER, *(point | 1 << 255 for point in LOW_ORDER)], ids=lambda point: f"{point:x}"[-8:]
)
def test_a_public_key_of_low_order_is_refused(service: Service, point: int) -> None:
    key = base64.urlsafe_b64encode(point.to_bytes(32, "little")).rstrip(b"=").decode()
    answer = register(service, "device-weak", public_key=key)
    assert answer.status_code == 400
    [fault] = answer.json()["errors"]
    assert fault["pointer"] == "/public_key"
    assert "low order" in fault["message"]
    assert key not in fault["message"]


BIDIRECTIONAL = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize("character", [*BIDIRECTIONAL, "\u200b", "\u2028", "\ufeff", "\U000e0041"])
def test_text_beside_other_text_has_no_format_characters(service: Service, character: str) -> None:
    device = service.new_device()
    name = f"camera{character}oediv"
    body = session_body(device, 1)
    body["streams"][0]["name"] = name
    with service.client() as client:
        answers = {
            "/capabilities/0": register(service, "device-named", capabilities=[name]),
            "/streams/0/name": client.post("/sessions", json=body),
            "/reason": revoke(service, device, name),
            "/pairing_code": pair(service, device, name),
            "/cursor": client.get("/devices", params={"cursor": name}),
            "": client.get(f"/devices/{name}"),
        }
    for pointer, answer in answers.items():
        assert answer.status_code == 400, pointer
        [fault] = answer.json()["errors"]
        assert fault["pointer"] == pointer
        assert "without control or format characters" in fault["message"]
        assert character not in answer.text
    assert get(service, device)["status"] == "paired"


# Reading.


@pytest.mark.parametrize("method", ["get", "revoke"])
def test_a_device_that_is_not_there(service: Service, method: str) -> None:
    nobody = Device("never-registered", "")
    with service.client() as client:
        answer = client.get("/devices/never-registered") if method == "get" else revoke(service, nobody)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "ERR_NOT_FOUND")
    assert "'never-registered'" in answer.json()["message"]


@pytest.mark.parametrize("limit", [1, 3, 200])
def test_pages_hold_each_device_once(service: Service, limit: int) -> None:
    made = {service.new_device(paired=False).device_id for _ in range(4)}
    walked = list(walk(service, limit))
    ids = [device["device_id"] for device in walked]
    assert len(ids) == len(set(ids))
    assert made <= set(ids)
    times = [datetime.fromisoformat(device["registered_at"]) for device in walked]
    assert times == sorted(times, reverse=True)


def test_devices_of_one_moment_are_paged_by_id(service: Service) -> None:
    made = [service.new_device(paired=False).device_id for _ in range(3)]
    service.fetch("UPDATE devices SET registered_at = now() WHERE device_id = ANY ($1)", made)
    assert [device["device_id"] for device in walk(service, 1)][:3] == sorted(made, reverse=True)


def walk(service: Service, limit: int) -> Iterator[dict[str, Any]]:
    cursor: dict[str, str] = {}
    with service.client() as client:
        for _ in range(200):  # far more than there are pages
            page = client.get("/devices", params={"limit": limit, **cursor}).json()
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}
        pytest.fail("expected a last page")


@pytest.mark.parametrize("cursor", ["nonsense", "W10", "WyIyMDI2LTAxLTAxIiwgImRldmljZS0xIl0"])
def test_a_cursor_that_is_none(service: Service, cursor: str) -> None:
    with service.client() as client:
        answer = client.get("/devices", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/cursor")
