"""The public face: `__all__`, the examples, and docstrings that go from the stub to the binary."""

from __future__ import annotations

import ast
import doctest
import inspect
import typing
from operator import attrgetter
from pathlib import Path

import pytest

import honeylink
from honeylink import _native, fec, scheduler

STUB = Path(honeylink.__file__).with_name("_native.pyi")


@pytest.mark.parametrize("module", [fec, scheduler])
def test_all_is_true(module: object) -> None:
    names = module.__all__  # type: ignore[attr-defined]
    foreign = {"annotations", *vars(typing)}
    public = {name for name, value in vars(module).items() if not name.startswith("_") and not inspect.ismodule(value)}
    public -= foreign
    assert set(names) == public
    assert names == sorted(names)


@pytest.mark.parametrize("module", [fec, scheduler, _native])
def test_examples_run(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted > 0
    assert result.failed == 0


def test_each_public_name_has_an_example() -> None:
    for module in (fec, scheduler):
        for name in module.__all__:
            assert ">>> " in (getattr(module, name).__doc__ or ""), name


def stub_docstrings() -> dict[str, str | None]:
    tree = ast.parse(STUB.read_text("utf-8"))
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name[0] != "_":
            found[node.name] = ast.get_docstring(node)
            members = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name[0] != "_"]
            found |= {f"{node.name}.{member.name}": ast.get_docstring(member) for member in members}
        elif isinstance(node, ast.FunctionDef):
            found[node.name] = ast.get_docstring(node)
    return found


@pytest.mark.parametrize(("name", "docstring"), stub_docstrings().items())
def test_the_binary_has_the_docstrings_of_the_stub(name: str, docstring: str | None) -> None:
    assert docstring
    assert docstring == inspect.cleandoc(attrgetter(name)(_native).__doc__)


def test_the_version_is_that_of_the_binary() -> None:
    assert honeylink.__version__ == _native.__version__
