"""How a session charges the pools of its path; the statements stand in the file of the same name."""

from pathlib import Path

from honeylink.store.migrations import run_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Say each rule of charging in one function, which all statements use."""
    run_script(Path(__file__).with_suffix(".sql"))
