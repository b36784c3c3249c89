"""The `honeylink` command.

The library alone (`pip install honeylink`) has the command too; there it measures the codec, tells its version, and
says where the rest is.
"""

from __future__ import annotations

import sys

from honeylink import __version__
from honeylink.errors import HoneyLinkError

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    match sys.argv[1:]:
        case ["version"] | ["--version"]:
            print(f"honeylink {__version__}")
        case ["bench", *arguments]:
            _bench(arguments)
        case _:
            _serve()


def _bench(arguments: list[str]) -> None:
    try:
        from honeylink.cli.bench.command import main as bench

        sys.exit(bench(arguments))
    except HoneyLinkError as error:
        sys.exit(f"honeylink: {error}")


def _serve() -> None:
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
