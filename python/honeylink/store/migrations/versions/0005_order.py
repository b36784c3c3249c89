"""Events in the order of changes; the statements stand in the file of the same name."""

from pathlib import Path

from honeylink.store.migrations import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Date events when they are written, and say which code works with this schema."""
    run_script(Path(__file__).with_suffix(".sql"))
