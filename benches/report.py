"""Turns a pytest-benchmark result into the table of benches/README.md.

    python benches/report.py build/bench.json

The table is written between two marker comments and printed. It names machine and date, since a number
without them means nothing. Percentiles are those of the recorded rounds (one of several calls counts
as their mean); a result without its rounds shows the median alone. A benchmark whose rounds are batches
of requests puts `latency_seconds`, `requests` and `requests_per_second` in its `extra_info`: its row shows those.
One that puts `data_bytes` there, the bytes that a call is about, gets its GiB/s at the median.
"""

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
HEADER = ["group", "benchmark", "p50", "p95", "p99", "ops/s", "GiB/s", "samples"]


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the percentile of sorted samples, interpolated between neighbours (NumPy's default)."""
    position = (len(ordered) - 1) * percent / 100
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def duration(seconds: float) -> str:
    """Return a time with three significant digits and the unit that fits it."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}" if seconds < 1000 * scale else f"{seconds:.0f} s"
    return f"{seconds / 1e-9:.3g} ns"


def rows(result: dict[str, Any]) -> Iterator[list[str]]:
    """Yield one row of cells for each benchmark, the groups together and else in the order of the suite."""
    for bench in sorted(result["benchmarks"], key=lambda bench: bench["group"] or ""):
        stats, extra = bench["stats"], bench["extra_info"]
        samples = sorted(stats.get("data") or [])
        tail = {f"p{percent}": percentile(samples, percent) for percent in (95, 99) if samples}
        latency = extra.get("latency_seconds", {"p50": stats["median"], **tail})
        per_second = extra.get("requests_per_second", stats["ops"])
        yield [
            bench["group"] or "",
            bench["name"].removeprefix("test_").replace("|", "\\|"),
            *(duration(latency[name]) if name in latency else "" for name in ("p50", "p95", "p99")),
            f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.3g}",
            f"{extra['data_bytes'] / stats['median'] / 2**30:.3g}" if "data_bytes" in extra else "",
            f"{extra.get('requests', stats['rounds']):,}",
        ]


def rustc_version() -> str:
    """Return what `rustc --version` says, or that there is none."""
    rustc = shutil.which("rustc")
    if rustc is None:
        return "rustc not found"
    return subprocess.run([rustc, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def report(result: dict[str, Any]) -> str:
    """Return machine, date and table as Markdown."""
    machine, cpu = result["machine_info"], result["machine_info"].get("cpu", {})
    model = cpu.get("brand_raw") or machine["processor"] or machine["machine"]
    lines = [
        f"- machine: {model}, {cpu.get('count', '?')} cores",
        f"- system: {platform.system()} {platform.release()} {platform.machine()}",
        f"- toolchain: {machine['python_implementation']} {machine['python_version']}, {rustc_version()}",
        f"- date: {result['datetime'][:10]}",
        "",
        f"| {' | '.join(HEADER)} |",
        f"|---|---|{'---:|' * (len(HEADER) - 2)}",
        *(f"| {' | '.join(row)} |" for row in rows(result)),
    ]
    return "\n".join(lines)


def insert(page: str, text: str) -> str:
    """Return the page with what stands between the markers replaced, or appended if it has no markers."""
    block = f"{BEGIN}\n{text}\n{END}"
    if BEGIN not in page or END not in page:
        return f"{page.rstrip()}\n\n{block}\n".lstrip()
    before, _, rest = page.partition(BEGIN)
    return before + block + rest.partition(END)[2]


def main(arguments: Sequence[str]) -> None:
    """Read the result file named by the one argument, write the page and print the table."""
    if len(arguments) != 1:
        sys.exit("usage: python benches/report.py RESULT.json")
    text = report(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
    page = README.read_text(encoding="utf-8") if README.exists() else "# Benchmarks\n"
    README.write_text(insert(page, text), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
