"""Cursors: each one comes back as it was, and no other text does any harm."""

from __future__ import annotations

import base64
import json
import string
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeylink.domain.paging import Cursor, Page
from honeylink.errors import ValidationFailed

ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=ZONES)  # noqa: DTZ001 - zones are drawn
ROW_IDS = st.text(string.ascii_letters + string.digits + "._-", min_size=4, max_size=64)


def encode(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@given(MOMENTS, ROW_IDS)
def test_a_cursor_comes_back_as_it_was(at: datetime, row_id: str) -> None:
    text = Cursor(at, row_id).encode()
    assert set(text) <= set(string.ascii_letters + string.digits + "-_")
    decoded = Cursor.decode(text)
    assert decoded == Cursor(at, row_id)
    assert decoded.at.tzinfo is UTC


@given(st.one_of(st.text(), st.recursive(st.none() | st.floats() | st.text(), st.lists).map(encode)))
def test_any_other_text_is_refused_or_is_a_cursor(text: str) -> None:
    try:
        cursor = Cursor.decode(text)
    except ValidationFailed as error:
        assert [pointer for pointer, _ in error.faults] == ["/cursor"]  # noqa: PT017 - both ways are right
    else:
        assert Cursor.decode(cursor.encode()) == cursor


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        ["2026-01-01T00:00:00+00:00"],
        ["2026-01-01T00:00:00+00:00", "a", "b"],
        ["2026-01-01T00:00:00", "no zone"],
        [1767225600, "no text"],
        ["2026-01-01T00:00:00+00:00", 1],
        ["2026-01-01T00:00:00+00:00", "a\0b"],
        ["2026-01-01T00:00:00+00:00", "a\nb"],
        ["2026-01-01T00:00:00+00:00", "\ud800"],
        ["0001-01-01T00:00:00+23:59", "before the first year in UTC"],
        ["9999-12-31T23:59:59-23:59", "after the last year in UTC"],
    ],
)
def test_what_is_no_cursor(value: object) -> None:
    with pytest.raises(ValidationFailed):
        Cursor.decode(encode(value))


@pytest.mark.parametrize("text", ["*", "ä", "A", "gICA", "\ud800", "W" * 200_000])
def test_what_is_no_base64_of_json(text: str) -> None:
    with pytest.raises(ValidationFailed):
        Cursor.decode(text)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ValidationFailed):
        Cursor.decode(base64.urlsafe_b64encode(b"[" * 100_000).decode().rstrip("="))


def test_the_id_of_a_row_as_a_uuid() -> None:
    at, row_id = datetime(2026, 1, 1, tzinfo=UTC), UUID(int=7)
    assert Cursor(at, str(row_id)).row_uuid == row_id
    with pytest.raises(ValidationFailed) as caught:
        _ = Cursor(at, "device-1").row_uuid
    assert caught.value.faults == [("/cursor", "cursor: expected one from this list")]


@given(st.lists(st.integers(0, 99), max_size=20), st.integers(1, 10))
def test_pages_put_together_are_the_whole(rows: list[int], limit: int) -> None:
    rows = sorted(set(rows), reverse=True)
    walked: list[int] = []
    after = 100
    while True:
        left = [row for row in rows if row < after][: limit + 1]
        page = Page.cut(left, limit, lambda row: Cursor(datetime(2026, 1, 1, tzinfo=UTC), str(row)))
        walked += page.items
        if page.next_cursor is None:
            break
        assert len(page.items) == limit
        after = int(Cursor.decode(page.next_cursor).row_id)
    assert walked == rows


@pytest.mark.parametrize(("rows", "has_next"), [(1, False), (2, False), (3, True)])
def test_there_is_a_next_page_only_if_there_is_a_row_for_it(rows: int, has_next: bool) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    page = Page.cut(list(range(rows)), 2, lambda row: Cursor(at, str(row)))
    assert page.items == list(range(min(rows, 2)))
    assert page.next_cursor == (Cursor(at, "1").encode() if has_next else None)


@pytest.mark.parametrize("has_more", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_page_that_was_cut_goes_on_where_it_was_cut(count: int, has_more: bool) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    cursors = [Cursor(at, f"row-{number}") for number in range(3)]
    page = Page([10, 11, 12], cursors, has_more).first(count)
    assert (page.items, page.cursors) == ([10, 11, 12][:count], cursors[:count])
    assert page.next_cursor == (cursors[count - 1].encode() if has_more or count < 3 else None)


@pytest.mark.parametrize("row_id", ["~" * count + "?" * count for count in range(1, 7)])
def test_a_cursor_of_bytes_that_the_url_alphabet_writes_otherwise(row_id: str) -> None:
    cursor = Cursor(datetime(2026, 1, 1, tzinfo=UTC), row_id)
    assert set("-_") & set(cursor.encode())
    assert Cursor.decode(cursor.encode()) == cursor


def test_what_a_wrong_cursor_is_told() -> None:
    with pytest.raises(ValidationFailed) as caught:
        Cursor.decode("nonsense")
    assert caught.value.faults == [("/cursor", "cursor: expected the next_cursor of an earlier page")]
