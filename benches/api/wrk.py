"""wrk, driven by a script: connections that are busy all the time, or more requests than the service can take."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from benches.api.driver import REFUSALS, drive
from benches.api.messages import creates, write_bodies
from benches.api.results import Load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benches.api.population import Device

WRK = shutil.which("wrk")
_SCRIPTS = Path(__file__).parent


def closed_loop(
    ports: Sequence[int], devices: Sequence[Device], work_dir: Path, *, connections: int, seconds: float
) -> Load:
    """Keep `connections` busy, split between the ports; each request is of a random device."""
    if WRK is None:
        return drive(ports, creates(devices), connections=connections, seconds=seconds, per_second=None)
    return _run("busy.lua", ports, devices, work_dir, connections=connections, seconds=seconds, interval_us=0)


def overload(
    ports: Sequence[int],
    devices: Sequence[Device],
    work_dir: Path,
    *,
    connections: int,
    seconds: float,
    per_second: float,
) -> Load:
    """Send requests at a fixed rate whatever becomes of them, as long as a connection is free."""
    if WRK is None:
        return drive(ports, creates(devices), connections=connections, seconds=seconds, per_second=per_second)
    interval_us = len(ports) / per_second * 1e6
    return _run(
        "overload.lua", ports, devices, work_dir, connections=connections, seconds=seconds, interval_us=interval_us
    )


def _run(
    script: str,
    ports: Sequence[int],
    devices: Sequence[Device],
    work_dir: Path,
    *,
    connections: int,
    seconds: float,
    interval_us: float,
) -> Load:
    """One wrk for each port, all at the same time."""
    bodies = work_dir / "bodies.txt"
    write_bodies(devices, bodies)
    running = []
    for port in ports:
        command = [str(WRK), "--threads=1", f"--connections={connections // len(ports)}"]
        command += [f"--duration={round(seconds)}s", "--timeout=10s", f"--script={_SCRIPTS / script}"]
        command += [f"http://127.0.0.1:{port}", "--", str(bodies), str(random.randrange(2**31)), str(interval_us)]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    load = Load()
    try:
        for process in running:
            output, _ = process.communicate(timeout=seconds + 60)
            load.add_concurrent(parse(output))
    finally:
        for process in running:
            process.kill()
            process.wait()
    return load


def parse(output: str) -> Load:
    """Read what a script printed at its end: `load.lua` says what, and each script adds its histogram."""
    told = dict(re.findall(r"^(seconds|broken|bare) ([0-9.e+]+)$", output, re.MULTILINE))
    if "seconds" not in told:
        raise RuntimeError(f"expected wrk to run, found: {output[-2000:]}")
    load = Load(seconds=float(told["seconds"]), without_retry_after=int(float(told.get("bare", 0))))
    for status, latency_us, count in re.findall(r"^answer (\S+) ([0-9.e+]+) ([0-9]+)$", output, re.MULTILINE):
        if status == "201":
            load.latencies_us[int(float(latency_us))] += int(count)
        elif status.encode() in REFUSALS:
            load.refusals_us[int(float(latency_us))] += int(count)
    for status, count in re.findall(r"^answers (\S+) ([0-9]+)$", output, re.MULTILINE):
        if status == "201":
            load.answered += int(count)
        else:
            load.others[status] += int(count)
    load.others["broken connection"] = int(float(told["broken"]))
    load.others = +load.others
    return load
