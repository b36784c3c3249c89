"""The loss that a stream expects; its statements stand in the file of the same name."""

from pathlib import Path

from honeylink.store.migrations import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns to streams."""
    run_script(Path(__file__).with_suffix(".sql"))
