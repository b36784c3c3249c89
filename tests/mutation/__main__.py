"""`make mutants`: change the code in small ways and see whether the tests that mirror it notice.

For Python mutmut makes the mutants, for Rust cargo-mutants. Each area is tried by the tests that stand beside it in the
tree, since a rule that only a distant test holds is not held for long. Exits with 1 if in an area fewer than 90 % are
found, or if a sample shows that fewer would be. What is left over is shown: kill it by a test, or rewrite the code so
that the mutant does not exist.
"""

from __future__ import annotations

import argparse
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


def try_rust(sample: int | None, seed: int) -> Score:
    """Try mutants of the admission planner: each takes a build, so that a sample is what there is time for."""
    found = subprocess.run(
        [os.environ["CARGO_MUTANTS"], "mutants", *_RUST_SCOPE, "--list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    shards = max(len(found) // sample, 1) if sample else 1
    shard = f"{seed % shards}/{shards}"
    print(f"planner: shard {shard} of {len(found)} mutants of {_RUST_SOURCE}", flush=True)
    out = STAGE / "rust"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    subprocess.run(
        [os.environ["CARGO_MUTANTS"], "mutants", *_RUST_SCOPE, "--shard", shard, "--output", out, "--jobs", "1"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    outcomes = json.loads((out / "mutants.out/outcomes.json").read_text(encoding="utf-8"))
    if outcomes["outcomes"][0]["summary"] != "Success":
        sys.exit(f"the tests of honeylink-scheduler fail without a mutant: see {out}/mutants.out/log")
    missed = (out / "mutants.out/missed.txt").read_text(encoding="utf-8").splitlines()
    # One that does not compile tells nothing about the tests.
    return Score("planner", outcomes["total_mutants"] - outcomes["unviable"], tuple(missed), is_sample=shards > 1)


_RUST_SOURCE = "rust/scheduler/src/admission/**"
_RUST_SCOPE = ("--package", "honeylink-scheduler", "--file", _RUST_SOURCE, "--no-shuffle", "--colors", "never")


def main() -> int:
    """Try what the arguments say."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("areas", nargs="*", default=[*(area.name for area in AREAS), "planner"])
    parser.add_argument("--sample", type=int, help="how many mutants of each area, drawn by --seed; all if not given")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if unknown := set(asked.areas) - {*(area.name for area in AREAS), "planner"}:
        parser.error(f"no such area: {', '.join(sorted(unknown))}")
    scores = [try_python(area, asked.sample, asked.seed) for area in AREAS if area.name in asked.areas]
    if "planner" in asked.areas:
        scores.append(try_rust(asked.sample, asked.seed))
    print(f"mutants drawn by seed {asked.seed}" if asked.sample else "all mutants tried")
    for score in scores:
        score.tell()
    return int(any(score.fault for score in scores))


if __name__ == "__main__":
    sys.exit(main())
