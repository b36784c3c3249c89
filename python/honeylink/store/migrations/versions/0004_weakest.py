"""An index of the weakest live sessions; its statements stand in the file of the same name."""

from pathlib import Path

from honeylink.store.migrations import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Build the index."""
    run_script(Path(__file__).with_suffix(".sql"))
