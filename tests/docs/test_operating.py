"""`docs/operating.md`: its table of roles is the policy, and the commands that it shows work."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from honeylink.domain.access import _ALLOWED, Permission, Role
from tests.conftest import PUBLIC_KEY
from tests.operations.processes import honeylink, new_device, serving

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = (Path(__file__).parents[2] / "docs/operating.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def commands(text: str) -> list[list[str]]:
    """Each command of the section's shell blocks, as its words."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def test_roles_are_those_of_the_policy() -> None:
    header, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section("Tokens and roles").splitlines()
        if line.startswith("|")
    ]
    roles = [Role(cell.strip("`")) for cell in header[1:]]
    shown = {(role, row[0]) for row in rows for role, cell in zip(roles, row[1:], strict=True) if cell}
    assert {row[0] for row in rows} == {permission.value for permission in Permission}
    assert shown == {(role, permission.value) for role in Role for permission in _ALLOWED[role]}
    of_device = roles.index(Role.DEVICE) + 1
    assert {row[of_device] for row in rows} == {"", "itself", "its own"}


def test_commands_about_tokens_and_pools_work(tmp_path: Path, new_database: Callable[[], str]) -> None:
    settings = {"database_dsn": new_database(), "data_dir": tmp_path}
    tokens: dict[str, str] = {}
    for program, *arguments in commands(section("Tokens and roles")):
        assert program == "honeylink"
        ran = honeylink(*arguments, **settings)
        assert ran.returncode == 0, ran.stderr
        answer = json.loads(ran.stdout)
        tokens[f"{answer.get('role', '').upper()}_TOKEN"] = answer.get("token", "")
    with serving(tmp_path / "run", **settings) as served:
        with served.client(tokens["OPERATOR_TOKEN"]) as operator:
            new_device(operator, "device-1", PUBLIC_KEY)
        shown = commands(section("Pools"))
        assert len(shown) == 3
        for words in shown:
            answer = curl(words, tokens, served.url)
            assert answer.status_code == 200, answer.text


def curl(words: list[str], variables: dict[str, str], url: str) -> httpx.Response:
    """Do what a line of curl says."""
    method, headers, content, address = "GET", {}, None, ""
    assert words[:2] == ["curl", "-s"]
    rest = iter(words[2:])
    for word in rest:
        match word:
            case "-X":
                method = next(rest)
            case "-H":
                name, _, value = next(rest).partition(": ")
                headers[name] = re.sub(r"\$(\w+)", lambda found: variables[found[1]], value)
            case "-d":
                content = next(rest)
            case _:
                address = word.replace("http://127.0.0.1:8700", url)
    return httpx.request(method, address, headers=headers, content=content, timeout=30)
