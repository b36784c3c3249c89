"""What Alembic runs: the scripts of `versions`, over the connection that `honeylink.store.migrate` has in its config.

Each script's number is its revision, and it follows the script before it.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from alembic import context
from alembic.script import Script
from alembic.script.revision import RevisionMap
from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def scripts() -> Iterator[Script]:
    """The scripts as Alembic knows them: as modules."""
    before = None
    for path in sorted((Path(__file__).parent / "versions").glob("*.sql")):
        module = ModuleType(path.stem)
        vars(module).update(down_revision=before, upgrade=upgrade_by(path))
        before = path.stem.partition("_")[0]
        yield Script(module, before, str(path))


def upgrade_by(path: Path) -> Callable[[], None]:
    """What runs all statements of a script in the migration's transaction."""

    def upgrade() -> None:
        script = path.read_text(encoding="utf-8")
        # A prepared statement holds one command only; the driver's own execute takes a whole script.
        connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(script))

    return upgrade


connection = context.config.attributes["connection"]
context.script.revision_map = RevisionMap(scripts)
context.configure(connection=connection)
with context.begin_transaction():
    # Of several processes that start at once, one migrates and the others find the work done.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('honeylink.migrate'))"))
    context.run_migrations()
