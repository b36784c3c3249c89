"""What stands in PostgreSQL: all of a session or nothing, and never a key, a code or a token in the clear."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from honeylink.domain.keys import SealedKey, WrappedKey
from honeylink.domain.tokens import BearerToken
from honeylink.keys.contexts import data_key_context, device_master_key_context
from honeylink.keys.envelope import DataKey, UnsealError, open_session_key
from honeylink.keys.local import LocalKeyProvider
from honeylink.keys.providers import KeyProviderError
from tests.conftest import PUBLIC_KEY, Device, Service, session_body
from tests.keys.reference import session_key, stream_key

if TYPE_CHECKING:
    import httpx
    from asyncpg import Record

    from honeylink.keys.secret import Secret


def open_session(service: Service, device: Device, **fields: object) -> httpx.Response:
    with service.client(device.token) as client:
        answer = client.post("/sessions", json=session_body(device, **fields))
    assert answer.status_code == 201, answer.text
    return answer


def row_of(service: Service, session_id: str) -> Record:
    [row] = service.fetch("SELECT * FROM sessions WHERE session_id = $1", UUID(session_id))
    return row


def provider_of(service: Service) -> LocalKeyProvider:
    return LocalKeyProvider.open(service.settings.kek_file)


def unwrap(service: Service, wrapped: WrappedKey, context: bytes) -> Secret:
    [answer] = service.loop.run(provider_of(service).unwrap([(wrapped, context)]))
    if isinstance(answer, KeyProviderError):
        raise answer
    return answer


def data_key(service: Service, session: Record) -> DataKey:
    """The data key that sealed a session's key, unwrapped."""
    [row] = service.fetch(
        "SELECT * FROM data_keys WHERE tenant_id = $1 AND dek_id = $2", session["tenant_id"], session["dek_id"]
    )
    wrapped = WrappedKey(row["provider"], row["key_id"], row["key_version"], row["ciphertext"])
    context = data_key_context(row["tenant_id"], row["dek_id"])
    return DataKey(row["dek_id"], unwrap(service, wrapped, context))


def device_master_key(service: Service, tenant_id: UUID, device_id: str, context_of: str | None = None) -> Secret:
    """A device's master key, unwrapped; as if it stood in the row of device `context_of`."""
    [row] = service.fetch("SELECT * FROM devices WHERE tenant_id = $1 AND device_id = $2", tenant_id, device_id)
    wrapped = WrappedKey(row["dmk_provider"], row["dmk_key_id"], row["dmk_key_version"], row["dmk_ciphertext"])
    context = device_master_key_context(tenant_id, context_of or device_id)
    return unwrap(service, wrapped, context)


def unseal(service: Service, session: Record, sealed_of: Record) -> Secret:
    sealed = SealedKey(sealed_of["dek_id"], sealed_of["key_nonce"], sealed_of["key_ciphertext"])
    return open_session_key(
        data_key(service, sealed_of), sealed, session["tenant_id"], session["device_id"], session["session_id"]
    )


def whole_database(service: Service) -> str:
    """Every row of every table as text, as a dump would show it."""
    tables = service.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    rows = [
        row["text"]
        for table in tables
        for row in service.fetch(f'SELECT each::text AS text FROM "{table["tablename"]}" AS each')
    ]
    assert len(tables) >= 9
    return "\n".join(rows)


def forms(raw: bytes) -> list[str]:
    """How bytes may stand in a dump."""
    return [
        raw.hex(),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        base64.b64encode(raw).decode().rstrip("="),
    ]


# What a session leaves.


def test_a_session_with_all_that_belongs_to_it(service: Service) -> None:
    device = service.new_device()
    answer = open_session(service, device, ttl_seconds=90)
    opened = answer.json()
    session_id = UUID(opened["session_id"])
    session = row_of(service, opened["session_id"])
    assert (session["device_id"], session["status"], session["ended_at"]) == (device.device_id, "active", None)
    assert session["expires_at"] - session["created_at"] == timedelta(seconds=90)

    rows = service.fetch("SELECT * FROM streams WHERE session_id = $1 ORDER BY position", session_id)
    assert [
        {
            "stream_id": str(row["stream_id"]),
            "name": row["name"],
            "mode": row["mode"],
            "priority": row["priority"],
            "allocated_bandwidth_kbps": row["bandwidth_kbps"],
            "connection_id": row["connection_id"],
            "fec": {"data_shards": row["data_shards"], "parity_shards": row["parity_shards"]},
            "fec_rule": "priority" if row["loss_rate"] is None else "planned",
        }
        for row in rows
    ] == [{name: value for name, value in each.items() if name != "key_material"} for each in opened["streams"]]

    reserved = service.fetch("SELECT * FROM reservations WHERE session_id = $1 ORDER BY level", session_id)
    assert [(row["level"], row["pool_id"], row["reserved_kbps"]) for row in reserved] == [
        (0, device.device_id, 5100),
        (1, "acme", 5100),
    ]
    [event] = service.fetch("SELECT * FROM audit_events WHERE details ->> 'session_id' = $1", str(session_id))
    assert json.loads(event["details"]) == {
        "session_id": str(session_id),
        "stream_count": 2,
        "total_bandwidth_kbps": 5100,
        "ttl_seconds": 90,
    }
    assert event["trace_id"] == answer.headers["traceparent"].split("-")[1]
    assert event["at"] > session["created_at"], "expected the time when it was written"
    xmins = service.fetch(
        "SELECT xmin::text FROM sessions WHERE session_id = $1 UNION SELECT xmin::text FROM streams"
        " WHERE session_id = $1 UNION SELECT xmin::text FROM reservations WHERE session_id = $1"
        " UNION SELECT xmin::text FROM audit_events WHERE details ->> 'session_id' = $1::text"
        " UNION SELECT xmin::text FROM pools WHERE level = 0 AND pool_id = $2",
        session_id,
        device.device_id,
    )
    assert len(xmins) == 1, "expected one transaction"


@pytest.mark.parametrize("kbps", [[100_001], [1] * 17])
def test_a_refused_session_leaves_its_event_alone(service: Service, kbps: list[int]) -> None:
    device = service.new_device()
    counts = (
        "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM streams), (SELECT count(*) FROM reservations)"
    )
    before = service.fetch(counts), service.fetch("SELECT * FROM pools ORDER BY pool_id")
    with service.client(device.token) as client:
        problem = client.post("/sessions", json=session_body(device, *kbps)).json()
    assert (service.fetch(counts), service.fetch("SELECT * FROM pools ORDER BY pool_id")) == before
    [event] = service.fetch("SELECT outcome FROM audit_events WHERE trace_id = $1", problem["trace_id"])
    assert event["outcome"] == "refused"


def test_pools_count_what_live_sessions_hold(service: Service) -> None:
    first, second = service.new_device(), service.new_device()
    [tenant_before] = service.fetch("SELECT reserved_kbps FROM pools WHERE level = 1 AND pool_id = 'acme'")
    session_ids = [open_session(service, device).json()["session_id"] for device in (first, first, second)]
    with service.client() as client:
        client.delete(f"/sessions/{session_ids[0]}")
    rows = service.fetch("SELECT pool_id, reserved_kbps FROM pools WHERE level < 2")
    reserved = {row["pool_id"]: row["reserved_kbps"] for row in rows}
    assert (reserved[first.device_id], reserved[second.device_id]) == (5100, 5100)
    assert reserved["acme"] == tenant_before["reserved_kbps"] + 2 * 5100


# Keys at rest.


def test_the_stored_key_opens_in_its_row_and_derives_what_the_device_got(service: Service) -> None:
    device = service.new_device()
    opened = open_session(service, device).json()
    session = row_of(service, opened["session_id"])
    key = unseal(service, session, sealed_of=session)
    master = device_master_key(service, session["tenant_id"], device.device_id)
    assert key.matches(session_key(master, session["tenant_id"], device.device_id, session["session_id"]))
    for stream in opened["streams"]:
        derived = stream_key(key, session["session_id"], UUID(stream["stream_id"])).reveal()
        assert base64.urlsafe_b64encode(derived).rstrip(b"=").decode() == stream["key_material"]


def test_a_stored_key_moved_to_another_row_does_not_open(service: Service) -> None:
    devices = [service.new_device(), service.new_device()]
    first, same_device, other_device = (
        row_of(service, open_session(service, device).json()["session_id"])
        for device in (devices[0], devices[0], devices[1])
    )
    for moved_to in (same_device, other_device):
        with pytest.raises(UnsealError):
            unseal(service, moved_to, sealed_of=first)
    assert first["key_nonce"] != same_device["key_nonce"]


def test_a_master_key_moved_to_another_device_does_not_open(service: Service) -> None:
    one, other = service.new_device(), service.new_device()
    [row] = service.fetch("SELECT tenant_id FROM devices WHERE device_id = $1", one.device_id)
    mine, theirs = (device_master_key(service, row["tenant_id"], each.device_id) for each in (one, other))
    assert not mine.matches(theirs)
    with pytest.raises(KeyProviderError):
        device_master_key(service, row["tenant_id"], one.device_id, context_of=other.device_id)


def test_nothing_secret_is_stored_in_the_clear(service: Service) -> None:
    body: dict[str, Any] = {"device_id": "device-secrets", "public_key": PUBLIC_KEY, "firmware_version": "1.0.0"}
    with service.client() as client:
        registered = client.post("/devices", json=body).json()
    device = Device("device-secrets", registered["device_token"])
    with service.client(device.token) as client:
        client.post("/devices/device-secrets/pair", json={"pairing_code": registered["pairing_code"]})
    opened = open_session(service, device).json()
    session = row_of(service, opened["session_id"])
    tokens = [BearerToken.decode(text) for text in (device.token, service.operator)]
    secrets = [base64.urlsafe_b64decode(stream["key_material"] + "=") for stream in opened["streams"]]
    secrets += [token.secret for token in tokens if token is not None]
    secrets += [
        unseal(service, session, sealed_of=session).reveal(),
        device_master_key(service, session["tenant_id"], device.device_id).reveal(),
        data_key(service, session).key.reveal(),
        service.settings.kek_file.read_bytes(),
    ]
    assert len(secrets) == 8
    texts = [device.token, service.operator, registered["pairing_code"], registered["pairing_code"].replace("-", "")]
    dump = whole_database(service)
    assert opened["session_id"] in dump
    assert [text for text in texts if text in dump] == []
    assert [raw for raw in secrets for text in forms(raw) if text in dump] == []


def test_a_pairing_code_is_stored_as_a_mac_of_its_device(service: Service) -> None:
    one, other = service.new_device(paired=False), service.new_device(paired=False)
    rows = service.fetch(
        "SELECT pairing_code_mac FROM devices WHERE device_id = ANY ($1)", [one.device_id, other.device_id]
    )
    macs = {row["pairing_code_mac"] for row in rows}
    assert len(macs) == 2
    assert {len(mac) for mac in macs} == {32}
