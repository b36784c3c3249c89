"""The source itself: sizes, names of modules, and the words of ARCHITECTURE.md's glossary instead of private ones."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
# One thing each, for the reason given.
LONG_FILES = {
    "python/honeylink/_native.pyi": "the docstrings of the native module",
    "python/honeylink/errors.py": "the tree of errors",
    "python/honeylink/store/sql/sessions.sql": "all statements about sessions",
}
# Names of modules that hold whatever found no other place.
MODULES = {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}
# What not to write, as a pattern of whole words in prose and names (`_` parts words too), and what to write.
WORDS = {
    "crowd(s|ed|ing)?": "many clients, a burst of requests, live sessions; load shedding",
    "the doors?": "admission gate",
    "lets? in": "admit, grant access",
    "rivals?": "contenders",
    "books?|balances": "reservations; to reconcile",
    "the meaning": "reference implementation",
    "bad_at|is_signalling": "first_above_time, dropping (RFC 8289)",
    "mend(s|ed|ing)?": "fix",
    "spell(s|ed|ing|ings)?|spelt": "generate, encode, write; the form of an id",
    "last words": "log tail",
    "ow(e|es|ed|ing)": "is due, charge",
    "reads itself out": "documents itself at /docs",
    "breath(e|es|ing)": "yield to the event loop",
    "heard|news": "received, told; invalidation, change",
    "forg(et|ets|etting|ot|otten)": "invalidate, drop, remove",
    "todo|fixme|xxx": "nothing: do it, or name it among CHANGELOG's known limits",
}
# Terms of the tree of pools and classes. A name of at most three words is a term, a longer one a sentence.
PLACES = {"around": "parent, ancestors", "inside": "children, descendants", "beside": "siblings"}
SENTENCE_WORDS_MIN = 4
# Directories of one machine, and hosts that answer from one network alone.
MACHINES = re.compile(
    r"(?<![\w.*])/(root|work|home/\w+|Users/\w+)/|//(10|192\.168|172\.(1[6-9]|2\d|3[01]))\.\d+|--index-url"
)


class Hit(NamedTuple):
    """A word in a file that is not the glossary's, and what to write."""

    path: str
    line: int
    word: str
    instead: str


# What of a line of Rust is no name of the program's.
RUST_PROSE = re.compile(r'//.*|"(?:\\.|[^"\\])*"')


@functools.cache
def tracked(*patterns: str) -> list[Path]:
    try:
        found = subprocess.run(
            ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is not a checkout")
    if not found.stdout:
        pytest.skip("this stands in a checkout of something else")
    return [path for path in (ROOT / name for name in found.stdout.split("\0") if name) if path.is_file()]


@functools.cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(text_of(path))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def python_functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function, and how many lines it has."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def python_names(path: Path) -> Iterator[tuple[str, int]]:
    """Each name of a variable, an attribute, an argument, a function or a class, and its line."""
    fields = {ast.Name: "id", ast.Attribute: "attr", ast.arg: "arg", ast.keyword: "arg"}
    fields |= dict.fromkeys((ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef), "name")
    for node in ast.walk(tree_of(path)):
        if name := getattr(node, fields.get(type(node), ""), None):
            yield name, node.lineno  # type: ignore[attr-defined]


def rust_names(path: Path) -> Iterator[tuple[str, int]]:
    """The same of Rust, where any word of the program is one."""
    for number, line in enumerate(text_of(path).splitlines(), 1):
        for match in re.finditer(r"[A-Za-z_]\w*", RUST_PROSE.sub("", line)):
            yield match[0], number


def told(hits: list[str], rule: str) -> str:
    return "\n".join([f"{rule}:", *hits])


def words_of(name: str) -> list[str]:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_").split("_")


def test_no_file_is_too_long() -> None:
    lines = {relative(path): len(text_of(path).splitlines()) for path in tracked("*.py", "*.pyi", "*.sql", "*.rs")}
    long = {name for name, count in lines.items() if count > FILE_LINES_MAX}
    assert long == set(LONG_FILES), f"past {FILE_LINES_MAX} lines a file is asking to be two things"


def test_no_function_is_too_long() -> None:
    """Of Python; clippy looks at those of Rust."""
    long = [
        f"{relative(path)}: {name}"
        for path in tracked("*.py")
        for name, lines in python_functions(path)
        if lines > FUNCTION_LINES_MAX
    ]
    assert not long, told(long, f"past {FUNCTION_LINES_MAX} lines a function is asking to be two things")


def test_every_module_says_what_it_is_for() -> None:
    silent = [path for path in tracked("*.py") if not ast.get_docstring(tree_of(path))]
    silent += [path for path in tracked("*.rs") if not re.search(r"^//!", text_of(path), re.MULTILINE)]
    assert not silent, told([relative(path) for path in silent], "say in its first lines what it is for")


def test_every_module_is_about_something() -> None:
    parts = {
        path: {*path.relative_to(ROOT).parts[:-1], path.stem} for path in tracked("*.py", "*.rs", "*.sql", "*.lua")
    }
    found = [relative(path) for path, names in parts.items() if names & MODULES]
    assert not found, told(found, "name a module for what it holds")


def prose() -> list[Path]:
    """All text that people write and read here, but history and this list of words."""
    written = ("*.py", "*.pyi", "*.rs", "*.sql", "*.lua", "*.md", "*.toml", "*.yml", "Makefile")
    return [path for path in tracked(*written) if path.name not in {Path(__file__).name, "CHANGELOG.md"}]


def private_words() -> Iterator[Hit]:
    # A term of several words may be one name.
    words = "|".join(f"(?P<_{number}>{word})" for number, word in enumerate(WORDS)).replace(" ", "[ _]")
    pattern = re.compile(rf"(?<![a-z0-9])({words})(?![a-z0-9])", re.IGNORECASE)
    for path in prose():
        # The file's name counts as its line 0.
        lines = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", f"{relative(path)}\n{text_of(path)}")
        for match in pattern.finditer(lines):
            instead = next(instead for number, instead in enumerate(WORDS.values()) if match[f"_{number}"])
            yield Hit(relative(path), lines.count("\n", 0, match.start()), match[0].lower(), instead)


def private_places() -> Iterator[Hit]:
    names = [(path, *each) for path in tracked("*.py") for each in python_names(path)]
    names += [(path, *each) for path in tracked("*.rs") for each in rust_names(path)]
    for path, name, line in names:
        if len(words := words_of(name)) < SENTENCE_WORDS_MIN:
            for word in PLACES.keys() & words:
                yield Hit(relative(path), line, word, PLACES[word])


def test_words_are_those_of_the_glossary() -> None:
    hits = sorted({*private_words(), *private_places()})
    lines = [f"{hit.path}:{hit.line}: {hit.word}: write {hit.instead}" for hit in hits]
    assert not hits, told(lines, "these words are not the glossary's")


def test_no_file_names_a_machine() -> None:
    written = [path for path in prose() + tracked("*.lock", "*.json") if MACHINES.search(text_of(path))]
    hits = [
        f"{relative(path)}:{number}: {line.strip()[:100]}"
        for path in written
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if MACHINES.search(line)
    ]
    assert not hits, told(hits, "a path or an address that holds on one machine alone")
