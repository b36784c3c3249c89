"""Which schema a database has, and which code it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from honeylink.store.database import UnitOfWork


async def find_revision(work: UnitOfWork) -> str | None:
    """The revision of the database's schema; None if it has none yet."""
    try:
        row = await work.fetchrow("find_schema_revision")
    except asyncpg.UndefinedTableError:
        return None
    return None if row is None else row["version_num"]


async def find_oldest_code(work: UnitOfWork) -> str:
    """The revision of the oldest code that works with the database's schema, from 0005 on."""
    row = await work.fetchrow("find_oldest_code")
    assert row is not None  # noqa: S101 - a statement without FROM has a row
    return str(row["revision"])
