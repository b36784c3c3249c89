"""The columns of a session and of its streams, each declared once: its type, what a new row has, and how it is read.

From these the statements get their lists (`{session_columns}` and the like, see `LISTS`), `create_sessions` its arrays,
and readers their values. What the database fills in by itself has no value to write; what is never shown is not read.
"""

from __future__ import annotations

import json
from operator import attrgetter as attribute
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from honeylink.domain.sessions import ExpectedLoss, FecParameters, Mode, Priority, Session, SessionStatus, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from asyncpg import Record


class Column(NamedTuple):
    """One column. `write` takes a new session or stream; `read` what a row has, for the field of the same name."""

    name: str
    type: str
    write: Callable[[Any], object] | None = None
    read: Callable[[Any], Any] | None = None


def _as_is(value: Any) -> Any:  # noqa: ANN401 - whatever the driver gives
    return value


SESSION = (
    Column("tenant_id", "uuid", attribute("event.tenant_id")),
    Column("session_id", "uuid", attribute("session_id"), _as_is),
    Column("device_id", "text", attribute("request.device_id"), _as_is),
    Column("status", "text", None, SessionStatus),
    Column("created_at", "timestamptz", None, _as_is),
    Column("expires_at", "timestamptz", None, _as_is),
    Column("ended_at", "timestamptz", None, _as_is),
    Column("end_reason", "text", None, _as_is),
    Column("session_endpoint", "text", None, _as_is),
    Column("setup_priority", "integer", attribute("request.setup_priority"), _as_is),
    Column("hold_priority", "integer", attribute("request.hold_priority"), _as_is),
    Column("dek_id", "uuid", attribute("sealed.dek_id")),
    Column("key_nonce", "bytea", attribute("sealed.nonce")),
    Column("key_ciphertext", "bytea", attribute("sealed.ciphertext")),
    Column("streams", "jsonb", None, lambda text: tuple(stream_of(row) for row in json.loads(text))),
)

# What storing a session takes besides.
_ASK = (
    Column("tenant_pool_id", "text", attribute("tenant_pool_id")),
    Column("ttl_seconds", "integer", attribute("request.ttl_seconds")),
    Column("payload_kbps", "bigint", attribute("payload_kbps")),
    Column("wire_kbps", "bigint", attribute("wire_kbps")),
    Column("deadline", "timestamptz", attribute("deadline")),
    Column("is_short", "boolean", attribute("is_short")),
    Column("event_id", "uuid", attribute("event.event_id")),
    Column("actor", "text", attribute("event.actor")),
    Column("details", "text", lambda new: json.dumps(new.event.details)),
    Column("trace_id", "text", attribute("event.trace_id")),
)

# What several columns make together has no `read` here, and is read in `stream_of`.
STREAM = (
    Column("stream_id", "uuid", attribute("stream_id"), UUID),
    Column("name", "text", attribute("name"), _as_is),
    Column("mode", "text", attribute("mode"), Mode),
    Column("priority", "text", attribute("priority"), Priority),
    Column("bandwidth_kbps", "bigint", attribute("bandwidth_kbps"), _as_is),
    Column("asked_bandwidth_kbps", "bigint", lambda stream: stream.asked_bandwidth_kbps if stream.is_short else None),
    Column("min_bandwidth_kbps", "bigint", attribute("min_bandwidth_kbps"), _as_is),
    Column("connection_id", "text", attribute("connection_id"), _as_is),
    Column("data_shards", "smallint", attribute("fec.data_shards")),
    Column("parity_shards", "smallint", attribute("fec.parity_shards")),
    Column("loss_rate", "double precision", lambda stream: stream.loss and stream.loss.loss_rate),
    Column("loss_burst", "double precision", lambda stream: stream.loss and stream.loss.loss_burst),
    Column("recovery_target", "double precision", lambda stream: stream.loss and stream.loss.recovery_target),
)


def _names(columns: Iterable[Column], prefix: str = "") -> str:
    return ", ".join(prefix + column.name for column in columns)


def _arrays(table: str, columns: Iterable[Column]) -> str:
    return ", ".join(f":{table}_{column.name}::{column.type}[]" for column in columns)


_NEW_SESSION = [column for column in SESSION if column.write]
_ASKED = [*_NEW_SESSION, *_ASK]

LISTS = {
    "session_columns": _names(_NEW_SESSION),
    "session_fields": _names(column for column in SESSION if column.read),
    "ask_columns": _names(_ASKED),
    "ask_arrays": _arrays("ask", _ASKED),
    "stream_columns": _names(STREAM),
    "stream_values": _names(STREAM, "stream."),
    "stream_arrays": _arrays("stream", STREAM),
}
"""What stands for each list in a statement, by its name there: columns as a table has them, those that are shown, and
one array of parameters for each that is written."""

_WRITERS = {
    table: {f"{table}_{column.name}": column.write for column in columns if column.write}
    for table, columns in {"ask": _ASKED, "stream": STREAM}.items()
}
_READERS = {
    kind: {column.name: column.read for column in columns if column.read}
    for kind, columns in {Session: SESSION, Stream: STREAM}.items()
}


def written(table: str, values: Sequence[object]) -> dict[str, list[object]]:
    """The parameters that `{ask_arrays}` or `{stream_arrays}` name, for new sessions or streams."""
    return {name: list(map(write, values)) for name, write in _WRITERS[table].items()}


def session_of(row: Record) -> Session:
    """A session from `{session_fields}`."""
    return Session(**{name: read(row[name]) for name, read in _READERS[Session].items()})


def stream_of(row: Mapping[str, Any]) -> Stream:
    """A stream as PostgreSQL writes its row as JSON."""
    loss_rate, asked_kbps = row["loss_rate"], row["asked_bandwidth_kbps"]
    return Stream(
        **{name: read(row[name]) for name, read in _READERS[Stream].items()},
        asked_bandwidth_kbps=row["bandwidth_kbps"] if asked_kbps is None else asked_kbps,
        fec=FecParameters(row["data_shards"], row["parity_shards"]),
        loss=None if loss_rate is None else ExpectedLoss(loss_rate, row["loss_burst"], row["recovery_target"]),
    )
