"""The commands of the service. Each reads the settings, calls one thing, and shows what came of it."""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from honeylink import __version__
from honeylink.cli.logs import configure_logging
from honeylink.cli.quickstart import demonstrate
from honeylink.cli.serving.launch import launch
from honeylink.cli.serving.launch import run as run_loop
from honeylink.cli.serving.listener import listen, reserve
from honeylink.cli.serving.process import serve
from honeylink.cli.serving.supervisor import supervise
from honeylink.domain.access import Role
from honeylink.errors import DependencyUnavailable, HoneyLinkError
from honeylink.services.runtime import migrate_database, open_services
from honeylink.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from honeylink.services.runtime import Services

__all__ = ["run"]

app = typer.Typer(
    help="Secure multi-stream sessions for devices on lossy links.\n\n"
    "Settings come from HONEYLINK_* variables or the TOML file that HONEYLINK_CONFIG_FILE names; see docs/settings.md.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
tokens = typer.Typer(help="Make and revoke bearer tokens.", no_args_is_help=True)
tenants = typer.Typer(help="Look at tenants.", no_args_is_help=True)
pools = typer.Typer(help="Look at bandwidth pools.", no_args_is_help=True)
app.add_typer(tokens, name="token")
app.add_typer(tenants, name="tenant")
app.add_typer(pools, name="pools")

_out = Console(highlight=False)
_COMMAND_TIMEOUT_SECONDS = 60

Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.")]
Workers = Annotated[int | None, typer.Option(help="Processes to serve with; at most one for each core.")]
Tenant = Annotated[str, typer.Option(help="The tenant's name.")]
Name = Annotated[str, typer.Option(help="The token's name, as the audit trail shows it.")]


def run() -> None:
    """Run the command line; an expected error is one line on stderr."""
    try:
        app()
    except HoneyLinkError as error:
        reason = getattr(error, "reason", None) or error.__cause__
        sys.exit(
            f"honeylink: {error}" + (f" ({reason})" if isinstance(error, DependencyUnavailable) and reason else "")
        )


@app.command("serve")
def serve_command(host: Host = None, port: Port = None, workers: Workers = None) -> None:
    """Serve the API until Ctrl-C or SIGTERM."""
    settings = Settings.load(host=host, port=port, workers=workers)
    configure_logging(settings.log_level)
    _serve(settings, None)


@app.command()
def quickstart(
    once: Annotated[bool, typer.Option("--once", help="Exit after the session has been shown.")] = False,
    host: Host = None,
    port: Port = None,
) -> None:
    """Serve the API, register and pair a demo device, open a session, and show it all."""
    settings = Settings.load(host=host, port=port)
    configure_logging("error")
    _out.print(f"[bold]HoneyLink {__version__}[/bold]: starting …")
    _serve(settings, lambda settings, services: demonstrate(_out, settings, services, once=once))


@app.command()
def migrate() -> None:
    """Bring the database's schema up to this version."""
    settings = Settings.load()
    configure_logging("warning")
    before, after = asyncio.run(migrate_database(settings))
    _show(
        {"before": before, "after": after},
        f"schema {after}" + (" (was there already)" if before == after else ""),
    )


@app.command()
def version() -> None:
    """Tell the version."""
    print(f"honeylink {__version__}")


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(context: typer.Context) -> None:
    """Measure the codec on this machine, beside its peers: `honeylink bench fec`."""
    from honeylink.cli.bench.command import main

    raise typer.Exit(main(context.args))


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def link(context: typer.Context) -> None:
    """See what the link scheduler does with a session's traffic: `honeylink link simulate`."""
    from honeylink.cli.link.command import main

    raise typer.Exit(main(context.args))


@tokens.command("create")
def create_token(tenant: Tenant, name: Name, role: Role = Role.OPERATOR) -> None:
    """Make a token, and the tenant if it is new. The token is shown this once.

    Tokens of devices are made by registering a device.
    """
    if role is Role.DEVICE:
        raise typer.BadParameter("expected admin, operator or auditor; a device gets its token when it is registered")
    token = _with_services(lambda services: services.tenants.create_token(tenant, role, name))
    made = {"tenant": tenant, "tenant_id": str(token.tenant_id), "name": name, "role": role.value}
    _show({**made, "token": token.encode()}, token.encode())


@tokens.command("revoke")
def revoke_token(tenant: Tenant, name: Name) -> None:
    """Revoke a token for good."""
    _with_services(lambda services: services.tenants.revoke_token(tenant, name))
    _show({"tenant": tenant, "name": name, "revoked": True}, f"revoked {name}")


@tenants.command("list")
def list_tenants() -> None:
    """Show every tenant's name and id: `/tenants/{tenant}/pool` takes either."""
    found = _with_services(lambda services: services.tenants.list())
    table = Table("tenant", "tenant_id", "since")
    table.columns[1].no_wrap = True  # it is to be copied
    for each in found:
        table.add_row(escape(each.name), str(each.tenant_id), f"{each.created_at:%Y-%m-%d}")
    rows = [{"tenant": each.name, "tenant_id": str(each.tenant_id)} for each in found]
    _show({"tenants": rows}, table)


@pools.command("check")
def check_pools() -> None:
    """Prove that each pool counts what live sessions hold, and withholds what is claimed; exit 1 if one is off."""
    reconciled = _with_services(lambda services: services.operations.check_pools())
    table = Table("tenant", "level", "pool", "capacity", "reserved", "live", "withheld", "claimed", "")
    for column in table.columns[3:8]:
        column.justify = "right"
    for each in reconciled:
        mark = "[green]ok[/green]" if each.reconciles else "[red]OFF[/red]"
        figures = (
            each.capacity_kbps or 0,
            each.reserved_kbps,
            each.live_kbps,
            each.withheld_kbps,
            each.claimed_kbps,
        )
        table.add_row(
            escape(each.tenant), each.level.label, escape(each.pool_id), *(f"{figure:,}" for figure in figures), mark
        )
    off = sum(not each.reconciles for each in reconciled)
    rows = [
        {
            "tenant": each.tenant,
            "level": each.level.label,
            "pool_id": each.pool_id,
            "capacity_kbps": each.capacity_kbps,
            "reserved_kbps": each.reserved_kbps,
            "live_kbps": each.live_kbps,
            "stale_kbps": each.stale_kbps,
            "withheld_kbps": each.withheld_kbps,
            "claimed_kbps": each.claimed_kbps,
            "reconciles": each.reconciles,
            "balanced": each.reconciles,  # its former name, for one release
        }
        for each in reconciled
    ]
    _show({"pools": rows, "off": off}, table)
    raise typer.Exit(1 if off else 0)


def _serve(settings: Settings, beside: Callable[[Settings, Services], Coroutine[None, None, None]] | None) -> None:
    several = beside is None and settings.workers > 1
    with reserve(settings) if several else listen(settings) as listener:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        if several:
            run_loop(supervise(settings, listener))
        else:
            launch(serve(settings, listener, None if beside is None else partial(beside, settings)))


def _with_services(use: Callable[[Services], Coroutine[Any, Any, Any]]) -> Any:  # noqa: ANN401 - what `use` gives
    async def work() -> object:
        async with open_services(settings) as services:
            return await use(services)

    # Nobody waits behind a command, so it may take its time.
    settings = Settings.load().model_copy(update={"database_timeout_seconds": _COMMAND_TIMEOUT_SECONDS})
    configure_logging("warning")
    return run_loop(work())


def _show(data: dict[str, object], text: str | Table) -> None:
    """`text` for people; for a pipe, the same as JSON."""
    if _out.is_terminal:
        _out.print(text, soft_wrap=isinstance(text, str))
    else:
        print(json.dumps(data))
