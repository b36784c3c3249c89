"""The Makefile installs a lock as it stands, whatever an index has beside it and whichever pip does it.

Each test runs the Makefile's own target on a small lock, and pip sees a directory of packages made here and no index.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Release:
    """A package's release: pure Python, without a module in it."""

    name: str
    version: str
    metadata: tuple[str, ...] = ()

    def write(self, directory: Path) -> str:
        """Write its wheel and return the wheel's SHA-256."""
        information = f"{self.name}-{self.version}.dist-info"
        identity = ("Metadata-Version: 2.1", f"Name: {self.name}", f"Version: {self.version}")
        files = {
            f"{information}/METADATA": "\n".join((*identity, *self.metadata, "")),
            f"{information}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        records = [f"{name},sha256={_record_digest(text)},{len(text)}" for name, text in files.items()]
        files[f"{information}/RECORD"] = "\n".join([*records, f"{information}/RECORD,,", ""])
        path = directory / f"{self.name}-{self.version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return hashlib.sha256(path.read_bytes()).hexdigest()


def _record_digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


APP = Release("app", "1.0", ("Requires-Dist: library[fast]>=1",))
LIBRARY = Release("library", "1.0", ("Provides-Extra: fast", 'Requires-Dist: engine>=1 ; extra == "fast"'))
ENGINE = Release("engine", "1.0")
# What came out after the lock was made.
NEWER = [Release(release.name, "2.0", release.metadata) for release in (APP, LIBRARY, ENGINE)]


class Checkout:
    """A directory with the project's Makefile, one lock, and packages to install from."""

    def __init__(self, path: Path, environment: Path) -> None:
        self.path = path
        self.index = path / "index"
        self.index.mkdir()
        for folder in ("requirements", "rust", "python"):
            (path / folder).mkdir()
        shutil.copy(ROOT / "Makefile", path)
        shutil.copy(ROOT / "Cargo.toml", path)
        shutil.copytree(environment, path / ".venv", symlinks=True)

    def pip(self, *arguments: str, offline: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the environment's pip; offline it finds the packages made here and nothing else."""
        return subprocess.run(
            [self.path / ".venv/bin/python", "-m", "pip", "--disable-pip-version-check", *arguments],
            env=self.environment() if offline else None,
            capture_output=True,
            text=True,
            check=True,
        )

    def environment(self) -> dict[str, str]:
        """The caller's, with pip kept to the packages made here."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "MFLAGS"))}
        return {**kept, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.index), "PIP_CONFIG_FILE": os.devnull}

    def offer(self, *releases: Release) -> None:
        """Put releases beside those of the lock."""
        for release in releases:
            release.write(self.index)

    def lock(self, *releases: Release, name: str = "run") -> None:
        """Pin releases, and offer them."""
        pins = [f"{each.name}=={each.version} --hash=sha256:{each.write(self.index)}\n" for each in releases]
        (self.path / f"requirements/{name}.lock").write_text("".join(pins), encoding="utf-8")

    def install(self, name: str = "run") -> subprocess.CompletedProcess[str]:
        """Install a lock as every target of the Makefile does."""
        return subprocess.run(
            ["make", f".venv/{name}.stamp"],
            cwd=self.path,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def installed(self) -> set[str]:
        """What the environment holds, as `name==version`."""
        lines = self.pip("list", "--format=freeze").stdout.splitlines()
        return {line for line in lines if not line.startswith(("pip==", "setuptools=="))}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the pip that this Python brings."""
    path = tmp_path_factory.mktemp("environment") / ".venv"
    venv.create(path, with_pip=True)
    return path


@pytest.fixture
def checkout(tmp_path: Path, environment: Path) -> Checkout:
    return Checkout(tmp_path, environment)


def assert_lock_is_kept(checkout: Checkout) -> None:
    checkout.lock(APP, LIBRARY, ENGINE)
    checkout.offer(*NEWER)

    answer = checkout.install()

    assert answer.returncode == 0, answer.stderr
    assert checkout.installed() == {"app==1.0", "library==1.0", "engine==1.0"}


def test_releases_newer_than_the_lock_change_nothing(checkout: Checkout) -> None:
    assert_lock_is_kept(checkout)


@pytest.mark.long
@pytest.mark.parametrize(
    "pip",
    [
        pytest.param(
            "pip==22.3",
            marks=pytest.mark.skipif(sys.version_info >= (3, 12), reason="that pip runs on no Python later than 3.11"),
        ),
        "pip",
    ],
    ids=["the first of Python 3.11", "the newest"],
)
def test_every_supported_pip_keeps_the_lock(checkout: Checkout, pip: str) -> None:
    checkout.pip("install", "--upgrade", pip, offline=False)

    assert_lock_is_kept(checkout)


def test_a_lock_that_lacks_a_package_is_refused(checkout: Checkout) -> None:
    checkout.lock(APP, ENGINE)
    checkout.offer(LIBRARY)

    answer = checkout.install()

    assert answer.returncode != 0
    assert "app 1.0 requires library" in answer.stderr
    assert not (checkout.path / ".venv/run.stamp").exists()


def test_locks_that_change_together_are_checked_together(checkout: Checkout) -> None:
    checkout.lock(LIBRARY, ENGINE)
    checkout.lock(Release("tool", "1.0", ("Requires-Dist: library<2",)), name="dev")
    first = checkout.install("dev")
    for name in ("run", "dev"):
        # Some shells compare times by the second.
        os.utime(checkout.path / f".venv/{name}.stamp", (0, 0))
    checkout.lock(Release("library", "2.0"), ENGINE)
    checkout.lock(Release("tool", "2.0", ("Requires-Dist: library>=2",)), name="dev")

    second = checkout.install("dev")

    assert first.returncode == 0, first.stderr
    assert second.returncode == 0, second.stderr
    assert checkout.installed() == {"library==2.0", "tool==2.0", "engine==1.0"}


def test_a_package_that_is_not_the_one_that_was_locked_is_refused(checkout: Checkout) -> None:
    checkout.lock(ENGINE)
    checkout.offer(Release(ENGINE.name, ENGINE.version, ("Summary: another",)))

    answer = checkout.install()

    assert answer.returncode != 0
    assert "do not match the hashes" in answer.stderr.lower()
    assert not checkout.installed()
