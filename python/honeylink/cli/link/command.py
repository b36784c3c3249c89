"""The command line of `honeylink link`. It is argparse's, as that of `honeylink bench`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from honeylink.cli.charts import canvas
from honeylink.cli.link import chart, report
from honeylink.cli.link.scenario import SHIPPED, load
from honeylink.cli.link.simulation import simulate
from honeylink.cli.progress import Progress

__all__ = ["main", "parser"]

_INTERRUPTED = 130  # as shells tell of a program that Ctrl-C has ended


def main(arguments: list[str]) -> int:
    """Run the command and return how it ended.

    Raises:
        ScenarioError: The scenario can't be simulated.
    """
    commands = parser()
    chosen = commands.parse_args(arguments)
    if chosen.list:
        for name in SHIPPED:
            print(f"{name:<20} {load(name).title}")
        return 0
    if chosen.scenario is None:
        commands.error("expected the file of a scenario, or the name of one that --list shows")
    if chosen.chart is not None and (fault := canvas.fault(chosen.chart)):
        commands.error(fault)
    try:
        scenario = load(chosen.scenario)
        with Progress() as progress:
            outcome = simulate(scenario, progress)
    except KeyboardInterrupt:
        print("honeylink: stopped", file=sys.stderr)
        return _INTERRUPTED
    if chosen.chart is not None:
        # First, since who reads the rest may stop in the middle.
        chart.draw(outcome, chosen.chart)
    if chosen.json:
        print(json.dumps(report.document(outcome), indent=2))
    else:
        print(*report.lines(outcome), sep="\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """What may stand behind `honeylink link`."""
    commands = argparse.ArgumentParser("honeylink link", description="See what the link scheduler does.")
    run = commands.add_subparsers(required=True, metavar="{simulate}").add_parser(
        "simulate",
        help="run a scenario on a clock of its own",
        description="Run a scenario on a clock of its own: a link, the streams of a session with their traffic, what "
        "is lost, and what changes meanwhile. Shows for each stream its rate, its delays and its drops.",
    )
    run.add_argument("scenario", nargs="?", metavar="SCENARIO", help="a TOML file, or the name of one that ships")
    run.add_argument("--list", action="store_true", help="show the scenarios that ship, by name")
    run.add_argument("--json", action="store_true", help="print JSON instead of the table, rates over time too")
    run.add_argument("--chart", type=Path, metavar="FILE", help="draw rates and delays too: FILE.svg or FILE.png")
    return commands
