"""Runs the parts, writes the tables of benches/README.md and the charts beside it."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from benches.api import growth, live_sessions, memory, overload, report, throughput
from benches.api.bench import FULL, QUICK, say, serving
from benches.api.findings import Findings
from benches.api.wrk import WRK

if TYPE_CHECKING:
    from benches.api.bench import Bench, Plan


def run(plan: Plan) -> Findings:
    """All parts, each with databases of its own."""
    with serving(plan) as bench:
        served = throughput.measure(bench)
        overloaded = overload.measure(bench, served)
        check_pools(bench)
    stored = live_sessions.measure(plan)
    held = memory.measure(plan) if plan.memory_creates else None
    grown = None if plan.quick else growth.measure()
    return Findings(served, overloaded, stored, held, grown)


def check_pools(bench: Bench) -> None:
    """Each pool must count exactly what live sessions hold of it."""
    off = bench.query(
        "SELECT count(*) FROM pools AS pool WHERE reserved_kbps <> (SELECT coalesce(sum(held.reserved_kbps), 0) "
        "FROM (SELECT pool_tenant_id, level, pool_id, sum(reserved_kbps) AS reserved_kbps FROM reservations "
        "GROUP BY pool_tenant_id, level, pool_id) AS held WHERE held.pool_tenant_id = pool.tenant_id "
        "AND held.level = pool.level AND held.pool_id = pool.pool_id)"
    )
    if off:
        raise RuntimeError(f"expected every pool to count what its sessions hold, found {off} that don't")


def main() -> None:
    """A quick run or a full one, as QUICK says."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the servers end with us
    if WRK is None:
        say("wrk was not found; get it with: apt install wrk (Debian package wrk). Using the slower built-in driver.")
    plan = QUICK if os.environ.get("QUICK", "0") not in {"", "0"} else FULL
    started = time.monotonic()
    findings = run(plan)
    report.write(findings, quick=plan.quick)
    if findings.growth:
        growth.write(findings.growth)
    say(f"Done in {time.monotonic() - started:.0f} s")
    print(findings.summary())


if __name__ == "__main__":
    main()
