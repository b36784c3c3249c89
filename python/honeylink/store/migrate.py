"""Brings a database's schema up to this version of the code."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from honeylink.errors import HoneyLinkError

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["MigrationError", "head_revision", "migrate"]

_CONNECT_SECONDS = 10


class MigrationError(HoneyLinkError):
    """The schema could not be brought up to date."""


async def migrate(dsn: str) -> tuple[str | None, str]:
    """Apply what is missing, in one transaction.

    Args:
        dsn: of a user that may create tables and roles.

    Returns:
        The revisions before and after.

    Raises:
        MigrationError: the database is away, or the user may not do this.
    """
    engine = create_async_engine("postgresql+asyncpg://", poolclass=NullPool, async_creator=lambda: _connect(dsn))
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(_upgrade)
    except (asyncpg.InsufficientPrivilegeError, ProgrammingError) as error:
        # The driver's own error from our script; SQLAlchemy's around it from what Alembic does first.
        reason = error.orig if isinstance(error, ProgrammingError) else error
        if getattr(reason, "sqlstate", None) != asyncpg.InsufficientPrivilegeError.sqlstate:
            raise
        raise MigrationError(f"expected a user that may create tables and roles, found: {reason}") from error
    finally:
        await engine.dispose()


@cache
def head_revision() -> str:
    """The revision that this code needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None  # noqa: S101 - there is a first migration
    return head


async def _connect(dsn: str) -> object:
    try:
        return await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise MigrationError(f"expected a database to connect to, found: {error or type(error).__name__}") from error


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _upgrade(connection: Connection) -> tuple[str | None, str]:
    before = MigrationContext.configure(connection).get_current_revision()
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return before, head_revision()
