"""The columns of a session and of its streams, each declared once: its type, what a new row has, and how it is read.

From these the statements get their lists (`{session_columns}` and the like, see `LISTS`), `create_sessions` its rows,
and readers their values. What the database fills in by itself has no value to write; what is never shown is not read.

A new row is the text of an array with a place for each column, and all rows of a statement are one array of such texts.
With an array for each column, binding those costs the driver and the server more than all that is in them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from honeylink._native import RowWriter
from honeylink.domain.sessions import ExpectedLoss, FecParameters, Mode, Priority, Session, SessionStatus, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from asyncpg import Record


class Column(NamedTuple):
    """One column.

    `write` names the attribute that a new session or stream has it from; `read` takes what a row has, for the field of
    the same name.
    """

    name: str
    type: str
    write: str | None = None
    read: Callable[[Any], Any] | None = None


def _as_is(value: Any) -> Any:  # noqa: ANN401 - whatever the driver gives
    return value


SESSION = (
    Column("tenant_id", "uuid", "event.tenant_id"),
    Column("session_id", "uuid", "session_id", _as_is),
    Column("device_id", "text", "request.device_id", _as_is),
    Column("status", "text", None, SessionStatus),
    Column("created_at", "timestamptz", None, _as_is),
    Column("expires_at", "timestamptz", None, _as_is),
    Column("ended_at", "timestamptz", None, _as_is),
    Column("end_reason", "text", None, _as_is),
    Column("session_endpoint", "text", None, _as_is),
    Column("setup_priority", "integer", "request.setup_priority", _as_is),
    Column("hold_priority", "integer", "request.hold_priority", _as_is),
    Column("dek_id", "uuid", "sealed.dek_id"),
    Column("key_nonce", "bytea", "sealed.nonce"),
    Column("key_ciphertext", "bytea", "sealed.ciphertext"),
    Column("streams", "jsonb", None, lambda text: tuple(stream_of(row) for row in json.loads(text))),
)

# What storing a session takes besides.
_ASK = (
    Column("tenant_pool_id", "text", "tenant_pool_id"),
    Column("ttl_seconds", "integer", "request.ttl_seconds"),
    Column("stream_count", "integer", "stream_count"),
    Column("payload_kbps", "bigint", "payload_kbps"),
    Column("wire_kbps", "bigint", "wire_kbps"),
    Column("deadline", "timestamptz", "deadline"),
    Column("is_short", "boolean", "is_short"),
    Column("event_id", "uuid", "event.event_id"),
    Column("actor", "text", "event.actor"),
    Column("trace_id", "text", "event.trace_id"),
)

# What several columns make together has no `read` here, and is read in `stream_of`.
STREAM = (
    Column("stream_id", "uuid", "stream_id", UUID),
    Column("name", "text", "name", _as_is),
    Column("mode", "text", "mode", Mode),
    Column("priority", "text", "priority", Priority),
    Column("bandwidth_kbps", "bigint", "bandwidth_kbps", _as_is),
    Column("asked_bandwidth_kbps", "bigint", "unmet_bandwidth_kbps"),
    Column("min_bandwidth_kbps", "bigint", "min_bandwidth_kbps", _as_is),
    Column("connection_id", "text", "connection_id", _as_is),
    Column("data_shards", "smallint", "fec.data_shards"),
    Column("parity_shards", "smallint", "fec.parity_shards"),
    Column("loss_rate", "double precision", "loss.loss_rate"),
    Column("loss_burst", "double precision", "loss.loss_burst"),
    Column("recovery_target", "double precision", "loss.recovery_target"),
)


def _names(columns: Iterable[Column], prefix: str = "") -> str:
    return ", ".join(prefix + column.name for column in columns)


def _fields(columns: Iterable[Column], first: int) -> str:
    """Each column by its name, from its place in a row."""
    return ", ".join(f"field[{place}]::{column.type} AS {column.name}" for place, column in enumerate(columns, first))


_NEW_SESSION = [column for column in SESSION if column.write]
_ASKED = [*_NEW_SESSION, *_ASK]

LISTS = {
    "session_columns": _names(_NEW_SESSION),
    "session_fields": _names(column for column in SESSION if column.read),
    "ask_fields": _fields(_ASKED, 1),
    "stream_columns": _names(STREAM),
    "stream_values": _names(STREAM, "stream."),
    "stream_fields": _fields(STREAM, 3),  # behind the numbers of its session and its own
}
"""What stands for each list in a statement, by its name there: columns as a table has them, those that are shown, and
those that are written, as a row has them."""

_READERS = {
    kind: {column.name: column.read for column in columns if column.read}
    for kind, columns in {Session: SESSION, Stream: STREAM}.items()
}
_ASK_WRITER = RowWriter([column.write for column in _ASKED if column.write])
_STREAM_WRITER = RowWriter([column.write for column in STREAM if column.write], members="streams")


def written(sessions: Sequence[object]) -> dict[str, list[str]]:
    """The parameters from which `{ask_fields}` and `{stream_fields}` are read, for new sessions."""
    return {"asks": _ASK_WRITER.write(sessions), "streams": _STREAM_WRITER.write(sessions)}


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
