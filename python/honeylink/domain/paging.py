"""Keyset pages: a cursor says after which row a page starts, so a page costs the same however deep it lies.

A cursor is opaque to clients: base64url of a JSON array of the last row's sort key. It holds nothing that its holder
has not just been shown, so it needs no signature; one that was tampered with only moves the start, within the tenant.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from honeylink.domain.text import parse_uuid, unfit_for_name
from honeylink.errors import ValidationFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

PAGE_MAX_BYTES = 1_048_576
"""What the items of a page come to at most, as JSON; but a page has one item, however large that is."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The sort key of the last row of a page: when it came to be, and its id."""

    at: datetime
    row_id: str

    def encode(self) -> str:
        """The text that a client passes back."""
        text = json.dumps([self.at.isoformat(), self.row_id])
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode("ascii")

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """The cursor that `text` encodes; `ValidationFailed` if it encodes none.

        Example:
            >>> from datetime import UTC, datetime
            >>> cursor = Cursor(datetime(2026, 1, 1, tzinfo=UTC), "device-1")
            >>> Cursor.decode(cursor.encode()) == cursor
            True
        """
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            at, row_id = json.loads(raw)
            moment = datetime.fromisoformat(at)
            # In UTC, since the ends of the calendar have moments in other zones that UTC has no year for.
            cursor = cls(moment.astimezone(UTC), row_id) if moment.tzinfo is not None else None
        except (ValueError, TypeError, OverflowError, RecursionError):
            cursor = None
        if cursor is None or not isinstance(cursor.row_id, str) or unfit_for_name(cursor.row_id):
            raise ValidationFailed([("/cursor", "cursor: expected the next_cursor of an earlier page")])
        return cursor

    @property
    def row_uuid(self) -> UUID:
        """The id of a row whose ids are UUIDs; `ValidationFailed` if this cursor is from another list."""
        try:
            return parse_uuid(self.row_id)
        except ValueError:
            raise ValidationFailed([("/cursor", "cursor: expected one from this list")]) from None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, each with its cursor, and whether there are more after them."""

    items: list[T]
    cursors: list[Cursor]
    has_more: bool

    @classmethod
    def cut(cls, rows: list[T], limit: int, key: Callable[[T], Cursor]) -> Page[T]:
        """The first `limit` of `rows`; one row more than that says that there is a next page."""
        items = rows[:limit]
        return cls(items, [key(item) for item in items], len(rows) > limit)

    def first(self, count: int) -> Page[T]:
        """The page with its first `count` items alone; the rest is left to the next one."""
        return Page(self.items[:count], self.cursors[:count], self.has_more or count < len(self.items))

    @property
    def next_cursor(self) -> str | None:
        """The cursor of the next page, if there is one."""
        return self.cursors[-1].encode() if self.has_more else None
