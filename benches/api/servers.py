"""`honeylink serve` as operators run it, and the CPU that it and its PostgreSQL take."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from honeylink.store.embedded import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = (sys.executable, "-c", "from honeylink.cli import main; main()", "serve")
POOL_KBPS = 10**12
"""The largest that the settings take: two hundred million of the documented sessions."""
_START_SECONDS_MAX = 120
_STOP_SECONDS_MAX = 60
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Worker:
    """A serving process."""

    port: int
    pid: int
    log: Path


@contextlib.contextmanager
def worker(data_dir: Path, number: int) -> Iterator[Worker]:
    """Serve from `data_dir`, which several workers may share; the log goes to a file in it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HONEYLINK_")}
    settings = {
        "HONEYLINK_DATA_DIR": str(data_dir),
        "HONEYLINK_HOST": "127.0.0.1",
        "HONEYLINK_PORT": str(port),
        "HONEYLINK_RATE_LIMIT_PER_SECOND": "0",
        "HONEYLINK_TENANT_POOL_KBPS": str(POOL_KBPS),
        "HONEYLINK_DEVICE_POOL_KBPS": str(POOL_KBPS),
        "HONEYLINK_LOG_LEVEL": "info",
    }
    log = data_dir / f"serve-{number}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(COMMAND, env={**inherited, **settings}, stdout=output, stderr=output)
    try:
        _wait_until_serving(process, port, log)
        yield Worker(port, process.pid, log)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def dsn(data_dir: Path) -> str:
    """Where the workers' database listens."""
    return EmbeddedPostgres(data_dir).dsn()


def postmaster_pid(data_dir: Path) -> int:
    """The process that all of PostgreSQL's descend from."""
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, in user and system mode."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def memory_bytes(pid: int) -> int:
    """What a process holds of the machine's memory at the moment."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def family_cpu_seconds(pid: int) -> float:
    """The same for a process, its living children and those that have ended."""
    while True:
        ended = _stat(pid)[13:15]
        living_seconds = 0.0
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if int(_stat(int(entry.name))[1]) == pid:
                        living_seconds += cpu_seconds(int(entry.name))
        if _stat(pid)[13:15] == ended:  # or else a child has ended meanwhile, and may be missing in both
            return cpu_seconds(pid) + living_seconds + sum(map(int, ended)) / _TICKS_PER_SECOND


def machine_cpu_seconds() -> float:
    """What everything on this machine has used so far, and what its host took away."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = ticks
    return (user + nice + system + irq + softirq + steal) / _TICKS_PER_SECOND


def own_cpu_seconds() -> float:
    """What this process and those of its children that have ended have used so far."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _stat(pid: int) -> list[str]:
    # What follows the name, which may hold spaces and brackets: state, parent's id, … (man 5 proc_pid_stat).
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _wait_until_serving(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS_MAX
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            probe.sendall(b"GET /readyz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")
            if probe.recv(64).startswith(b"HTTP/1.1 200"):
                return
        time.sleep(0.1)
    raise RuntimeError(f"expected a server on port {port}, found this in its log:\n{log.read_text()[-2000:]}")
