"""The command `honeylink bench fec`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from honeylink.cli.bench import codecs, report
from honeylink.cli.bench.measuring import FULL, QUICK, cases, measure
from honeylink.cli.progress import Progress

if TYPE_CHECKING:
    from argparse import Namespace


def fec(chosen: Namespace) -> int:
    """Measure the codec, and show what was found; 1 if an engine of ours has failed."""
    effort = QUICK if chosen.quick else FULL
    if chosen.sizes:
        effort = replace(effort, shard_bytes=tuple(chosen.sizes))
    with Progress() as progress:
        found = measure(codecs.installed(), cases(chosen.codes, effort.shard_bytes), effort, progress)
    absent = codecs.missing()
    if chosen.json:
        print(json.dumps(report.document(found, effort, absent), indent=2))
    else:
        print(*report.lines(found, effort, absent), sep="\n")
    if chosen.chart is not None:
        from honeylink.cli.bench import chart

        chart.draw(found, chosen.chart)
    return 1 if any(codec.engine for codec in found.failures) else 0
