"""What a session costs to store and to expire, by how many are stored already: `make bench-growth`."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import asyncpg

from benches.api import pgbench
from benches.api.population import DEVICE_PREFIX, ID_PREFIX, populate
from benches.api.servers import POOL_KBPS, dsn
from honeylink.cli.logs import configure_logging
from honeylink.services.runtime import open_services
from honeylink.settings import Settings

SIZES = (1_000, 10_000, 100_000)
TENANTS, DEVICES_PER_TENANT = 50, 20
CREATE_SECONDS = 4
SWEEPS, DUE = 5, 1_000

_FILL = f"""
WITH place AS (
    SELECT ('{ID_PREFIX}' || lpad((1 + i % $2)::text, 12, '0'))::uuid AS tenant_id,
           '{DEVICE_PREFIX}' || lpad((1 + i / $2 % $3)::text, 5, '0') AS device_id
    FROM generate_series(0, $1::bigint - 1) AS i
),
session AS (
    INSERT INTO sessions (tenant_id, session_id, device_id, status, created_at, expires_at, session_endpoint,
                          dek_id, key_nonce, key_ciphertext)
    SELECT tenant_id, gen_random_uuid(), device_id, 'active', now(), now() + interval '1 hour', 'quic://127.0.0.1',
           tenant_id, decode(repeat('5a', 12), 'hex'), decode(repeat('5a', 48), 'hex')
    FROM place
    RETURNING tenant_id, session_id, device_id
),
stream AS (
    INSERT INTO streams (tenant_id, session_id, position, stream_id, name, mode, priority, bandwidth_kbps,
                         connection_id, data_shards, parity_shards)
    SELECT tenant_id, session_id, position, gen_random_uuid(), 'stream ' || position, 'reliable', 'normal', 2550,
           'conn-00' || position + 1, 10, 2
    FROM session CROSS JOIN generate_series(0, 1) AS position
),
event AS (
    INSERT INTO audit_events (tenant_id, event_id, category, actor, device_id, outcome, details, trace_id)
    SELECT tenant_id, gen_random_uuid(), 'session-creation', 'system', device_id, 'success', '{{}}', '' FROM session
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
_MAKE_DUE = """
UPDATE sessions SET expires_at = now()
WHERE (tenant_id, session_id) IN (
    SELECT tenant_id, session_id FROM sessions WHERE status = 'active' ORDER BY random() LIMIT $1
)
"""


async def measure(data_dir: Path, size: int) -> str:
    """A line of the table, from a database of its own."""
    settings = Settings(data_dir=data_dir, tenant_pool_kbps=POOL_KBPS, log_level="warning", database_timeout_seconds=30)
    async with open_services(settings) as services:
        await populate(data_dir, TENANTS, DEVICES_PER_TENANT)
        connection = await asyncpg.connect(dsn(data_dir))
        try:
            await connection.execute(_FILL, size, TENANTS, DEVICES_PER_TENANT, timeout=120)
            await connection.execute(_BALANCE)
            await connection.execute("VACUUM ANALYZE")
            text = pgbench.script(TENANTS, DEVICES_PER_TENANT)
            created = await asyncio.to_thread(
                pgbench.run, dsn(data_dir), data_dir, text, clients=1, seconds=CREATE_SECONDS
            )
            sweeps_us = []
            for _ in range(SWEEPS):
                await connection.execute(_MAKE_DUE, DUE)
                started = time.perf_counter()
                ended = await services.expiry.sweep()
                sweeps_us.append((time.perf_counter() - started) / DUE * 1e6)
                if ended != DUE:
                    raise RuntimeError(f"expected {DUE} sessions to end, found {ended}")
        finally:
            await connection.close()
    p50, p99 = created.percentile_ms(50), created.percentile_ms(99)
    return f"| {size:,} | {p50:.2f} ms | {p99:.2f} ms | {statistics.median(sweeps_us):.0f} µs |"


def main() -> None:
    """Print the table, a line as soon as it is known."""
    configure_logging("error")
    print("| sessions stored before | create p50 | create p99 | expiry of one, in sweeps |", flush=True)
    print("|---:|---:|---:|---:|", flush=True)
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="honeylink-growth-") as place:
            data_dir = Path(place) / "data"
            data_dir.mkdir(mode=0o700)
            print(asyncio.run(measure(data_dir, size)), flush=True)


if __name__ == "__main__":
    main()
