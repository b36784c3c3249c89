"""The schema's history: numbered SQL scripts, applied in order by Alembic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import op

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run_script"]


def run_script(path: Path) -> None:
    """Run all statements of a script in the migration's transaction."""
    connection = op.get_bind().connection.dbapi_connection
    script = path.read_text(encoding="utf-8")
    # A prepared statement holds one command only; the driver's own execute takes a whole script.
    connection.run_async(lambda driver: driver.execute(script))  # type: ignore[union-attr]
