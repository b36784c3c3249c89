"""The `honeylink` command.

The library alone (`pip install honeylink`) has the command too; there it tells its version and where the rest is.
"""

from __future__ import annotations

import sys

from honeylink import __version__

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] in (["version"], ["--version"]):
        print(f"honeylink {__version__}")
        return
    try:
        from honeylink.cli.commands import run
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == "honeylink":
            raise
        sys.exit(
            f"honeylink: the service is not installed (no module {error.name}); "
            "run: pip install 'honeylink[server,embedded]'"
        )
    run()
