"""Checks that statements read faster; the statements stand in the file of the same name."""

from pathlib import Path

from honeylink.store.migrations import run_script

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """State the same checks with less to read."""
    run_script(Path(__file__).with_suffix(".sql"))
