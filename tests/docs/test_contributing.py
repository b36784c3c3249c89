"""`CONTRIBUTING.md`: the files that its walk-throughs name are there, and hold the names that they are said to hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
GUIDE = PAGE.partition("\n## Five common changes\n")[2].partition("\n## ")[0]
CHANGES = {title: text for title, _, text in (each.partition("\n") for each in GUIDE.split("\n### ")[1:])}
PATH = re.compile(r"(?:[\w.<>*-]+/)*[\w.<>*-]+\.(?:py|pyi|sql|rs|md|toml)|(?:[\w-]+/)+[\w-]*")


class Step(NamedTuple):
    """A numbered line: the files to change, and the names that it says are in each."""

    number: int
    paths: list[str]
    names: list[str]


def code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def steps(change: str) -> list[Step]:
    found = re.findall(r"^(\d+)\. (`[^:]+`): (.+)$", CHANGES[change], re.MULTILINE)
    return [Step(int(number), code(paths), code(said)) for number, paths, said in found]


def files(path: str) -> list[Path]:
    """What a path stands for; `NNNN` and `<kind>` for whatever there is."""
    pattern = re.sub(r"<\w+>", "*", path.replace("NNNN", "[0-9][0-9][0-9][0-9]"))
    return [each for base in (ROOT, ROOT / "python/honeylink") for each in base.glob(pattern)]


STEPS = [pytest.param(step, id=f"{change}-{step.number}") for change in CHANGES for step in steps(change)]


def test_there_are_five_changes_with_their_steps_in_order() -> None:
    assert len(CHANGES) == 5
    for change, text in CHANGES.items():
        numbered = re.findall(r"^\d+\.", text, re.MULTILINE)
        assert [step.number for step in steps(change)] == list(range(1, len(numbered) + 1)), change
        assert numbered, change


@pytest.mark.parametrize("step", STEPS)
def test_the_files_of_a_step_exist_and_have_the_names_said_of_them(step: Step) -> None:
    for path in step.paths:
        found = files(path)
        assert found, f"{path}: expected a file, found none"
        text = "\n".join(each.read_text(encoding="utf-8") for each in found)
        missing = [name for name in step.names if name not in text]
        assert not missing, f"{path}: expected these names in it: {missing}"


def test_all_other_files_named_exist() -> None:
    missing = [path for path in code(GUIDE) if PATH.fullmatch(path) and not files(path)]
    assert not missing
