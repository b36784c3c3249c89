"""The `honeylink` command."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from honeylink import __version__
from honeylink.cli.parser import parser
from honeylink.errors import DependencyUnavailable, HoneyLinkError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

__all__ = ["main", "show_version"]

# As shells tell of a program that a signal has ended: SIGINT, SIGPIPE.
_INTERRUPTED, _BROKEN_PIPE = 130, 141


def main() -> None:
    """Run the command line; an expected error is one line on stderr."""
    try:
        try:
            sys.exit(_run(parser().parse_args()))
        finally:
            sys.stdout.flush()  # while it can still be said in a line what went wrong
    except HoneyLinkError as error:
        sys.exit(f"honeylink: {error}{_reason(error)}")
    except KeyboardInterrupt:
        print("honeylink: stopped", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        # Who read has had enough. What is left must not be tried again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_BROKEN_PIPE)
    except OSError as error:
        sys.exit(f"honeylink: {error}")


def _reason(error: HoneyLinkError) -> str:
    """Why a dependency can't be had: an operator is told what a client is not."""
    reason = getattr(error, "reason", None) or error.__cause__
    return f" ({reason})" if isinstance(error, DependencyUnavailable) and reason else ""


def show_version(_chosen: Namespace) -> None:
    """Tell the version."""
    print(f"honeylink {__version__}")


def _run(chosen: Namespace) -> int | None:
    module, _, name = chosen.run.partition(":")
    try:
        command: Callable[[Namespace], int | None] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "honeylink":
            raise
        package = f"'honeylink[{chosen.extra}]'" if chosen.extra else "honeylink"
        raise HoneyLinkError(
            f"a package that this command needs is not installed ({error.name}); run: pip install {package}"
        ) from None
    return command(chosen)
