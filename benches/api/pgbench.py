"""pgbench with the statement that stores a session, for one session at a time."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from pathlib import Path

from benches.api.population import DEVICE_PREFIX, ID_PREFIX
from benches.api.results import Load
from honeylink.store import database, embedded

_TENANT = f"('{ID_PREFIX}' || lpad((:tenant::int)::text, 12, '0'))::uuid"
_DEVICE = f"'{DEVICE_PREFIX}' || lpad((:device::int)::text, 5, '0')"
_DETAILS = (
    '{"session_id": "01999e2c-6a00-7000-8000-000000000001", "stream_count": 2, "total_bandwidth_kbps": 5100, '
    '"ttl_seconds": 3600}'
)
# The session of the documentation. Its keys are constants: what the bytes are is nothing to the database.
_ARGUMENTS = {
    "tenant_ids": f"ARRAY[{_TENANT}]",
    "session_ids": "ARRAY[uuidv7()]",
    "device_ids": f"ARRAY[{_DEVICE}]",
    "ttls_seconds": "ARRAY[3600]",
    "dek_ids": f"ARRAY[{_TENANT}]",
    "key_nonces": "ARRAY[decode(repeat('5a', 12), 'hex')]",
    "key_ciphertexts": "ARRAY[decode(repeat('5a', 48), 'hex')]",
    "tenant_pool_ids": "ARRAY['tenant']",
    "setup_priorities": "ARRAY[0]",
    "hold_priorities": "ARRAY[0]",
    "payloads_kbps": "ARRAY[5100]",
    "wires_kbps": "ARRAY[7620]",
    "deadlines": "ARRAY[now() + interval '10 s']",
    "shorts": "ARRAY[false]",
    # pgbench ends at the first error, and does not try again as the service does.
    "lock_wait": "'0'",
    "event_ids": "ARRAY[uuidv7()]",
    "actors": f"ARRAY['device:' || {_DEVICE}]",
    "details": f"ARRAY['{_DETAILS}']",
    "trace_ids": "ARRAY['4bf92f3577b34da6a3ce929d0e0e4736']",
    "session_endpoint": "'quic://127.0.0.1'",
    "stream_positions": "ARRAY[1, 1]",
    "places": "ARRAY[0, 1]",
    "stream_ids": "ARRAY[uuidv7(), uuidv7()]",
    "names": "ARRAY['telemetry', 'video']",
    "modes": "ARRAY['reliable', 'unreliable']",
    "priorities": "ARRAY['normal', 'burst']",
    "bandwidths_kbps": "ARRAY[100, 5000]",
    "asked_bandwidths_kbps": "ARRAY[100, 5000]",
    "min_bandwidths_kbps": "ARRAY[NULL, NULL]",
    "connection_ids": "ARRAY['conn-001', 'conn-002']",
    "data_shards": "ARRAY[10, 10]",
    "parity_shards": "ARRAY[2, 5]",
    "loss_rates": "ARRAY[NULL, NULL]",
    "loss_bursts": "ARRAY[NULL, NULL]",
    "recovery_targets": "ARRAY[NULL, NULL]",
}


def script(tenants: int, devices_per_tenant: int) -> str:
    """The statement of `store/sql/sessions.sql`, for a random device of the first `tenants`."""
    source = (Path(database.__file__).parent / "sql" / "sessions.sql").read_text(encoding="utf-8")
    statement = source.partition("-- name: create_sessions\n")[2].partition("-- name:")[0].strip()
    filled = re.sub(r"(?<!:):([a-z_]+)", lambda match: _ARGUMENTS[match[1]], statement)
    return f"\\set tenant random(1, {tenants})\n\\set device random(1, {devices_per_tenant})\n{filled}\n"


def run(dsn: str, work_dir: Path, text: str, *, clients: int, seconds: float) -> Load:
    """Run the script over `clients` connections, each of them busy all the time."""
    path = work_dir / "pgbench.sql"
    path.write_text(text, encoding="utf-8")
    prefix = work_dir / "pgbench-latency"
    command = [str(embedded.bin_dir() / "pgbench"), "--no-vacuum", "--protocol=prepared", f"--file={path}"]
    command += [f"--client={clients}", f"--jobs={min(2, clients)}", f"--time={round(seconds)}"]
    command += ["--log", f"--log-prefix={prefix}", dsn]
    options = {**os.environ, "PGOPTIONS": "-c plan_cache_mode=force_generic_plan"}  # as the service's connections
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60, env=options)
    rate = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
    if done.returncode or rate is None:
        raise RuntimeError(f"expected pgbench to run, found: {done.stderr[-2000:]}")
    latencies: Counter[int] = Counter()
    for log in work_dir.glob("pgbench-latency*"):
        with log.open() as lines:
            latencies.update(int(line.split()[2]) for line in lines)
        log.unlink()
    created = latencies.total()
    return Load(created, created / float(rate[1]), latencies)
