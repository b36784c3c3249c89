"""A look into one busy worker by py-spy: which part of the service its CPU goes to."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benches.api import wrk
from benches.api.bench import say
from benches.api.parts import shares

if TYPE_CHECKING:
    from benches.api.bench import Bench
    from benches.api.parts import Shares

BUILD = Path(__file__).parents[2] / "build"
# Ten samples in a request that takes as long as one does under load; the worker stands still for each.
_SAMPLES_PER_SECOND = 250
_WRK_AHEAD_SECONDS = 2
_CANT_ATTACH = (
    "py-spy was not allowed to look into the worker (ptrace), so the CPU by part is left out. Allow it by running as "
    "root, by `sysctl kernel.yama.ptrace_scope=0`, or in a container by `--cap-add SYS_PTRACE`."
)


def measure(bench: Bench) -> dict[int, Shares]:
    """Shares of the first worker's CPU, by connections; empty, with the reason said, if that can't be had."""
    found: dict[int, Shares] = {}
    for connections in bench.plan.profile_connections:
        say(f"Profiling 1 worker, {connections} connections, {bench.plan.profile_seconds} s")
        raw = _record(bench, connections, "raw", BUILD / f"profile-{connections}.txt")
        if raw is None:
            return {}
        with raw.open(encoding="utf-8") as lines:
            found[connections] = shares(lines)
        say(f"  stacks, for any flame graph viewer: {raw}")
    if not bench.plan.quick:
        graph = _record(bench, connections, "flamegraph", BUILD / f"profile-{connections}.svg")
        say(f"  flame graph: {graph}")
    return found


def _record(bench: Bench, connections: int, output_format: str, target: Path) -> Path | None:
    py_spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if py_spy is None:
        say("py-spy was not found, so the CPU by part is left out. It is one of the development packages: make lint")
        return None
    target.parent.mkdir(exist_ok=True)
    seconds = bench.plan.profile_seconds
    command = [py_spy, "record", f"--pid={bench.workers[0].pid}", f"--format={output_format}", f"--output={target}"]
    command += [f"--rate={_SAMPLES_PER_SECOND}", f"--duration={seconds}"]
    spy = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        wrk.closed_loop(
            bench.ports[:1],
            bench.population.devices,
            bench.work_dir,
            connections=connections,
            seconds=seconds + _WRK_AHEAD_SECONDS,
        )
        output, _ = spy.communicate(timeout=60)
    finally:
        spy.kill()
        spy.wait()
    if spy.returncode == 0:
        return target
    last = output.strip().rpartition("\n")[2]
    denied = "ermission" in output or "not permitted" in output
    say(_CANT_ATTACH if denied else f"py-spy failed, so the CPU by part is left out. It said: {last}")
    return None
