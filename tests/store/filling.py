"""A database that has been in use for long: tenants with devices, sessions of each status, and events."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from uuid_utils.compat import uuid7

from honeylink.domain.audit import Category

if TYPE_CHECKING:
    import asyncpg


MIXED, ENDED, OTHER = (UUID(int=number) for number in (1, 2, 3))
"""A tenant with sessions of every status in turns; one whose sessions have all but a few ended; one more."""
ROWS = 3_000
LIVE_AMONG_ENDED = 5
DEVICES = [f"device-{number}" for number in range(7)]
START = datetime(2026, 1, 1, tzinfo=UTC)
CATEGORIES = (Category.SESSION_CREATION, Category.SESSION_EXPIRY, Category.ACCESS_DENIED)


async def fill(connection: asyncpg.Connection) -> None:
    """Three tenants with devices, sessions and events."""
    for tenant_id in (MIXED, ENDED, OTHER):
        names = DEVICES if tenant_id != OTHER else [f"device-{number:04d}" for number in range(ROWS)]
        await connection.execute("INSERT INTO tenants (tenant_id, name) VALUES ($1, $2)", tenant_id, str(tenant_id))
        await connection.execute("INSERT INTO data_keys VALUES ($1, $1, 'test', 'key', 1, '')", tenant_id)
        # Two at a time, so that cursors fall between rows of one moment.
        await connection.execute(
            "INSERT INTO devices (tenant_id, device_id, status, public_key, firmware_version, capabilities, metadata,"
            " registered_at, pairing_code_mac, pairing_expires_at)"
            " SELECT $1, name, 'pending', decode(repeat('00', 32), 'hex'), '1.0.0', '{}', '{}',"
            " $3::timestamptz + make_interval(secs => place / 2), '', now()"
            " FROM unnest($2::text[]) WITH ORDINALITY AS device (name, place)",
            tenant_id,
            names,
            START,
        )
        await connection.execute(
            "INSERT INTO pools (tenant_id, level, pool_id, capacity_kbps, accepting)"
            " SELECT $1, 0, name, 1000, true FROM unnest($2::text[]) AS name",
            tenant_id,
            names,
        )
    statuses = itertools.cycle(("active", "overdue", "expired", "terminated"))
    await fill_sessions(connection, MIXED, [next(statuses) for _ in range(ROWS)])
    await fill_sessions(connection, ENDED, ["expired", "terminated"] * (ROWS // 2) + ["active"] * LIVE_AMONG_ENDED)
    await fill_events(connection)


async def fill_sessions(connection: asyncpg.Connection, tenant_id: UUID, statuses: list[str]) -> None:
    """Sessions of all devices in turns; an overdue one is past its end, but the sweep has not come by."""
    ids = [uuid7() for _ in statuses]
    await connection.execute(
        "INSERT INTO sessions"
        " SELECT $1, session_id, device_id, CASE status WHEN 'overdue' THEN 'active' ELSE status END, now(),"
        " CASE status WHEN 'overdue' THEN now() ELSE now() + interval '1 hour' END,"
        " CASE WHEN status NOT IN ('active', 'overdue') THEN now() END, NULL, '', $1, '', ''"
        " FROM unnest($2::uuid[], $3::text[], $4::text[]) AS session (session_id, device_id, status)",
        tenant_id,
        ids,
        [DEVICES[place % len(DEVICES)] for place in range(len(ids))],
        statuses,
    )
    await connection.execute(
        "INSERT INTO streams"
        " SELECT tenant_id, session_id, place, session_id, 'stream', 'reliable', 'normal', 1, '', 10, 2"
        " FROM sessions CROSS JOIN generate_series(0, 1) AS place WHERE tenant_id = $1",
        tenant_id,
    )
    await connection.execute(
        "INSERT INTO reservations SELECT tenant_id, session_id, level, tenant_id, device_id, 2"
        " FROM sessions CROSS JOIN generate_series(0, 2) AS level WHERE tenant_id = $1 AND status = 'active'",
        tenant_id,
    )


async def fill_events(connection: asyncpg.Connection) -> None:
    """Events of all devices and of none, two at a time."""
    await connection.execute(
        "INSERT INTO audit_events (tenant_id, at, event_id, category, actor, device_id, outcome, details, trace_id)"
        " SELECT $1, $2::timestamptz + make_interval(secs => place / 2), gen_random_uuid(),"
        " ($3::text[])[1 + place % 3], '', ($4::text[])[1 + place % 8], 'success', '{}', ''"
        " FROM generate_series(0, $5 - 1) AS place",
        MIXED,
        START,
        list(CATEGORIES),
        DEVICES,
        ROWS,
    )
