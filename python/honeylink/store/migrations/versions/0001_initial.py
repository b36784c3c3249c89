"""The first schema; its statements stand in the file of the same name."""

from pathlib import Path

from honeylink.store.migrations import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables, the append-only audit trail and the service's role."""
    run_script(Path(__file__).with_suffix(".sql"))
