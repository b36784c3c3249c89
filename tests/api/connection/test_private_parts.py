"""Which modules use parts of uvicorn that its documentation does not have."""

from __future__ import annotations

import ast
from pathlib import Path

import honeylink

PACKAGE = Path(honeylink.__file__).parent


def private_modules(path: Path) -> set[str]:
    """The submodules of uvicorn that a module imports when it runs: what is for types alone is mypy's to check."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        each
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for each in ast.walk(block)
    }
    imported = {
        each.module or "" for each in ast.walk(tree) if isinstance(each, ast.ImportFrom) and each not in for_types
    }
    return {module for module in imported if module.startswith("uvicorn.")}


def test_uvicorn_s_private_parts_are_imported_in_one_module() -> None:
    using = {path.name for path in PACKAGE.rglob("*.py") if private_modules(path)}
    assert using == {"exchange.py"}, "import it in exchange.py, where tests/api/connection/test_protocol.py watches it"
