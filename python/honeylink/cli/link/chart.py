"""Two panels: each stream's rate over time, and how its delays are distributed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from honeylink.cli.charts.axes import PALETTE, Axis, Panel, legend, legend_height
from honeylink.cli.charts.canvas import surface

if TYPE_CHECKING:
    from pathlib import Path

    from honeylink.cli.charts.canvas import Canvas, Point
    from honeylink.cli.link.simulation import Outcome

__all__ = ["draw"]

_WIDTH = 880
_LEFT, _RIGHT = 60, 840
_TITLE_HEIGHT, _PANEL_HEIGHT, _BELOW_PANEL = 40, 240, 84
_LINK = "#9ca3af"
_LINK_WIDTH = 4  # wider than a stream's, so that one that takes all of the link is seen on it
_STEPS = 200  # of a distribution
_MEGABIT_KBPS = 2000  # from which rates are told in Mbit/s


def draw(outcome: Outcome, path: Path) -> None:
    """Write the chart, as SVG or PNG by the file's ending."""
    names = ["the link", *(each.name for each in outcome.streams)]
    legend_top = _TITLE_HEIGHT + 2 * (_PANEL_HEIGHT + _BELOW_PANEL)
    canvas = surface(path, _WIDTH, legend_top + legend_height(len(names), _WIDTH))
    canvas.text((_LEFT, 26), outcome.scenario.title, font_size=16)
    _rates(canvas, outcome)
    _delays(canvas, outcome)

    def mark(number: int, place: Point) -> None:
        x, y = place
        half = 2 if number else _LINK_WIDTH / 2
        canvas.box((x - 8, y - half), (x + 6, y + half), _colour(number - 1) if number else _LINK)

    legend(canvas, (_LEFT + 8, legend_top), _WIDTH, names, mark)
    canvas.save(path)


def _rates(canvas: Canvas, outcome: Outcome) -> None:
    top_kbps = max(outcome.link_kbps.max(), *(each.kbps.max() for each in outcome.streams))
    kbps, unit = (1000, "Mbit/s") if top_kbps >= _MEGABIT_KBPS else (1, "kbit/s")
    panel = _panel(0, Axis.linear(outcome.scenario.duration_ns / 1e9), Axis.linear(top_kbps / kbps))
    panel.frame(canvas, f"Sent, {unit}", "seconds")
    edges = np.linspace(0, outcome.scenario.duration_ns / 1e9, len(outcome.seconds) + 1)
    steps = zip(np.repeat(edges, 2)[1:-1], np.repeat(outcome.link_kbps / kbps, 2), strict=True)
    panel.curve(canvas, steps, _LINK, _LINK_WIDTH)
    for number, each in enumerate(outcome.streams):
        panel.curve(canvas, zip(outcome.seconds, each.kbps / kbps, strict=True), _colour(number))


def _delays(canvas: Canvas, outcome: Outcome) -> None:
    arrived = [each.delays_ms for each in outcome.streams if len(each.delays_ms)]
    if not arrived:
        return
    across = Axis.logarithmic(min(delays[0] for delays in arrived), max(delays[-1] for delays in arrived))
    panel = _panel(1, across, Axis.linear(100))
    panel.frame(canvas, "Packets delivered within that delay, %", "delay, ms")
    percents = np.linspace(0, 100, _STEPS + 1)
    for number, each in enumerate(outcome.streams):
        if len(each.delays_ms):
            panel.curve(canvas, zip(np.percentile(each.delays_ms, percents), percents, strict=True), _colour(number))


def _panel(row: int, across: Axis, up: Axis) -> Panel:
    top = _TITLE_HEIGHT + 30 + row * (_PANEL_HEIGHT + _BELOW_PANEL)
    return Panel(_LEFT, top, _RIGHT, top + _PANEL_HEIGHT, across, up)


def _colour(number: int) -> str:
    return PALETTE[number % len(PALETTE)]
