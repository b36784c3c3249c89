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
# What is in the rows in the place of what each session has of its own.
_EACH_TENANT, _EACH_SESSION, _EACH_EVENT, *_EACH_STREAM = [UUID(int=number) for number in range(1, 6)]
_EACH_DEVICE = "each-device"

# The session of the documentation. Its keys are constants: what the bytes are is nothing to the database.
_ASKED = (
    StreamRequest("telemetry", Mode.RELIABLE, Priority.NORMAL, 100),
    StreamRequest("video", Mode.UNRELIABLE, Priority.BURST, 5000),
)
_STREAMS = tuple(
    Stream(
        stream_id=_EACH_STREAM[place],
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
_NEW = NewSession(
    session_id=_EACH_SESSION,
    request=SessionRequest(_EACH_DEVICE, _ASKED, 3600),
    streams=_STREAMS,
    tenant_pool_id="tenant",
    sealed=SealedKey(_EACH_TENANT, b"Z" * 12, b"Z" * 48),
    deadline=datetime.max.replace(tzinfo=UTC),
    event=AuditEvent(
        event_id=_EACH_EVENT,
        tenant_id=_EACH_TENANT,
        category=Category.SESSION_CREATION,
        actor=f"device:{_EACH_DEVICE}",
        device_id=None,
        outcome=Outcome.SUCCESS,
        details={},
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    ),
)
_EACH_ITS_OWN = {
    _EACH_TENANT.hex: f"{_TENANT}::text",
    _EACH_DEVICE: f"({_DEVICE})",
    **{each.hex: "uuidv7()::text" for each in (_EACH_SESSION, _EACH_EVENT, *_EACH_STREAM)},
}


def _rows(rows: list[str]) -> str:
    """An array of rows, in which each session has what is its own."""
    places = re.compile(f"({'|'.join(_EACH_ITS_OWN)})")
    parts = [[_EACH_ITS_OWN.get(part, f"'{part}'") for part in places.split(row)] for row in rows]
    return f"ARRAY[{', '.join(' || '.join(row) for row in parts)}]"


def script(tenants: int, devices_per_tenant: int) -> str:
    """The statement of `store/sql/sessions.sql`, for a random device of the first `tenants`."""
    arguments = {name: _rows(rows) for name, rows in written([_NEW]).items()}
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
