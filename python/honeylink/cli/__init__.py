"""The `honeylink` command.

The library alone (`pip install honeylink`) has the command too; there it measures the codec, simulates links, tells its
version, and says where the rest is.
"""

from __future__ import annotations

import os
import sys

from honeylink import __version__
from honeylink.errors import HoneyLinkError

__all__ = ["main"]

_BROKEN_PIPE = 141  # as shells tell of a program that SIGPIPE has ended


def main() -> None:
    """Run the command line; an expected error is one line on stderr."""
    try:
        try:
            _run(sys.argv[1:])
        finally:
            sys.stdout.flush()  # while it can still be said in a line what went wrong
    except HoneyLinkError as error:
        sys.exit(f"honeylink: {error}")
    except BrokenPipeError:
        # Who read has had enough. What is left must not be tried again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_BROKEN_PIPE)
    except OSError as error:
        sys.exit(f"honeylink: {error}")


def _run(arguments: list[str]) -> None:
    match arguments:
        case ["version"] | ["--version"]:
            print(f"honeylink {__version__}")
        case ["bench", *rest]:
            from honeylink.cli.bench.command import main as bench

            sys.exit(bench(rest))
        case ["link", *rest]:
            from honeylink.cli.link.command import main as link

            sys.exit(link(rest))
        case _:
            _serve()


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
