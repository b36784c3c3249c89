"""The locks carry all that pyproject.toml asks for, each with hashes, and no address to fetch from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^(?P<name>[a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==(?P<version>\S+)(?P<rest>.*)$")
LOCKS = ["run", "dev", "wheel"]


def lock_lines(lock: str) -> list[str]:
    """Return the lock's requirements, each joined to one line, without comments."""
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def pins(lock: str) -> dict[str, set[str]]:
    """Return the versions pinned for each package; markers may split one package into several."""
    found: dict[str, set[str]] = {}
    for line in lock_lines(lock):
        match = PIN.match(line)
        assert match, f"{lock}.lock: not a pin: {line[:80]}"
        found.setdefault(match["name"], set()).add(match["version"])
    return found


def declared(*, extras: list[str], groups: list[str]) -> set[str]:
    """Return the normalised names that pyproject.toml asks for."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = list(pyproject["project"]["dependencies"]) if extras else []
    for extra in extras:
        wanted += pyproject["project"]["optional-dependencies"][extra]
    for group in groups:
        wanted += [entry for entry in pyproject["dependency-groups"][group] if isinstance(entry, str)]
    names = {re.split(r"[\[<>=;~! ]", requirement, maxsplit=1)[0] for requirement in wanted}
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names} - {"honeylink"}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    bare = [line[:60] for line in lock_lines(lock) if "--hash=sha256:" not in line]

    assert not bare


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")

    assert not re.search(r"://|--(extra-)?index-url|--find-links|file:| @ ", text)


@pytest.mark.parametrize(
    ("lock", "extras", "groups"),
    [
        ("run", ["server", "embedded"], ["build"]),
        ("dev", ["server", "embedded", "charts"], ["build", "dev"]),
        ("wheel", [], ["build", "wheel"]),
    ],
)
def test_a_lock_pins_what_pyproject_asks_for(lock: str, extras: list[str], groups: list[str]) -> None:
    missing = declared(extras=extras, groups=groups) - pins(lock).keys()

    assert not missing, "run `make lock`"


@pytest.mark.parametrize("lock", ["run", "wheel"])
def test_locks_agree_where_they_overlap(lock: str) -> None:
    development = pins("dev")
    differing = {
        name: (versions, development[name])
        for name, versions in pins(lock).items()
        if name in development and versions != development[name]
    }

    assert not differing, "run `make lock`"
