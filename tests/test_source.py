"""The source itself: sizes, and the words of ARCHITECTURE.md's glossary instead of private ones."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
# One thing each, for the reason given.
LONG_FILES = {
    "python/honeylink/_native.pyi": "the docstrings of the native module",
    "python/honeylink/errors.py": "the tree of errors",
    "python/honeylink/store/sql/sessions.sql": "all statements about sessions",
}
# What not to write, as a pattern of whole words, and what to write.
WORDS = {
    "crowd(s|ed)?": "many clients, live sessions; load shedding",
    "the doors?": "admission gate",
    "let in|lets in": "admit",
    "rivals?": "contenders",
    "books?": "reservations; to reconcile",
    "the meaning": "reference implementation",
    "bad_at(_ns)?|is_signalling": "first_above_time, dropping (RFC 8289)",
    "mend(s|ed|ing)?": "fix",
    "spell(s|ed|ing)?|spelt": "generate, encode, write",
    "last words": "log tail",
    "ow(e|es|ed|ing)": "is due, charge",
    "reads itself out": "documents itself at /docs",
    "breathes?": "yield to the event loop",
    "heard": "received",
    "forget|forgets|forgotten": "invalidate, drop, remove",
    "find_rivals|Asked": "find_contenders, PendingSession",
}
NAMES = {"around": "parent or ancestors", "inside": "children or descendants", "beside": "siblings"}


def tracked(*patterns: str) -> list[Path]:
    found = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip("this is not a checkout")
    paths = [ROOT / name for name in found.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_file_is_too_long() -> None:
    source = tracked("python/*.py", "python/*.pyi", "python/*.sql", "benches/*.py", "rust/*/src/*.rs")
    lines = {relative(path): len(path.read_text().splitlines()) for path in source}
    long = {name for name, count in lines.items() if count > FILE_LINES_MAX}
    assert long == set(LONG_FILES), "a file past 400 lines is asking to be two things"


def test_no_function_is_too_long() -> None:
    def long(path: Path) -> Iterator[str]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count = (node.end_lineno or node.lineno) - node.lineno + 1
                if count > FUNCTION_LINES_MAX:
                    yield f"{relative(path)}:{node.lineno} {node.name}: {count} lines"

    assert [each for path in tracked("python/*.py", "benches/*.py") for each in long(path)] == []


def test_every_module_says_what_it_is_for() -> None:
    modules = tracked("python/*.py", "tests/test_*.py", "tests/*/test_*.py")
    silent = [path for path in modules if not ast.get_docstring(ast.parse(path.read_text()))]
    assert [relative(path) for path in silent] == []


@pytest.mark.parametrize(("word", "instead"), WORDS.items())
def test_words_are_those_of_the_glossary(word: str, instead: str) -> None:
    pattern = re.compile(rf"(?<![\w-])({word})(?![\w-])", re.IGNORECASE if word.islower() else 0)
    here = Path(__file__).name
    text = tracked("*.py", "*.pyi", "*.rs", "*.sql", "*.md", "*.toml", "Makefile")
    hits = [
        f"{relative(path)}:{number}: {line.strip()[:100]}"
        for path in text
        if path.name not in {here, "CHANGELOG.md"}
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert hits == [], f"write {instead}"


@pytest.mark.parametrize(("name", "instead"), NAMES.items())
def test_places_in_a_tree_have_their_names(name: str, instead: str) -> None:
    def hits(path: Path) -> Iterator[str]:
        for node in ast.walk(ast.parse(path.read_text())):
            found = {ast.Name: "id", ast.Attribute: "attr", ast.arg: "arg", ast.FunctionDef: "name"}.get(type(node))
            if found and name in getattr(node, found).split("_"):
                yield f"{relative(path)}:{getattr(node, 'lineno', 0)}"

    assert [each for path in tracked("python/*.py") for each in hits(path)] == [], f"write {instead}"
