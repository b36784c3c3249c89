"""The named statements of `sql/*.sql`, with what is stated once put in: parts of statements, and lists of columns.

Parts are files of `sql/parts`; the lists are made of the columns' declarations (`columns.py`).

aiosql reads them; its own calls would cost more than the driver's behind them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import aiosql

from honeylink.store.columns import LISTS

_PLACE = re.compile(r"\{(\w+)\}")


class Statement(NamedTuple):
    """A statement as the server takes it, and the names of its parameters in their order."""

    sql: str
    parameters: tuple[str, ...]


def _text() -> str:
    directory = Path(__file__).parent / "sql"
    parts = {path.stem: path.read_text(encoding="utf-8").rstrip() for path in (directory / "parts").glob("*.sql")}
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(directory.glob("*.sql")))
    text = _PLACE.sub(lambda name: parts.get(name[1], name[0]), text)
    return _PLACE.sub(lambda name: LISTS[name[1]], text)


def _statements() -> dict[str, Statement]:
    queries = aiosql.from_str(TEXT, "asyncpg", mandatory_parameters=False)
    parameters: dict[str, list[str]] = queries.driver_adapter.var_sorted
    names = [name for name in queries.available_queries if not name.endswith("_cursor")]
    return {name: Statement(getattr(queries, name).sql, tuple(parameters[name])) for name in names}


TEXT = _text()
"""All statements, by `-- name:` and with named parameters, as whoever else runs them reads them."""

STATEMENTS = _statements()
