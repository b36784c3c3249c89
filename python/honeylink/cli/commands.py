"""The commands of the service. Each reads the settings, calls one thing, and shows what came of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from honeylink import __version__
from honeylink.cli.logs import configure_logging
from honeylink.cli.quickstart import demonstrate
from honeylink.cli.serving.launch import launch
from honeylink.cli.serving.launch import run as run_loop
from honeylink.cli.serving.listener import listen, reserve
from honeylink.cli.serving.process import serve as serve_process
from honeylink.cli.serving.supervisor import supervise
from honeylink.domain.access import Role
from honeylink.services.runtime import migrate_database, open_services
from honeylink.settings import Settings

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Coroutine

    from honeylink.services.runtime import Services

_out = Console(highlight=False)
_COMMAND_TIMEOUT_SECONDS = 60
_POOL_FIGURES = ("capacity", "reserved", "live", "withheld", "claimed")


def serve(chosen: Namespace) -> None:
    """Serve the API until Ctrl-C or SIGTERM."""
    settings = Settings.load(host=chosen.host, port=chosen.port, workers=chosen.workers)
    configure_logging(settings.log_level)
    _serve(settings, None)


def quickstart(chosen: Namespace) -> None:
    """Serve the API, register and pair a demo device, open a session, and show it all."""
    settings = Settings.load(host=chosen.host, port=chosen.port)
    configure_logging("error")
    _out.print(f"[bold]HoneyLink {__version__}[/bold]: starting …")
    _serve(settings, lambda settings, services: demonstrate(_out, settings, services, once=chosen.once))


def migrate(_chosen: Namespace) -> None:
    """Bring the database's schema up to this version."""
    settings = Settings.load()
    configure_logging("warning")
    before, after = asyncio.run(migrate_database(settings))
    _show(
        {"before": before, "after": after},
        f"schema {after}" + (" (was there already)" if before == after else ""),
    )


def create_token(chosen: Namespace) -> None:
    """Make a token, and the tenant if it is new. The token is shown this once."""
    tenant, name, role = chosen.tenant, chosen.name, Role(chosen.role)
    token = _with_services(lambda services: services.tenants.create_token(tenant, role, name))
    made = {"tenant": tenant, "tenant_id": str(token.tenant_id), "name": name, "role": role.value}
    _show({**made, "token": token.encode()}, token.encode())


def revoke_token(chosen: Namespace) -> None:
    """Revoke a token for good."""
    tenant, name = chosen.tenant, chosen.name
    _with_services(lambda services: services.tenants.revoke_token(tenant, name))
    _show({"tenant": tenant, "name": name, "revoked": True}, f"revoked {name}")


def list_tenants(_chosen: Namespace) -> None:
    """Show every tenant's name and id: `/tenants/{tenant}/pool` takes either."""
    found = _with_services(lambda services: services.tenants.list())
    table = Table("tenant", "tenant_id", "since")
    table.columns[1].no_wrap = True  # it is to be copied
    for each in found:
        table.add_row(escape(each.name), str(each.tenant_id), f"{each.created_at:%Y-%m-%d}")
    rows = [{"tenant": each.name, "tenant_id": str(each.tenant_id)} for each in found]
    _show({"tenants": rows}, table)


def check_pools(_chosen: Namespace) -> int:
    """Prove that each pool counts what live sessions hold, and withholds what is claimed; exit 1 if one is off."""
    reconciled = _with_services(lambda services: services.operations.check_pools())
    table = Table("tenant", "level", "pool", *_POOL_FIGURES, "")
    for column in table.columns[3:8]:
        column.justify = "right"
    off = sum(not each.reconciles for each in reconciled)
    rows: list[dict[str, Any]] = [
        {
            **asdict(each),
            "level": each.level.label,
            "reconciles": each.reconciles,
            "balanced": each.reconciles,  # its former name, for one release
        }
        for each in reconciled
    ]
    for row in rows:
        figures = [f"{row[f'{column}_kbps'] or 0:,}" for column in _POOL_FIGURES]
        mark = "[green]ok[/green]" if row["reconciles"] else "[red]OFF[/red]"
        table.add_row(escape(row["tenant"]), row["level"], escape(row["pool_id"]), *figures, mark)
    _show({"pools": rows, "off": off}, table)
    return 1 if off else 0


def _serve(settings: Settings, meanwhile: Callable[[Settings, Services], Coroutine[None, None, None]] | None) -> None:
    several = meanwhile is None and settings.workers > 1
    with reserve(settings) if several else listen(settings) as listener:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        if several:
            run_loop(supervise(settings, listener))
        else:
            launch(serve_process(settings, listener, None if meanwhile is None else partial(meanwhile, settings)))


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
