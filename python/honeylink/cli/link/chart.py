"""Two panels: each stream's rate over time, and how its delays are distributed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from honeylink.cli.charts import figure, logarithmic

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from honeylink.cli.link.simulation import Outcome

_WIDTH, _HEIGHT = 800, 620
_LEGEND_COLUMNS, _LEGEND_LINE_HEIGHT = 5, 20
# Wider than a stream's line, so that one that takes all of the link is seen on it.
_LINK: Final[dict[str, Any]] = {"color": "#9ca3af", "linewidth": 4}
_STEPS = 150  # of a distribution
_MEGABIT_KBPS = 2000  # from which rates are told in Mbit/s


def draw(outcome: Outcome, path: Path) -> None:
    """Write the chart, as SVG or PNG by the file's ending."""
    names = ["the link", *(each.name for each in outcome.streams)]
    height = _HEIGHT + _LEGEND_LINE_HEIGHT * -(-len(names) // _LEGEND_COLUMNS)
    with figure(path, outcome.scenario.title, _WIDTH, height) as drawn:
        rates, delays = drawn.subplots(2)
        _draw_rates(rates, outcome)
        _draw_delays(delays, outcome)
        drawn.legend(rates.get_lines(), names, loc="outside lower left", ncols=_LEGEND_COLUMNS)


def _draw_rates(panel: Axes, outcome: Outcome) -> None:
    top_kbps = max(outcome.link_kbps.max(), *(each.kbps.max() for each in outcome.streams))
    kbps, unit = (1000, "Mbit/s") if top_kbps >= _MEGABIT_KBPS else (1, "kbit/s")
    seconds = outcome.scenario.duration_ns / 1e9
    panel.set(title=f"Sent, {unit}", xlabel="seconds", xlim=(0, seconds))
    panel.step(outcome.seconds, outcome.link_kbps / kbps, where="mid", **_LINK)
    for number, each in enumerate(outcome.streams):
        panel.plot(outcome.seconds, each.kbps / kbps, color=f"C{number}")
    panel.set_ylim(bottom=0)


def _draw_delays(panel: Axes, outcome: Outcome) -> None:
    panel.set(title="Packets delivered within that delay, %", xlabel="delay, ms", xscale="log", ylim=(0, 100))
    percents = np.linspace(0, 100, _STEPS + 1)
    arrived = [(number, each.delays_ms) for number, each in enumerate(outcome.streams) if len(each.delays_ms)]
    for number, delays_ms in arrived:
        panel.plot(np.percentile(delays_ms, percents), percents, color=f"C{number}")
    if arrived:
        logarithmic(panel.xaxis, min(each[0] for _, each in arrived), max(each[-1] for _, each in arrived))
