"""The pages of `docs/` that are about the library: what they show is run as it stands there."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from honeylink.cli.link.scenario import SHIPPED, load
from honeylink.cli.link.simulation import simulate
from honeylink.cli.parser import parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs/fec.md", ROOT / "docs/link.md"]


class Block(NamedTuple):
    """A fenced block, and the line it starts in."""

    line: int
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(text.count("\n", 0, match.start()) + 1, match[1], match[2]) for match in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_runs_and_prints_what_is_shown(page: Path) -> None:
    """From top to bottom, in one namespace; a block of text is what the one before it prints."""
    names: dict[str, object] = {}
    printed = ""
    for block in blocks(page):
        if block.language == "text":
            assert block.text == printed, f"{page.name}:{block.line}"
        printed = ""
        if block.language == "python":
            # Padded, so that a traceback names the page's own lines.
            code = compile("\n" * block.line + block.text, str(page), "exec")
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(code, names)
            printed = output.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_such_as_there_are(page: Path) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    commands = [line for block in blocks(page) if block.language == "sh" for line in block.text.splitlines()]
    assert commands
    for command in commands:
        match shlex.split(command):
            case ["honeylink", *arguments]:
                scenario = getattr(parser().parse_args(without_output(arguments)), "scenario", None)
                assert scenario is None or scenario in SHIPPED
            case ["pip", "install", package]:
                assert package.partition("[")[0] == "honeylink"
            case _:
                pytest.fail(f"expected honeylink or pip, found {command}")
    asked = re.findall(r"honeylink\[([\w,]+)\]", page.read_text("utf-8"))
    assert {extra for each in asked for extra in each.split(",")} <= extras.keys()


def without_output(arguments: list[str]) -> list[str]:
    return arguments[: arguments.index(">")] if ">" in arguments else arguments


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_scenarios_can_be_simulated(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.language == "toml":
            path = tmp_path / "scenario.toml"
            path.write_text(block.text, encoding="utf-8")
            assert simulate(load(str(path)), lambda part, what: None).streams, f"{page.name}:{block.line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_of_a_kind_that_is_tested(page: Path) -> None:
    fences = re.findall(r"^```.*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert {block.language for block in blocks(page)} <= {"python", "text", "sh", "toml"}
    assert len(fences) == 2 * len(blocks(page))
