"""The command line of `honeylink bench`. It is argparse's: typer belongs to the service, which may not be installed."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from honeylink.cli.bench import chart, codecs, report
from honeylink.cli.bench.measuring import FULL, QUICK, cases, measure
from honeylink.cli.bench.progress import Progress
from honeylink.errors import CodeParameterError
from honeylink.fec import ReedSolomon

__all__ = ["main", "parser"]

_CODES = [(10, 1), (10, 2), (10, 5)]
_INTERRUPTED = 130  # as shells tell of a program that Ctrl-C has ended


def main(arguments: list[str]) -> int:
    """Run the command and return how it ended."""
    commands = parser()
    chosen = commands.parse_args(arguments)
    if chosen.chart is not None and (fault := _chart_fault(chosen.chart)):
        commands.error(fault)
    effort = QUICK if chosen.quick else FULL
    if chosen.sizes:
        effort = replace(effort, shard_bytes=tuple(chosen.sizes))
    try:
        with Progress() as progress:
            found = measure(codecs.installed(), cases(chosen.codes, effort.shard_bytes), effort, progress)
    except KeyboardInterrupt:
        print("honeylink: stopped", file=sys.stderr)
        return _INTERRUPTED
    absent = codecs.missing()
    if chosen.json:
        print(json.dumps(report.document(found, effort, absent), indent=2))
    else:
        print(*report.lines(found, effort, absent), sep="\n")
    if chosen.chart is not None:
        chart.draw(found, chosen.chart)
    return 1 if any(codec.engine for codec in found.failures) else 0


def parser() -> argparse.ArgumentParser:
    """What may stand behind `honeylink bench`."""
    commands = argparse.ArgumentParser("honeylink bench", description="Measure what the library does on this machine.")
    fec = commands.add_subparsers(required=True, metavar="{fec}").add_parser(
        "fec",
        help="the Reed-Solomon codec, each of its engines, beside the peers that are installed",
        description="Measure the Reed-Solomon codec, each of its engines, beside the peers that are installed: "
        f"{', '.join(codecs.PEERS)}. They take turns, one thread each, and what is shown are medians in "
        "GiB of data bytes (k shards of n bytes) a second. Every result is checked before it is timed.",
    )
    fec.add_argument("--quick", action="store_true", help="a few seconds instead of half a minute; less exact")
    fec.add_argument("--json", action="store_true", help="print JSON instead of the table")
    fec.add_argument("--chart", type=Path, metavar="FILE", help="draw a chart too: FILE.svg or FILE.png")
    fec.add_argument("--codes", type=_codes, default=_CODES, metavar="K+M,…", help="codes (default: 10+1,10+2,10+5)")
    fec.add_argument(
        "--sizes", type=_sizes, metavar="BYTES,…", help="bytes in a shard (default: 1200,4096,65536,1048576)"
    )
    return commands


def _chart_fault(path: Path) -> str:
    """Why a chart can't be written there, told before minutes of measuring; nothing if it can."""
    if path.suffix.lower() not in chart.SURFACES:
        return f"--chart: expected a file that ends in {' or '.join(chart.SURFACES)}, found {str(path)!r}"
    if not path.absolute().parent.is_dir():
        return f"--chart: expected a file in a directory that exists, found {str(path)!r}"
    try:
        chart.SURFACES[path.suffix.lower()](1, 1)
    except ModuleNotFoundError:
        return (
            "--chart: PNG needs Pillow, which is not installed; run: pip install 'honeylink[charts]', or ask for .svg"
        )
    return ""


def _codes(text: str) -> list[tuple[int, int]]:
    return [_code(part) for part in text.split(",")]


def _code(text: str) -> tuple[int, int]:
    try:
        k, m = map(int, text.split("+"))
        ReedSolomon(k, m)
    except CodeParameterError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected K+M as 10+2, found {text!r}") from None
    if m == 0:
        raise argparse.ArgumentTypeError("expected a code with parity, found none to measure")
    return k, m


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = [0]
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"expected bytes in a shard, as 1200,65536, found {text!r}")
    return sizes
