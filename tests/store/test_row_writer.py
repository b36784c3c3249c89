"""Rows of a statement's parameter: as a plain writer has them, and as PostgreSQL reads them."""

from __future__ import annotations

import copy
import math
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum, StrEnum
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import pytest
from asyncpg.pgproto import pgproto
from hypothesis import given, settings
from hypothesis import strategies as st

from honeylink._native import RowWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import LoopThread

# As PostgreSQL has no time beyond the year 9999 that Python has too, and takes no NUL into a text.
TIMES = st.datetimes(
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30)), timezone(timedelta(hours=14))])
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "uuid": st.uuids() | st.uuids().map(lambda each: pgproto.UUID(each.bytes)),
    "text": TEXTS | st.sampled_from(['a"b', "\\", '\\"', "{a,b}", "NULL", "null", "", " ", "{}", "\x1f", "\ud7ff"]),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "boolean": st.booleans(),
    "timestamptz": TIMES.filter(lambda time: 1 < time.year < 9999),
    "bytea": st.binary(),
    "double precision": st.floats(),
}
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | values for name, values in COLUMNS.items()}), max_size=5)


class Word(StrEnum):
    """Texts are often words of an enumeration."""

    ONE = "one"


class Number(IntEnum):
    """And numbers."""

    TWO = 2


def field(value: Any) -> str:
    """The reference implementation: a value as it stands in the text of an array."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, UUID):
        return value.hex
    text = value if isinstance(value, str) else f"\\x{value.hex()}" if isinstance(value, bytes) else value.isoformat()
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def same(one: Any, other: Any) -> bool:
    return one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other))


@pytest.fixture(scope="module")
def connection(new_database: Callable[[], str], loop: LoopThread) -> Iterator[asyncpg.Connection[Any]]:
    opened = loop.run(asyncpg.connect(new_database()))
    yield opened
    loop.run(opened.close())


def attributes(row: dict[str, Any]) -> SimpleNamespace:
    """The values one step down a path, except the texts."""
    names = {name.replace(" ", "_"): value for name, value in row.items()}
    return SimpleNamespace(text=row["text"], other=SimpleNamespace(**names))


PATHS = ["text" if name == "text" else f"other.{name.replace(' ', '_')}" for name in COLUMNS]
WRITER = RowWriter(PATHS)
READ = ", ".join(f"field[{place}]::{name}" for place, name in enumerate(COLUMNS, 1))
STATEMENT = f"""
    SELECT {READ}
    FROM (
        SELECT line::text[] AS field, position FROM unnest($1::text[]) WITH ORDINALITY AS each (line, position)
    ) AS row
    ORDER BY position
"""
ARRAYS = ", ".join(f"${place}::{name}[]" for place, name in enumerate(COLUMNS, 1))


@given(ROWS)
def test_rows_are_as_a_plain_writer_has_them(rows: list[dict[str, Any]]) -> None:
    written = WRITER.write([attributes(row) for row in rows])
    floats = list(COLUMNS).index("double precision")
    for line, row in zip(written, rows, strict=True):
        expected = [field(row[name]) for name in COLUMNS]
        # How a float is written is up to each, so long as it is the same float.
        head, _, tail = line[1:-1].rpartition(",")
        assert head == ",".join(expected[:floats])
        assert tail == expected[floats] or same(float(tail), float(expected[floats]))


@settings(max_examples=300)
@given(ROWS)
def test_postgresql_reads_what_was_written(
    connection: asyncpg.Connection[Any], loop: LoopThread, rows: list[dict[str, Any]]
) -> None:
    """And reads the same from arrays that its driver writes."""
    written = WRITER.write([attributes(row) for row in rows])
    found = [tuple(each) for each in loop.run(connection.fetch(STATEMENT, written))]
    columns = [[row[name] for row in rows] for name in COLUMNS]
    arrays = [tuple(each) for each in loop.run(connection.fetch(f"SELECT * FROM unnest({ARRAYS})", *columns))]
    assert len(found) == len(arrays) == len(rows)
    for ours, theirs, row in zip(found, arrays, rows, strict=True):
        for one, other, name in zip(ours, theirs, COLUMNS, strict=True):
            assert same(one, other)
            assert same(one, row[name])


def test_words_and_numbers_of_enumerations_are_what_they_stand_for() -> None:
    assert RowWriter(["word", "number"]).write([SimpleNamespace(word=Word.ONE, number=Number.TWO)]) == ['{"one",2}']


def test_none_on_the_way_is_null() -> None:
    far = SimpleNamespace(a=SimpleNamespace(b=SimpleNamespace(c=1)))
    near = SimpleNamespace(a=SimpleNamespace(b=None))
    assert RowWriter(["a.b.c"]).write([far, near, SimpleNamespace(a=None)]) == ["{1}", "{NULL}", "{NULL}"]


@given(st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=4))
def test_members_are_numbered(values: list[list[int]]) -> None:
    sequences = [SimpleNamespace(each=[SimpleNamespace(n=number) for number in value]) for value in values]
    expected = [
        f"{{{position},{place},{number}}}"
        for position, value in enumerate(values, 1)
        for place, number in enumerate(value)
    ]
    assert RowWriter(["n"], members="each").write(sequences) == expected


def test_rows_without_columns() -> None:
    assert RowWriter([]).write([None, 1]) == ["{}", "{}"]
    assert RowWriter([], "each").write([SimpleNamespace(each=["x"])]) == ["{1,0}"]
    assert RowWriter(["a"]).write([]) == []


class Surprising:
    """An attribute that can't be had."""

    @property
    def a(self) -> int:
        raise LookupError("gone")


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (SimpleNamespace(), AttributeError, "a"),
        (SimpleNamespace(a=2**63), OverflowError, "int"),
        (SimpleNamespace(a=[1]), TypeError, "expected a value that PostgreSQL has, found list"),
        (SimpleNamespace(a=datetime(2026, 1, 1)), ValueError, "expected a time of a known zone, found datetime"),  # noqa: DTZ001
        (SimpleNamespace(a="\ud800"), ValueError, "surrogates"),
        (Surprising(), LookupError, "gone"),
    ],
)
def test_what_can_not_be_written_is_refused(value: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        RowWriter(["a"]).write([value])


def test_arguments_that_are_none() -> None:
    wrong: Any = RowWriter
    for arguments in (("a",), ([1],), (["a"], 1), (["\ud800"],), (None,)):
        with pytest.raises((TypeError, ValueError)):
            wrong(*arguments)
    with pytest.raises(TypeError, match="expected a sequence"):
        RowWriter(["a"], "b").write([SimpleNamespace(b=1)])
    with pytest.raises(TypeError, match="RowWriter can't be copied or pickled"):
        copy.copy(RowWriter(["a"]))
