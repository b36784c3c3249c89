"""Sessions by the hundred thousand, written straight to the database, as the service would have left them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benches.api.bench import say
from benches.api.population import DEVICE_PREFIX, ID_PREFIX

if TYPE_CHECKING:
    import asyncpg

_BATCH = 100_000

# Ids are UUIDv7, as the service's: they decide where in its index a row goes.
_FILL = f"""
WITH place AS (
    SELECT ('{ID_PREFIX}' || lpad((1 + i % $3)::text, 12, '0'))::uuid AS tenant_id,
           '{DEVICE_PREFIX}' || lpad((1 + i / $3 % $4)::text, 5, '0') AS device_id
    FROM generate_series($1::bigint, $2::bigint - 1) AS i
),
session AS (
    INSERT INTO sessions (tenant_id, session_id, device_id, status, created_at, expires_at, session_endpoint,
                          dek_id, key_nonce, key_ciphertext)
    SELECT tenant_id, uuidv7(), device_id, 'active', now(), now() + interval '1 hour', 'quic://127.0.0.1',
           tenant_id, decode(repeat('5a', 12), 'hex'), decode(repeat('5a', 48), 'hex')
    FROM place
    RETURNING tenant_id, session_id, device_id
),
stream AS (
    INSERT INTO streams (tenant_id, session_id, position, stream_id, name, mode, priority, bandwidth_kbps,
                         connection_id, data_shards, parity_shards)
    SELECT tenant_id, session_id, position, uuidv7(), 'stream ' || position, 'reliable', 'normal', 2550,
           'conn-00' || position + 1, 10, 2
    FROM session CROSS JOIN generate_series(0, 1) AS position
),
event AS (
    INSERT INTO audit_events (tenant_id, event_id, category, actor, device_id, outcome, details, trace_id)
    SELECT tenant_id, uuidv7(), 'session-creation', 'system', device_id, 'success', '{{}}', '' FROM session
)
INSERT INTO reservations (tenant_id, session_id, level, pool_tenant_id, pool_id, reserved_kbps)
SELECT tenant_id, session_id, level, tenant_id, CASE level WHEN 0 THEN device_id ELSE 'tenant' END, 5100
FROM session CROSS JOIN generate_series(0, 1) AS level
"""
_BALANCE = """
UPDATE pools AS pool SET reserved_kbps = held.kbps
FROM (SELECT pool_tenant_id, level, pool_id, sum(reserved_kbps) AS kbps FROM reservations GROUP BY 1, 2, 3) AS held
WHERE pool.tenant_id = held.pool_tenant_id AND pool.level = held.level AND pool.pool_id = held.pool_id
"""


async def fill(connection: asyncpg.Connection, sessions: int, tenants: int, devices_per_tenant: int) -> None:
    """Open `sessions` for the devices of a population in turns, and leave the database with nothing to catch up on."""
    for first in range(0, sessions, _BATCH):
        last = min(first + _BATCH, sessions)
        await connection.execute(_FILL, first, last, tenants, devices_per_tenant, timeout=300)
        if sessions > _BATCH:
            say(f"  stored {last:,} of {sessions:,}")
    await connection.execute(_BALANCE, timeout=300)
    await connection.execute("VACUUM ANALYZE", timeout=300)
    await connection.execute("CHECKPOINT", timeout=300)
