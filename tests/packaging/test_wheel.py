"""The files of `make wheel`, installed as a stranger would: an empty environment, no compiler, no checkout.

The tests read the directory that `WHEEL_DIR` names: `make test-wheel` packs what was compiled for the other tests, and
`make wheel` builds from the sdist what can be given out.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheel

ROOT = Path(__file__).parents[2]
WHEEL_DIR = ROOT / os.environ.get("WHEEL_DIR", "dist")
LICENSES = {"LICENSE-APACHE", "LICENSE-MIT"}
# What pip needs to reach an index through a proxy, and Windows to start a program at all.
KEPT = ("PIP_", "SSL_", "HTTPS_", "https_", "SYSTEMROOT")


def built(pattern: str) -> Path:
    """Return the one built file that matches."""
    found = list(WHEEL_DIR.glob(pattern))
    assert len(found) == 1, f"expected one {pattern} in {WHEEL_DIR}, found {len(found)}: run `make wheel`"
    return found[0]


@pytest.fixture(scope="module")
def wheel() -> Path:
    return built("*.whl")


@pytest.fixture(scope="module")
def sdist() -> Path:
    return built("*.tar.gz")


class Environment:
    """A virtual environment whose commands see nothing but itself: no toolchain, no checkout, no settings."""

    def __init__(self, path: Path) -> None:
        venv.create(path, with_pip=True)
        self.bin = path / ("Scripts" if os.name == "nt" else "bin")
        self.home = path.parent

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the environment's commands and return how it ended."""
        kept = {name: value for name, value in os.environ.items() if name.startswith(KEPT)}
        return subprocess.run(
            [self.bin / command, *arguments],
            env={**kept, "PATH": str(self.bin), "HOME": str(self.home)},
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("stranger") / "venv")
    answer = environment.run("python", "-m", "pip", "install", "--only-binary", ":all:", str(wheel))
    assert answer.returncode == 0, answer.stderr
    return environment


def test_one_wheel_serves_every_python(wheel: Path) -> None:
    python, abi, _ = wheel.stem.split("-")[-3:]

    assert (python, abi) == ("cp311", "abi3")


@pytest.mark.skipif(
    sys.platform != "linux" or WHEEL_DIR.name != "dist" or WHEEL_DIR.parent != ROOT,
    reason="only what `make wheel` builds, on Linux, is promised to be manylinux",
)
def test_the_wheel_needs_no_newer_glibc_than_it_says(wheel: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", str(wheel)], capture_output=True, text=True, check=True
    )

    assert "manylinux_2_17" in wheel.name
    assert re.search(r'following\s+platform tag:\s+"manylinux_2_(5|12|17)_', answer.stdout), answer.stdout


def test_the_wheel_holds_the_typed_package_and_no_sources_of_ours(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {
        path.relative_to(ROOT / "python").as_posix()
        for path in (ROOT / "python/honeylink").rglob("*")
        if path.suffix in {".py", ".pyi", ".sql", ".toml", ".typed"} or path.name == "py.typed"
    }

    assert package <= names
    assert {name.rpartition("/")[2] for name in names} >= LICENSES
    assert not [name for name in names if name.startswith(("tests/", "benches/")) or name.endswith(".rs")]


def test_the_sdist_holds_all_that_a_build_needs(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "rust").rglob("src/**/*.rs")
        if not {"target", "fec-kit"} & set(path.relative_to(ROOT).parts)  # the kit is for benchmarks alone
    }

    assert {"Cargo.toml", "Cargo.lock", "README.md", "pyproject.toml", "PKG-INFO"} <= names
    assert names >= LICENSES
    assert sources <= names
    assert not [name for name in names if name.endswith((".so", ".pyd", ".pyc"))]


def test_only_numpy_comes_along(installed: Environment) -> None:
    answer = installed.run("python", "-m", "pip", "list", "--format=freeze")
    names = {line.partition("==")[0] for line in answer.stdout.splitlines()}

    assert names - {"pip", "setuptools"} == {"honeylink", "numpy"}


@pytest.mark.parametrize("module", ["honeylink.fec", "honeylink.scheduler"])
def test_the_library_imports(installed: Environment, module: str) -> None:
    answer = installed.run("python", "-c", f"import {module}")

    assert answer.returncode == 0, answer.stderr


def test_the_command_tells_its_version(installed: Environment, wheel: Path) -> None:
    answer = installed.run("honeylink", "version")

    assert answer.returncode == 0, answer.stderr
    assert wheel.name.split("-")[1] in answer.stdout


def test_the_codec_can_be_measured(installed: Environment) -> None:
    answer = installed.run("honeylink", "bench", "fec", "--quick", "--json", "--codes", "3+2", "--sizes", "64")

    assert answer.returncode == 0, answer.stderr
    assert {row["package"] for row in json.loads(answer.stdout)["results"]} == {"honeylink"}


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["serve"], "server,embedded"),
        (["link", "simulate", "halved"], "simulate"),
        (["bench", "fec", "--chart", "fec.svg"], "charts"),
    ],
)
def test_a_command_without_its_extra_says_what_to_install(
    installed: Environment, arguments: list[str], extra: str
) -> None:
    answer = installed.run("honeylink", *arguments)

    assert answer.returncode != 0
    assert f"pip install 'honeylink[{extra}]'" in " ".join(answer.stderr.split())
    assert "Traceback" not in answer.stderr


def test_every_command_has_help_without_its_extra(installed: Environment) -> None:
    answer = installed.run("honeylink", "serve", "--help")

    assert answer.returncode == 0, answer.stderr
    assert "--workers" in answer.stdout


def test_a_link_is_simulated_and_drawn_with_the_extras(wheel: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "venv")
    answer = environment.run("python", "-m", "pip", "install", "--only-binary", ":all:", f"{wheel}[simulate,charts]")
    assert answer.returncode == 0, answer.stderr

    answer = environment.run("honeylink", "link", "simulate", "halved", "--json", "--chart", "link.svg")

    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["link_kbps"]
    assert "<svg" in (environment.home / "link.svg").read_text(encoding="utf-8")
