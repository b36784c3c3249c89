"""Shares of pools, minima and priorities; its statements stand in the file of the same name."""

from pathlib import Path

from honeylink.store.migrations import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns to pools, sessions and streams."""
    run_script(Path(__file__).with_suffix(".sql"))
