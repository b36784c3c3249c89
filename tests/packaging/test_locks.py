"""The locks carry all that pyproject.toml asks for and all that follows from it, with hashes and without an address.

What a release asks for is known from its metadata where it is installed here, and else from the comments that uv leaves
in the lock: these show that a package is missing which others stand on. One that nothing stands on, of a lock that is
not installed, is missed when it is installed: the Makefile asks `pip check`.
"""

import importlib.metadata
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
# The extras and groups that each lock is made from.
LOCKS = {
    "run": (["server", "embedded"], ["build"]),
    "dev": (["server", "embedded", "charts"], ["build", "dev"]),
    "wheel": ([], ["build", "wheel"]),
    "mutants": ([], ["mutants"]),
    "uv": ([], ["lock"]),
}
PROJECT = "honeylink"


@dataclass(frozen=True)
class Pin:
    """One line of a lock: a version, and on which machines it is installed."""

    name: str
    version: str
    marker: Marker | None

    def applies_to(self, machine: dict[str, str]) -> bool:
        """Whether it is installed on such a machine."""
        return self.marker is None or self.marker.evaluate(machine)


def lock_lines(lock: str) -> list[str]:
    """Return the lock's requirements, each joined to one line, without comments."""
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def pins(lock: str) -> list[Pin]:
    """Return what a lock pins; markers may split one package into several."""
    found = []
    for line in lock_lines(lock):
        requirement = Requirement(line.partition("--hash")[0].strip())
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", f"{lock}.lock: not a pin: {line[:80]}"
        found.append(Pin(canonicalize_name(requirement.name), specifier.version, requirement.marker))
    return found


def parents(lock: str) -> dict[str, set[str]]:
    """Return who asks for each package, as uv's comments tell: other packages, or the project."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8").splitlines():
        if pinned := re.match(r"([\w.-]+)==", line):
            asking = found.setdefault(canonicalize_name(pinned[1]), set())
        elif parent := re.match(r" +# (?:via|  ) ?([\w.-]+)", line):
            # A line of `-c` names a lock that limits the version, and asks for nothing.
            asking |= {canonicalize_name(parent[1])} - {"-c"}
    return found


def versions(lock: str) -> dict[str, set[str]]:
    """Return the versions pinned for each package."""
    found: dict[str, set[str]] = {}
    for pin in pins(lock):
        found.setdefault(pin.name, set()).add(pin.version)
    return found


def declared(extras: list[str], groups: list[str]) -> list[Requirement]:
    """Return what pyproject.toml asks for."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = list(pyproject["project"]["dependencies"]) if extras else []
    for extra in extras:
        wanted += pyproject["project"]["optional-dependencies"][extra]
    for group in groups:
        wanted += [entry for entry in pyproject["dependency-groups"][group] if isinstance(entry, str)]
    return [each for each in map(Requirement, wanted) if each.name != PROJECT]


def machine(python: str, system: str) -> dict[str, str]:
    """Return the markers' environment of a machine with that Python and operating system."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": system,
        "platform_system": {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[system],
        "os_name": "nt" if system == "win32" else "posix",
        "platform_machine": "arm64" if system == "darwin" else "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }


MACHINES = [
    machine(python, system) for python in ("3.11", "3.12", "3.13", "3.14") for system in ("linux", "darwin", "win32")
]


def installed_version(pin: Pin) -> Version | None:
    """Return which release of a package is installed here."""
    try:
        return Version(importlib.metadata.version(pin.name))
    except importlib.metadata.PackageNotFoundError:
        return None


def is_installed(lock: str) -> bool:
    """Whether the Makefile has installed a lock as it is now; tests can't run without the first two."""
    stamp = Path(sys.prefix, f"{lock}.stamp")
    written = (ROOT / "requirements" / f"{lock}.lock").stat().st_mtime
    return lock in {"run", "dev"} or (stamp.exists() and stamp.stat().st_mtime >= written)


def requirements_of(pin: Pin) -> list[Requirement]:
    """Return what a pinned release asks for, as its own metadata says; nothing if another release is installed here."""
    if installed_version(pin) != Version(pin.version):
        return []
    return [Requirement(text) for text in importlib.metadata.requires(pin.name) or []]


def unmet(pinned: list[Pin], wanted: list[Requirement], environment: dict[str, str]) -> set[str]:
    """Return which requirements no pin meets on a machine, those of each package with each of its extras too."""
    here = {pin.name: pin for pin in pinned if pin.applies_to(environment)}
    found: set[str] = set()
    seen: set[str] = set()
    queue = [(requirement, "") for requirement in wanted]
    while queue:
        requirement, extra = queue.pop()
        applies = requirement.marker is None or requirement.marker.evaluate({**environment, "extra": extra})
        if not applies or str(requirement) in seen:
            continue
        seen.add(str(requirement))
        pin = here.get(canonicalize_name(requirement.name))
        if pin is None or not requirement.specifier.contains(pin.version, prereleases=True):
            found.add(requirement.name)
            continue
        queue += [(each, extra) for each in requirements_of(pin) for extra in ("", *requirement.extras)]
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    bare = [line[:60] for line in lock_lines(lock) if "--hash=sha256:" not in line]

    assert not bare


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")

    assert not re.search(r"://|--(extra-)?index-url|--find-links|file:| @ ", text)


@pytest.mark.parametrize("environment", MACHINES, ids=lambda each: f"{each['sys_platform']}-{each['python_version']}")
@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_complete(lock: str, environment: dict[str, str]) -> None:
    missing = unmet(pins(lock), declared(*LOCKS[lock]), environment)

    assert not missing, "run `make lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_all_that_asks_for_a_pin_is_pinned_or_declared(lock: str) -> None:
    asked_by = parents(lock)
    orphans = {name for name, asking in asked_by.items() if not asking}
    missing = set().union(*asked_by.values()) - asked_by.keys() - {PROJECT}
    undeclared = {name for name, asking in asked_by.items() if PROJECT in asking} - {
        canonicalize_name(each.name) for each in declared(*LOCKS[lock])
    }

    assert asked_by.keys() == versions(lock).keys()
    assert not orphans | missing | undeclared, "run `make lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_what_is_installed_is_what_is_pinned(lock: str) -> None:
    """Else the pins' metadata is not known, and the test that a lock is complete sees nothing."""
    if not is_installed(lock):
        pytest.skip(f"{lock}.lock is not installed")
    environment = {name: str(value) for name, value in default_environment().items()}
    found = {pin.name: installed_version(pin) for pin in pins(lock) if pin.applies_to(environment)}
    pinned = {pin.name: Version(pin.version) for pin in pins(lock) if pin.applies_to(environment)}

    assert found == pinned, f"run `rm {sys.prefix}/{lock}.stamp` and the target anew"


def test_what_only_an_extra_asks_for_is_missed() -> None:
    # By sqlalchemy[asyncio] alone.
    without = [pin for pin in pins("run") if pin.name != "greenlet"]

    assert unmet(without, declared(["server"], []), machine("3.11", "linux")) == {"greenlet"}


@pytest.mark.parametrize("lock", ["run", "wheel", "mutants"])
def test_locks_agree_where_they_overlap(lock: str) -> None:
    development = versions("dev")
    differing = {
        name: (found, development[name])
        for name, found in versions(lock).items()
        if name in development and found != development[name]
    }

    assert not differing, "run `make lock`"
