"""What the schema itself holds to, whoever writes: append-only audit, least rights, pools never over-committed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import asyncpg
import pytest

from honeylink.store.statements import TEXT
from tests.conftest import session_body

if TYPE_CHECKING:
    from tests.conftest import Device, Service

PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")

RIGHTS = {
    "alembic_version": {"SELECT"},
    "audit_events": {"SELECT", "INSERT"},
    "data_keys": {"SELECT", "INSERT"},
    "devices": {"SELECT", "INSERT", "UPDATE"},
    "pools": {"SELECT", "INSERT", "UPDATE"},
    "reservations": {"SELECT", "INSERT", "UPDATE", "DELETE"},
    "session_details": {"SELECT"},
    "sessions": {"SELECT", "INSERT", "UPDATE"},
    "streams": {"SELECT", "INSERT", "UPDATE"},
    "tenants": {"SELECT", "INSERT"},
    "tokens": {"SELECT", "INSERT", "UPDATE"},
}

WRITES = {
    "UPDATE": "UPDATE audit_events SET outcome = 'success'",
    "UPDATE of no row": "UPDATE audit_events SET outcome = 'success' WHERE false",
    "DELETE": "DELETE FROM audit_events",
    "TRUNCATE": "TRUNCATE audit_events",
    "TRUNCATE of all": "TRUNCATE tenants CASCADE",
}


@pytest.fixture(scope="module")
def device(service: Service) -> Device:
    device = service.new_device(pool_kbps=1000)
    with service.client(device.token) as client:
        assert client.post("/sessions", json=session_body(device, 100)).status_code == 201
    return device


def run_as(service: Service, statement: str, **server_settings: str) -> list[asyncpg.Record]:
    """Run a statement on a connection with these settings, such as another role."""

    async def run() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(service.dsn, server_settings=server_settings)
        try:
            return await connection.fetch(statement)
        finally:
            await connection.close()

    return service.loop.run(run())


# The audit trail.


@pytest.mark.parametrize("replication", ["origin", "replica"])
@pytest.mark.parametrize("write", WRITES)
def test_not_even_the_owner_changes_the_trail(service: Service, device: Device, write: str, replication: str) -> None:
    before = service.fetch("SELECT * FROM audit_events ORDER BY at, event_id")
    assert before
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=f"append-only: {write.partition(' ')[0]} refused"):
        run_as(service, WRITES[write], session_replication_role=replication)
    assert service.fetch("SELECT * FROM audit_events ORDER BY at, event_id") == before


@pytest.mark.parametrize("write", WRITES)
def test_the_services_role_has_no_right_to_change_it_either(service: Service, write: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        run_as(service, WRITES[write], role="honeylink_app")


def test_the_services_role_writes_and_reads_the_trail(service: Service) -> None:
    run_as(
        service,
        "INSERT INTO audit_events (tenant_id, event_id, category, actor, outcome, details, trace_id)"
        " SELECT tenant_id, gen_random_uuid(), 'access-denied', 'test', 'refused', '{}', '' FROM tenants LIMIT 1",
        role="honeylink_app",
    )
    assert run_as(service, "SELECT 1 FROM audit_events WHERE actor = 'test'", role="honeylink_app")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE audit_events DISABLE TRIGGER audit_events_append_only",
        "DROP TRIGGER audit_events_append_only ON audit_events",
        "DROP TABLE audit_events",
        "SET session_replication_role = replica",
        "CREATE TABLE elsewhere (value integer)",
    ],
)
def test_the_services_role_can_not_get_round_it(service: Service, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        run_as(service, statement, role="honeylink_app")


# Rights.


def test_the_services_role_has_the_rights_it_needs_and_no_more(service: Service) -> None:
    rows = service.fetch(
        "SELECT relname AS table, privilege FROM pg_class CROSS JOIN unnest($1::text[]) AS privilege"
        " WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v', 'p', 'm', 'f')"
        " AND has_table_privilege('honeylink_app', pg_class.oid, privilege)",
        list(PRIVILEGES),
    )
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["table"], set()).add(row["privilege"])
    assert found == RIGHTS


def test_the_service_runs_as_that_role(service: Service) -> None:
    rows = service.fetch("SELECT rolsuper, rolcanlogin, rolcreaterole FROM pg_roles WHERE rolname = 'honeylink_app'")
    assert [tuple(row) for row in rows] == [(False, False, False)]
    assert service.settings.database_role == "honeylink_app"


# Tenants.


def test_every_key_begins_with_the_tenant(service: Service) -> None:
    keys = service.fetch(
        "SELECT con.conname, con.conrelid::regclass::text AS table, att.attname AS first"
        " FROM pg_constraint AS con"
        " JOIN pg_attribute AS att ON att.attrelid = con.conrelid AND att.attnum = con.conkey[1]"
        " WHERE con.contype IN ('p', 'f') AND con.connamespace = current_schema()::regnamespace"
    )
    assert {row["table"] for row in keys} == set(RIGHTS) - {"session_details"}
    assert {row["conname"] for row in keys if row["first"] != "tenant_id"} == {"alembic_version_pkc"}


def test_every_statement_names_the_tenant_except_those_over_all_tenants() -> None:
    _, *parts = re.split(r"^-- name: (\w+)[\^!]?$", TEXT, flags=re.MULTILINE)
    statements = dict(zip(parts[::2], parts[1::2], strict=True))
    assert len(statements) > 20
    named = re.compile(r":\w*tenant_id|field\[1\]::uuid AS tenant_id")  # the second in rows that are one parameter
    over_all_tenants = {name for name, body in statements.items() if not named.search(body)}
    assert over_all_tenants == {
        "check_pools",
        "close_pools",
        "find_event_writers",
        "find_oldest_code",
        "find_schema_revision",
        "find_tenant_by_name",
        "limit_transaction",
        "list_draining_devices",
        "list_due_sessions",
        "list_sample_data_keys",
        "list_tenants",
        "make_node_pool",
        "notify",
        "sum_pools",
        "withhold_in_node",
    }


def test_all_who_wait_for_several_pools_agree_on_their_order() -> None:
    # Of the rows that a lateral looks up one by one: in this order, or a path of one pool at each level.
    order = re.compile(
        r"(?:ORDER BY level, pool_id, tenant_id\n\)|\(0::.*\n +\(1::.*\n +\(2::.*\n +\) AS hop)"
        r"[^;()]*(?:\([^;]*?)?LATERAL \(\n +SELECT \*\n +FROM pools AS pool\n +WHERE .*\n +FOR NO KEY UPDATE OF pool\n"
    )
    assert len(order.findall(TEXT)) == 4 == len(re.findall("UPDATE OF pool(?! SKIP LOCKED)", TEXT))


# Constraints: their names are part of the contract.


@pytest.mark.parametrize(
    ("constraint", "statement"),
    [
        ("pools_capacity", "UPDATE pools SET reserved_kbps = capacity_kbps + 1 WHERE level = 0"),
        ("pools_capacity", "UPDATE pools SET capacity_kbps = 99 WHERE level = 0"),
        ("pools_capacity", "UPDATE pools SET withheld_kbps = capacity_kbps"),
        ("pools_capacity", "UPDATE pools SET withheld_kbps = -1"),
        ("pools_capacity", "UPDATE pools SET borrow_limit_kbps = 99"),
        ("pool_amount_check", "UPDATE pools SET guaranteed_kbps = -1"),
        ("pool_charge_check", "UPDATE pools SET charge = 'parity'"),
        ("streams_bandwidth", "UPDATE streams SET asked_bandwidth_kbps = 1"),
        ("streams_bandwidth", "UPDATE streams SET min_bandwidth_kbps = bandwidth_kbps + 1"),
        ("pools_reserved_kbps_check", "UPDATE pools SET reserved_kbps = -1"),
        ("devices_paired_has_key", "UPDATE devices SET dmk_ciphertext = NULL"),
        ("devices_paired_has_key", "UPDATE devices SET paired_at = NULL"),
        ("devices_status_check", "UPDATE devices SET status = 'lost'"),
        ("sessions_ended", "UPDATE sessions SET status = 'terminated'"),
        ("sessions_ended", "UPDATE sessions SET ended_at = now()"),
        ("sessions_status_check", "UPDATE sessions SET status = 'lost', ended_at = now()"),
        ("tokens_device_role", "UPDATE tokens SET role = 'device' WHERE role = 'operator'"),
        ("tokens_device_role", "UPDATE tokens SET device_id = NULL WHERE role = 'device'"),
        ("tokens_sha256_check", "UPDATE tokens SET sha256 = '\\x00'"),
        ("reservations_reserved_kbps_check", "UPDATE reservations SET reserved_kbps = 0"),
    ],
)
def test_rows_that_can_not_be(service: Service, device: Device, constraint: str, statement: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as caught:
        service.fetch(statement)
    assert caught.value.constraint_name == constraint


def test_a_device_has_one_live_token(service: Service, device: Device) -> None:
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        service.fetch(
            "INSERT INTO tokens (tenant_id, token_id, name, role, device_id, sha256)"
            " SELECT tenant_id, gen_random_uuid(), 'second', role, device_id, sha256 FROM tokens WHERE device_id = $1",
            device.device_id,
        )
    assert caught.value.constraint_name == "tokens_device"
