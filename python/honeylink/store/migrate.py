"""Brings a database's schema up to this version of the code.

Alembic keeps the history and applies it. It is loaded only where there is something to apply: loading takes half of
a start's time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from honeylink.errors import HoneyLinkError
from honeylink.store.database import UNAVAILABLE

if TYPE_CHECKING:
    from sqlalchemy import Connection

HEAD_REVISION = "0007"
"""The newest script's revision: the schema that this code makes."""

OLDEST_REVISION = "0006"
"""The oldest schema that this code works with. Newer ones say themselves which code they are for."""

_CONNECT_SECONDS = 10


class MigrationError(HoneyLinkError):
    """The schema could not be brought up to date."""


async def migrate(dsn: str) -> tuple[str | None, str]:
    """Apply what is missing, in one transaction. A schema that is newer than this code is left as it is.

    Returns:
        The revisions before and after.

    Raises:
        MigrationError: the database is away or too busy, or the user may not do this.
    """
    connection = await _connect(dsn)
    try:
        before: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        before = None
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationError(f"expected a user that may read and make tables, found: {error}") from error
    finally:
        await connection.close()
    if before is not None and before >= HEAD_REVISION:
        return before, before
    await _upgrade(dsn)
    return before, HEAD_REVISION


async def _connect(dsn: str) -> asyncpg.Connection[asyncpg.Record]:
    try:
        return await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS)
    except (*UNAVAILABLE, asyncpg.PostgresError) as error:
        raise MigrationError(f"expected a database to connect to, found: {error or type(error).__name__}") from error


async def _upgrade(dsn: str) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy.exc import ProgrammingError
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    def run(connection: Connection) -> None:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        command.upgrade(config, "head")

    engine = create_async_engine("postgresql+asyncpg://", poolclass=NullPool, async_creator=lambda: _connect(dsn))
    try:
        async with engine.begin() as connection:
            await connection.run_sync(run)
    except asyncpg.LockNotAvailableError as error:
        raise MigrationError(
            f"expected a moment without long transactions (a dump is one), found: {error}; nothing was done, try again"
        ) from error
    except (asyncpg.InsufficientPrivilegeError, ProgrammingError) as error:
        # The driver's own error from our script; SQLAlchemy's around it from what Alembic does first.
        reason = error.orig if isinstance(error, ProgrammingError) else error
        if getattr(reason, "sqlstate", None) != asyncpg.InsufficientPrivilegeError.sqlstate:
            raise
        raise MigrationError(f"expected a user that may create tables and roles, found: {reason}") from error
    finally:
        await engine.dispose()
