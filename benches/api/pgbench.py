"""pgbench with the statement that stores a session, for one session at a time."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from benches.api.population import DEVICE_PREFIX, ID_PREFIX
from benches.api.results import Load
from honeylink.domain.audit import AuditEvent, Category, Outcome
from honeylink.domain.keys import SealedKey
from honeylink.domain.sessions import (
    FEC_BY_PRIORITY,
    Mode,
    Priority,
    SessionRequest,
    Stream,
    StreamRequest,
    connection_id,
)
from honeylink.store import embedded
from honeylink.store.columns import written
from honeylink.store.sessions import NewSession
from honeylink.store.statements import TEXT

if TYPE_CHECKING:
    from pathlib import Path

_TENANT = f"('{ID_PREFIX}' || lpad((:tenant::int)::text, 12, '0'))::uuid"
_DEVICE = f"'{DEVICE_PREFIX}' || lpad((:device::int)::text, 5, '0')"
_NOBODY = UUID(int=0)

# The session of the documentation. Its keys are constants: what the bytes are is nothing to the database.
_ASKED = (
    StreamRequest("telemetry", Mode.RELIABLE, Priority.NORMAL, 100),
    StreamRequest("video", Mode.UNRELIABLE, Priority.BURST, 5000),
)
_STREAMS = tuple(
    Stream(
        stream_id=_NOBODY,
        name=ask.name,
        mode=ask.mode,
        priority=ask.priority,
        bandwidth_kbps=ask.bandwidth_kbps,
        asked_bandwidth_kbps=ask.bandwidth_kbps,
        min_bandwidth_kbps=None,
        connection_id=connection_id(place),
        fec=FEC_BY_PRIORITY[ask.priority],
    )
    for place, ask in enumerate(_ASKED)
)
_DETAILS: dict[str, object] = {
    "session_id": "01999e2c-6a00-7000-8000-000000000001",
    "stream_count": 2,
    "total_bandwidth_kbps": 5100,
    "ttl_seconds": 3600,
}
_NEW = NewSession(
    session_id=_NOBODY,
    request=SessionRequest("", _ASKED, 3600),
    streams=_STREAMS,
    tenant_pool_id="tenant",
    sealed=SealedKey(_NOBODY, b"Z" * 12, b"Z" * 48),
    deadline=datetime.max.replace(tzinfo=UTC),
    event=AuditEvent(
        event_id=_NOBODY,
        tenant_id=_NOBODY,
        category=Category.SESSION_CREATION,
        actor="",
        device_id=None,
        outcome=Outcome.SUCCESS,
        details=_DETAILS,
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    ),
)
_EACH_ITS_OWN = {
    "ask_tenant_id": f"ARRAY[{_TENANT}]",
    "ask_session_id": "ARRAY[uuidv7()]",
    "ask_device_id": f"ARRAY[{_DEVICE}]",
    "ask_dek_id": f"ARRAY[{_TENANT}]",
    "ask_deadline": "ARRAY[now() + interval '10 s']",
    "ask_event_id": "ARRAY[uuidv7()]",
    "ask_actor": f"ARRAY['device:' || {_DEVICE}]",
    "stream_stream_id": "ARRAY[uuidv7(), uuidv7()]",
}


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"decode('{value.hex()}', 'hex')"
    return f"'{value}'" if isinstance(value, str) else str(value)


def _array(values: list[object]) -> str:
    return f"ARRAY[{', '.join(map(_literal, values))}]"


def script(tenants: int, devices_per_tenant: int) -> str:
    """The statement of `store/sql/sessions.sql`, for a random device of the first `tenants`."""
    columns = written("ask", [_NEW]) | written("stream", _STREAMS)
    arguments = {name: _array(values) for name, values in columns.items()} | _EACH_ITS_OWN
    arguments |= {"session_positions": "ARRAY[1, 1]", "positions": "ARRAY[0, 1]"}
    # pgbench ends at the first error, and does not try again as the service does.
    arguments |= {"session_endpoint": "'quic://127.0.0.1'", "lock_wait": "'0'"}
    statement = TEXT.partition("-- name: create_session\n")[2].partition("-- name:")[0].strip()
    filled = re.sub(r"(?<!:):([a-z_]+)", lambda match: arguments[match[1]], statement)
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
