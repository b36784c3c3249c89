"""Scenarios of links, as tests write and run them."""

from __future__ import annotations

from honeylink.cli.link.scenario import load
from honeylink.cli.link.simulation import Outcome, StreamOutcome, simulate

PLAIN = """
duration_seconds = 2
[link]
rate_kbps = 1_000
[[streams.data.traffic]]
kind = "constant"
rate_kbps = 400
packet_bytes = 500
"""


def run(name: str) -> tuple[Outcome, dict[str, StreamOutcome]]:
    outcome = simulate(load(name), lambda part, what: None)
    return outcome, {each.name: each for each in outcome.streams}


def kbps(found: StreamOutcome, outcome: Outcome, from_seconds: float, until_seconds: float) -> float:
    """A stream's rate between two times."""
    within = (outcome.seconds > from_seconds) & (outcome.seconds < until_seconds)
    return float(found.kbps[within].mean())
