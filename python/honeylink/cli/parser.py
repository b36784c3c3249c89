"""The command line: what may be said on it, for all commands. What a command does is imported when it runs.

By argparse, since the library alone has the command too (`pip install honeylink` brings NumPy and nothing else): it
measures the codec there, shows the help of every command, and says what to install for the others.
"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from typing import TYPE_CHECKING

from honeylink import __version__

if TYPE_CHECKING:
    from argparse import _SubParsersAction
    from pathlib import Path

_SERVICE = "server,embedded"
_CODES = [(10, 1), (10, 2), (10, 5)]


def parser() -> ArgumentParser:
    """The whole command line. Each command leaves what runs it in `run`, and in `extra` what that needs."""
    root = ArgumentParser(
        "honeylink",
        description="Secure multi-stream sessions for devices on lossy links. Settings come from HONEYLINK_* variables "
        "or the TOML file that HONEYLINK_CONFIG_FILE names; see docs/settings.md.",
        allow_abbrev=False,
    )
    root.add_argument("--version", action="version", version=f"honeylink {__version__}")
    commands = root.add_subparsers(title="commands", dest="command", required=True)
    _add_serving(commands)
    _add_records(commands)
    _add_bench(commands)
    _add_link(commands)
    _add(commands, "version", "tell the version", "honeylink.cli:show_version")
    return root


def _add(
    commands: _SubParsersAction[ArgumentParser], name: str, text: str, run: str, extra: str = "", more: str = ""
) -> ArgumentParser:
    description = f"{text[0].upper()}{text[1:]}.{more and ' '}{more}"
    # An abbreviation that works today could mean two options tomorrow.
    command = commands.add_parser(name, help=text, description=description, allow_abbrev=False)
    command.set_defaults(run=run, extra=extra, usage_error=command.error)
    return command


def _group(commands: _SubParsersAction[ArgumentParser], name: str, text: str) -> _SubParsersAction[ArgumentParser]:
    group = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    return group.add_subparsers(title="commands", dest="command", required=True)


def _add_serving(commands: _SubParsersAction[ArgumentParser]) -> None:
    run = "honeylink.cli.commands:"
    serve = _add(commands, "serve", "serve the API until Ctrl-C or SIGTERM", f"{run}serve", _SERVICE)
    quickstart = _add(
        commands,
        "quickstart",
        "serve the API, register and pair a demo device, open a session, and show it all",
        f"{run}quickstart",
        _SERVICE,
    )
    quickstart.add_argument("--once", action="store_true", help="exit after the session has been shown")
    for command in (serve, quickstart):
        command.add_argument("--host", help="address to listen on")
        command.add_argument("--port", type=int, help="port to listen on")
    serve.add_argument("--workers", type=int, help="processes to serve with; at most one for each core")
    _add(commands, "migrate", "bring the database's schema up to this version", f"{run}migrate", _SERVICE)


def _add_records(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Tokens, tenants, pools."""
    run = "honeylink.cli.commands:"
    tokens = _group(commands, "token", "make and revoke bearer tokens")
    create = _add(
        tokens,
        "create",
        "make a token, and the tenant if it is new",
        f"{run}create_token",
        _SERVICE,
        "The token is shown this once. Tokens of devices are made by registering a device.",
    )
    revoke = _add(tokens, "revoke", "revoke a token for good", f"{run}revoke_token", _SERVICE)
    for command in (create, revoke):
        command.add_argument("--tenant", required=True, help="the tenant's name")
        command.add_argument("--name", required=True, help="the token's name, as the audit trail shows it")
    create.add_argument(
        "--role", type=_role, default="operator", metavar="ROLE", help="admin, operator (default) or auditor"
    )
    tenants = _group(commands, "tenant", "look at tenants")
    _add(
        tenants,
        "list",
        "show every tenant's name and id",
        f"{run}list_tenants",
        _SERVICE,
        "/tenants/{tenant}/pool takes either.",
    )
    pools = _group(commands, "pools", "look at bandwidth pools")
    _add(
        pools,
        "check",
        "check that each pool's reservations reconcile with its live sessions; exit 1 if one's do not",
        f"{run}check_pools",
        _SERVICE,
    )


def _add_bench(commands: _SubParsersAction[ArgumentParser]) -> None:
    fec = _add(
        _group(commands, "bench", "measure what the library does on this machine"),
        "fec",
        "measure the Reed-Solomon codec, each of its engines, beside the peers that are installed",
        "honeylink.cli.bench.command:fec",
        more="They take turns, one thread each, and what is shown are medians in GiB of data bytes (k shards of n "
        "bytes) a second. Every result is checked before it is timed.",
    )
    fec.add_argument("--quick", action="store_true", help="a few seconds instead of half a minute; less exact")
    fec.add_argument("--json", action="store_true", help="print JSON instead of the table")
    fec.add_argument("--chart", type=_chart, metavar="FILE", help="draw a chart too: FILE.svg or FILE.png")
    fec.add_argument("--codes", type=_codes, default=_CODES, metavar="K+M,…", help="codes (default: 10+1,10+2,10+5)")
    fec.add_argument(
        "--sizes", type=_sizes, metavar="BYTES,…", help="bytes in a shard (default: 1200,4096,65536,1048576)"
    )


def _add_link(commands: _SubParsersAction[ArgumentParser]) -> None:
    run = _add(
        _group(commands, "link", "see what the link scheduler does with a session's traffic"),
        "simulate",
        "run a scenario on a clock of its own",
        "honeylink.cli.link.command:simulate",
        "simulate",
        "A scenario is a link, the streams of a session with their traffic, what is lost, and what changes meanwhile. "
        "Shows for each stream its rate, its delays and its drops.",
    )
    run.add_argument("scenario", nargs="?", metavar="SCENARIO", help="a TOML file, or the name of one that ships")
    run.add_argument("--list", action="store_true", help="show the scenarios that ship, by name")
    run.add_argument("--json", action="store_true", help="print JSON instead of the table, rates over time too")
    run.add_argument("--chart", type=_chart, metavar="FILE", help="draw rates and delays too: FILE.svg or FILE.png")


def _role(text: str) -> str:
    if text not in ("admin", "operator", "auditor"):
        raise ArgumentTypeError(
            f"expected admin, operator or auditor, found {text!r}; a device gets its token when it is registered"
        )
    return text


def _chart(text: str) -> Path:
    """A file that a chart can be written to, so that nothing is worked for in vain."""
    from importlib.util import find_spec
    from pathlib import Path

    path = Path(text)
    if path.suffix.lower() not in (".svg", ".png"):
        raise ArgumentTypeError(f"expected a file that ends in .svg or .png, found {text!r}")
    if not path.absolute().parent.is_dir():
        raise ArgumentTypeError(f"expected a file in a directory that exists, found {text!r}")
    if find_spec("matplotlib") is None:
        raise ArgumentTypeError("charts need matplotlib, which is not installed; run: pip install 'honeylink[charts]'")
    return path


def _codes(text: str) -> list[tuple[int, int]]:
    return [_code(part) for part in text.split(",")]


def _code(text: str) -> tuple[int, int]:
    from honeylink.errors import CodeParameterError
    from honeylink.fec import ReedSolomon

    try:
        k, m = map(int, text.split("+"))
        ReedSolomon(k, m)
    except CodeParameterError as error:
        raise ArgumentTypeError(str(error)) from None
    except ValueError:
        raise ArgumentTypeError(f"expected K+M as 10+2, found {text!r}") from None
    if m == 0:
        raise ArgumentTypeError("expected a code with parity, found none to measure")
    return k, m


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = [0]
    if min(sizes) < 1:
        raise ArgumentTypeError(f"expected bytes in a shard, as 1200,65536, found {text!r}")
    return sizes
