"""The command `honeylink link simulate`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from honeylink.cli.link import report
from honeylink.cli.link.scenario import SHIPPED, load
from honeylink.cli.link.simulation import simulate as run
from honeylink.cli.progress import Progress

if TYPE_CHECKING:
    from argparse import Namespace


def simulate(chosen: Namespace) -> None:
    """Run a scenario, and show what was found."""
    if chosen.list:
        for name in SHIPPED:
            print(f"{name:<20} {load(name).title}")
        return
    if chosen.scenario is None:
        chosen.usage_error("expected the file of a scenario, or the name of one that --list shows")
    scenario = load(chosen.scenario)
    with Progress() as progress:
        outcome = run(scenario, progress)
    if chosen.chart is not None:
        # First, since who reads the rest may stop in the middle.
        from honeylink.cli.link import chart

        chart.draw(outcome, chosen.chart)
    if chosen.json:
        print(json.dumps(report.document(outcome), indent=2))
    else:
        print(*report.lines(outcome), sep="\n")
