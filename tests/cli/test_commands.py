"""The `honeylink` command, run as people and scripts run it."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pty
import socket
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import pytest

from honeylink import __version__
from honeylink.cli.parser import parser
from honeylink.domain.access import Role
from tests.operations.processes import COMMAND, PATIENCE_SECONDS, environment, honeylink, new_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import LoopThread


@pytest.fixture
def settings(new_database: Callable[[], str], tmp_path: Path) -> dict[str, object]:
    return {"database_dsn": new_database(), "data_dir": tmp_path}


def on_terminal(*arguments: str, **settings: object) -> str:
    """What a command shows on a terminal."""
    ours, theirs = pty.openpty()
    variables = {**environment(**settings), "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen([*COMMAND, *arguments], env=variables, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b"".join(read_all(ours))
        assert process.wait(PATIENCE_SECONDS) == 0, shown
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def read_all(descriptor: int) -> Iterator[bytes]:
    try:
        while data := os.read(descriptor, 4096):
            yield data
    except OSError:  # how Linux tells that nobody holds the other end any more
        return


def check_one_line(result: subprocess.CompletedProcess[str], *parts: str, code: int = 1) -> None:
    """A failure is one line on stderr that says what and what to do."""
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("honeylink: ")
    assert result.stderr.count("\n") == 1, result.stderr
    for part in parts:
        assert part in result.stderr


def test_help_names_the_commands() -> None:
    shown = honeylink("--help")
    assert shown.returncode == 0
    for command in ("serve", "quickstart", "migrate", "bench", "link", "token", "tenant", "pools", "version"):
        assert command in shown.stdout


@pytest.mark.parametrize("arguments", [("version",), ("--version",)])
def test_version(arguments: tuple[str, ...]) -> None:
    assert honeylink(*arguments).stdout == f"honeylink {__version__}\n"


def leaves(commands: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The commands that do something, each group's too."""
    groups = [action for action in commands._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield commands
    for group in groups:
        for command in group.choices.values():
            yield from leaves(command)


@pytest.mark.parametrize("command", list(leaves(parser())), ids=lambda command: command.prog)
def test_a_command_has_a_function_and_an_extra_that_there_is(command: argparse.ArgumentParser) -> None:
    module, _, name = command.get_default("run").partition(":")
    assert callable(getattr(importlib.import_module(module), name))
    extras = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(filter(None, command.get_default("extra").split(","))) <= extras["optional-dependencies"].keys()


@pytest.mark.parametrize("arguments", [(), ("token",), ("serve", "--colour"), ("token", "create", "--name", "ops")])
def test_usage_errors_end_with_2_and_say_how(arguments: tuple[str, ...]) -> None:
    result = honeylink(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("usage: honeylink")


def test_tokens_have_the_roles_that_there_are() -> None:
    for role in Role:
        arguments = ["token", "create", "--tenant", "acme", "--name", "ops", "--role", role.value]
        if role is Role.DEVICE:
            with pytest.raises(SystemExit):
                parser().parse_args(arguments)
        else:
            assert parser().parse_args(arguments).role == role.value


def test_wrong_usage(tmp_path: Path) -> None:
    result = honeylink("serve", "--port", "many", data_dir=tmp_path)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_migrate_twice(postgres_dsn: Callable[[str], str], loop: LoopThread, tmp_path: Path) -> None:
    async def make() -> None:
        connection = await asyncpg.connect(postgres_dsn("postgres"))
        try:
            await connection.execute("DROP DATABASE IF EXISTS honeylink_cli")
            await connection.execute("CREATE DATABASE honeylink_cli")
        finally:
            await connection.close()

    loop.run(make())
    settings = {"database_dsn": postgres_dsn("honeylink_cli"), "data_dir": tmp_path}
    first, second = (honeylink("migrate", **settings) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    made = json.loads(first.stdout)
    assert made["before"] is None
    assert json.loads(second.stdout) == {"before": made["after"], "after": made["after"]}
    assert not list(tmp_path.iterdir())  # it needs no key


def test_tokens(settings: dict[str, object]) -> None:
    names = ("--tenant", "acme", "--name", "ops")
    made = honeylink("token", "create", *names, **settings)
    assert made.returncode == 0, made.stderr
    answer = json.loads(made.stdout)
    assert answer.pop("token").startswith("hl1_")
    tenant_id = answer.pop("tenant_id")
    assert str(UUID(tenant_id)) == tenant_id
    assert answer == {"tenant": "acme", "name": "ops", "role": "operator"}
    check_one_line(honeylink("token", "create", *names, **settings), "'ops'", "'acme'")
    revoked = honeylink("token", "revoke", *names, **settings)
    assert json.loads(revoked.stdout) == {"tenant": "acme", "name": "ops", "revoked": True}
    shown = on_terminal("token", "create", *names, "--role", "auditor", **settings)
    assert shown.startswith("hl1_")
    assert shown.count("\n") == 1  # whole, to be copied, however narrow the terminal
    device = honeylink("token", "create", *names, "--role", "device", **settings)
    assert device.returncode == 2
    assert device.stdout == ""
    assert "registered" in device.stderr


def test_tenants_are_listed_with_their_ids(settings: dict[str, object]) -> None:
    ids = {}
    for tenant in ("umbrella", "acme"):
        made = honeylink("token", "create", "--tenant", tenant, "--name", "ops", **settings)
        ids[tenant] = json.loads(made.stdout)["tenant_id"]
    listed = json.loads(honeylink("tenant", "list", **settings).stdout)
    assert listed == {"tenants": [{"tenant": tenant, "tenant_id": ids[tenant]} for tenant in ("acme", "umbrella")]}
    shown = on_terminal("tenant", "list", **settings)
    assert all(word in shown for word in (*ids, *ids.values()))


def test_a_tenant_that_no_path_could_name_is_not_made(settings: dict[str, object]) -> None:
    result = honeylink("token", "create", "--tenant", "a/b", "--name", "ops", **settings)
    check_one_line(result, "tenant: expected a name that can be a step of a path, found 'a/b'")
    assert json.loads(honeylink("tenant", "list", **settings).stdout) == {"tenants": []}


def test_pools_check(settings: dict[str, object], tmp_path: Path, loop: LoopThread) -> None:
    async def cook() -> None:
        connection = await asyncpg.connect(str(settings["database_dsn"]))
        try:
            await connection.execute("UPDATE pools SET reserved_kbps = 17")
        finally:
            await connection.close()

    new_token(str(settings["database_dsn"]), tmp_path)  # makes the tenant, and so its pool
    found = honeylink("pools", "check", **settings)
    assert found.returncode == 0, found.stderr
    assert [pool["reconciles"] for pool in json.loads(found.stdout)["pools"]] == [True]
    loop.run(cook())
    off = honeylink("pools", "check", **settings)
    assert off.returncode == 1
    answer = json.loads(off.stdout)
    assert answer["off"] == 1
    assert (answer["pools"][0]["reserved_kbps"], answer["pools"][0]["live_kbps"]) == (17, 0)


def test_port_taken(settings: dict[str, object]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = honeylink("serve", "--port", str(port), **settings)
    check_one_line(result, f"port {port} on 127.0.0.1 is taken", "HONEYLINK_PORT")


def test_address_of_nobody(settings: dict[str, object]) -> None:
    check_one_line(honeylink("serve", "--host", "192.0.2.1", **settings), "192.0.2.1", "HONEYLINK_HOST")


def test_key_file_that_others_can_read(settings: dict[str, object], tmp_path: Path) -> None:
    key_file = tmp_path / "other.key"
    key_file.write_bytes(bytes(32))
    key_file.chmod(0o644)
    check_one_line(honeylink("serve", key_file=key_file, **settings), f"chmod 600 {key_file}", "0644")


def test_missing_key_file_is_made_for_its_owner_alone(settings: dict[str, object], tmp_path: Path) -> None:
    key_file = tmp_path / "new" / "kek.key"
    assert honeylink("pools", "check", key_file=key_file, **settings).returncode == 0
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert len(key_file.read_bytes()) == 32


def test_wrong_setting_stops_the_start(tmp_path: Path) -> None:
    check_one_line(honeylink("serve", data_dir=tmp_path, log_level="loud"), "HONEYLINK_LOG_LEVEL")
