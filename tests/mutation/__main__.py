"""`make mutants`: change the code in small ways and see whether the tests that mirror it notice.

For Python mutmut makes the mutants, for Rust cargo-mutants. Each area is tried by the tests that stand beside it in the
tree, since a rule that only a distant test holds is not held for long. Exits with 1 if in an area fewer than 90 % are
found, or if a sample shows that fewer would be. What is left over is shown: kill it by a test, or rewrite the code so
that the mutant does not exist.

Not tried, since mutmut leaves them out, is what runs at import or stands behind a decorator other than `property`,
`classmethod` and `staticmethod`: tables and constants of modules (the permissions of roles in `domain/access.py`, say),
fields and their defaults, members of enumerations, and `asynccontextmanager`s. Tests name what these hold one by one.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.score import Score

ROOT = Path(__file__).parents[2]
STAGE = ROOT / "build" / "mutants"
# As `mutmut results` calls them. A mutant that hangs its tests is found; one that no test reaches is not.
FOUND = {"killed", "timeout", "caught by type check"}


@dataclass(frozen=True)
class Area:
    """Modules, and the tests that must notice when they change."""

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]


AREAS = (
    Area("keys", ("keys/*",), ("tests/keys",)),
    Area(
        "admission",
        ("domain/admission.py", "domain/pools.py"),
        ("tests/domain/test_admission.py", "tests/domain/test_pools.py"),
    ),
    Area("access", ("domain/access.py", "domain/tokens.py", "domain/paging.py"), ("tests/domain",)),
    Area(
        "audit",
        ("services/access.py", "services/audit.py", "domain/audit.py"),
        ("tests/services/test_access.py", "tests/services/test_audit.py"),
    ),
    Area(
        "sessions",
        ("services/sessions.py", "services/opening.py", "services/group_commit.py"),
        (
            "tests/services/test_sessions.py",
            "tests/services/test_opening.py",
            "tests/services/test_group_commit.py",
            "tests/services/test_victims.py",
            # What ends a session is a route and little more, and has its tests there.
            "tests/api/sessions/test_sessions.py",
            "tests/api/sessions/test_stored_sessions.py",
        ),
    ),
    Area("load", ("services/load_shedding/*.py",), ("tests/services/load_shedding",)),
)


@dataclass(frozen=True)
class RustArea:
    """Sources of a crate, tried by the crate's tests."""

    name: str
    package: str
    sources: str


RUST_AREAS = (
    RustArea("planner", "honeylink-scheduler", "rust/scheduler/src/admission/**"),
    RustArea("link", "honeylink-scheduler", "rust/scheduler/src/link/**"),
    RustArea("packets", "honeylink-fec", "rust/fec/src/packet/**"),
    RustArea("opening", "honeylink-sessions", "rust/sessions/src/**"),
)


def try_python(area: Area, sample: int | None, seed: int) -> Score:
    """Try an area's mutants, or a sample of them, on a copy of the tree."""
    stage = STAGE / area.name
    shutil.rmtree(stage, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    # mutmut takes src/ for the root of modules.
    shutil.copytree(ROOT / "python", stage / "src", ignore=ignored)
    shutil.copytree(ROOT / "tests", stage / "tests", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", stage)
    for pattern in area.modules:
        for module in (stage / "src/honeylink").glob(pattern):
            module.write_text(with_plain_getters(module.read_text(encoding="utf-8")), encoding="utf-8")
    settings = {
        "source_paths": ("src/",),
        "only_mutate": tuple(f"src/honeylink/{pattern}" for pattern in area.modules),
        "pytest_add_cli_args_test_selection": area.tests,
        "pytest_add_cli_args": ("-p", "no:benchmark", "-p", "no:cacheprovider"),
    }
    lines = ["[mutmut]"]
    for name, values in settings.items():
        lines += [f"{name}=", *(f"    {value}" for value in values)]
    (stage / "setup.cfg").write_text("\n".join([*lines, ""]), encoding="utf-8")
    # Nothing has that name, so this makes the mutants, learns which tests reach them, and tries none.
    _mutmut(stage, "run", "--max-children", "1", _NO_MUTANT, may_fail=True)
    names = sorted(_results(stage))
    chosen = sorted(random.Random(seed).sample(names, min(sample or len(names), len(names))))
    print(f"{area.name}: {len(chosen)} of {len(names)} mutants of {', '.join(area.modules)}", flush=True)
    if not chosen:
        return Score(area.name, 0, ())
    # Without a name mutmut would try all.
    _mutmut(stage, "run", "--max-children", "1", *chosen)
    results = _results(stage)
    survivors = [name for name in chosen if results[name] not in FOUND]
    shown = tuple(f"{results[name]} {_difference(stage, name)}" for name in survivors)
    return Score(area.name, len(chosen), shown, is_sample=len(chosen) < len(names))


def with_plain_getters(source: str) -> str:
    """Write each `@property` as a method behind `name = property(...)`: mutmut changes no decorated function."""
    lines = source.splitlines()
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef) or function.end_lineno is None:
            continue
        if [ast.unparse(decorator) for decorator in function.decorator_list] != ["property"]:
            continue
        # No line is added or taken, so that what is left to find stays where it was parsed.
        lines[function.decorator_list[0].lineno - 1] = ""
        definition = lines[function.lineno - 1]
        lines[function.lineno - 1] = definition.replace(f"def {function.name}(", f"def get_{function.name}(", 1)
        indent = " " * function.col_offset
        lines[function.end_lineno - 1] += f"\n{indent}{function.name} = property(get_{function.name})"
    return "\n".join([*lines, ""])


_NO_MUTANT = "none"


def _results(stage: Path) -> dict[str, str]:
    lines = _mutmut(stage, "results", "--all", "true").splitlines()
    return dict(line.strip().rsplit(": ", 1) for line in lines if "__mutmut_" in line)


def _difference(stage: Path, name: str) -> str:
    shown = _mutmut(stage, "show", name).splitlines()
    changed = [line for line in shown if line.startswith(("-", "+")) and not line.startswith(("---", "+++"))]
    return "\n    ".join([name, *changed])


def _mutmut(stage: Path, *arguments: str, may_fail: bool = False) -> str:
    answer = subprocess.run(
        [Path(sys.executable).with_name("mutmut"), *arguments], cwd=stage, capture_output=True, text=True, check=False
    )
    if answer.returncode and not may_fail:
        sys.exit(f"mutmut {arguments[0]} failed in {stage}:\n{answer.stdout[-4000:]}{answer.stderr[-2000:]}")
    return answer.stdout


def try_rust(area: RustArea, sample: int | None, seed: int) -> Score:
    """Try an area's mutants: each takes a build, so that a sample is what there is time for."""
    command = [os.environ["CARGO_MUTANTS"], "mutants", "--package", area.package, "--file", area.sources]
    command += ["--no-shuffle", "--colors", "never"]
    listed = subprocess.run([*command, "--list"], cwd=ROOT, capture_output=True, text=True, check=True)
    found = listed.stdout.splitlines()
    shards = max(len(found) // sample, 1) if sample else 1
    shard = f"{seed % shards}/{shards}"
    print(f"{area.name}: shard {shard} of {len(found)} mutants of {area.sources}", flush=True)
    if not found:
        return Score(area.name, 0, ())
    out = STAGE / area.name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    subprocess.run(
        [*command, "--shard", shard, "--output", out, "--jobs", "1"], cwd=ROOT, stdout=subprocess.DEVNULL, check=False
    )
    outcomes = json.loads((out / "mutants.out/outcomes.json").read_text(encoding="utf-8"))
    if outcomes["outcomes"][0]["summary"] != "Success":
        sys.exit(f"the tests of {area.package} fail without a mutant: see {out}/mutants.out/log")
    missed = (out / "mutants.out/missed.txt").read_text(encoding="utf-8").splitlines()
    # One that does not compile tells nothing about the tests.
    return Score(area.name, outcomes["total_mutants"] - outcomes["unviable"], tuple(missed), is_sample=shards > 1)


def main() -> int:
    """Try what the arguments say."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    known = [area.name for area in (*AREAS, *RUST_AREAS)]
    parser.add_argument("areas", nargs="*", default=known)
    parser.add_argument("--sample", type=int, help="how many mutants of each area, drawn by --seed; all if not given")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if unknown := set(asked.areas) - set(known):
        parser.error(f"no such area: {', '.join(sorted(unknown))}")
    scores = [try_python(area, asked.sample, asked.seed) for area in AREAS if area.name in asked.areas]
    scores += [try_rust(area, asked.sample, asked.seed) for area in RUST_AREAS if area.name in asked.areas]
    print(f"mutants drawn by seed {asked.seed}" if asked.sample else "all mutants tried")
    for score in scores:
        score.tell()
    return int(any(score.fault for score in scores))


if __name__ == "__main__":
    sys.exit(main())
