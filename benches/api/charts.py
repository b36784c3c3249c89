"""The charts beside the tables of benches/README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeylink.cli.charts.axes import PALETTE, Axis, Panel, legend
from honeylink.cli.charts.canvas import surface

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from honeylink.cli.charts.canvas import Canvas

_WIDTH, _HEIGHT = 600, 310
_LEFT, _TOP, _RIGHT, _BASE = 50, 60, 580, 250


def bars(path: Path, title: str, groups: Sequence[str], series: Mapping[str, Mapping[str, float]]) -> None:
    """For each group, a bar for each series that has a value in it."""
    top = max(value for values in series.values() for value in values.values())
    canvas = surface(path, _WIDTH, _HEIGHT)
    panel = Panel(_LEFT, _TOP, _RIGHT, _BASE, Axis.named(groups), Axis.linear(top))
    panel.frame(canvas, title)
    width = 0.8 / len(series)
    for place, (colour, values) in enumerate(zip(PALETTE, series.values(), strict=False)):
        for number, group in enumerate(groups):
            if group in values:
                x = number - 0.4 + place * width
                canvas.box(panel.at(x, values[group]), panel.at(x + width * 0.9, 0), colour)
                middle, y = panel.at(x + width * 0.45, values[group])
                canvas.text((middle, y - 4), f"{values[group]:,.0f}", "middle", font_size=11)
    _end(canvas, list(series), path)


def lines(path: Path, title: str, places: Sequence[str], series: Mapping[str, Sequence[float]]) -> None:
    """A line for each series, by its values at each place."""
    every = [value for values in series.values() for value in values]
    canvas = surface(path, _WIDTH, _HEIGHT)
    panel = Panel(_LEFT, _TOP, _RIGHT, _BASE, Axis.named(places), Axis.logarithmic(min(every), max(every)))
    panel.frame(canvas, title)
    for colour, values in zip(PALETTE, series.values(), strict=False):
        panel.curve(canvas, enumerate(values), colour)
        for number, value in enumerate(values):
            x, y = panel.at(number, value)
            canvas.disc((x, y), 3, colour)
            canvas.text((x, y - 7), f"{value:.2g}", "middle", font_size=11)
    _end(canvas, list(series), path)


def _end(canvas: Canvas, names: Sequence[str], path: Path) -> None:
    legend(
        canvas,
        (_LEFT, _HEIGHT - 20),
        _WIDTH,
        names,
        lambda number, place: canvas.box((place[0] - 5, place[1] - 5), (place[0] + 5, place[1] + 5), PALETTE[number]),
    )
    canvas.save(path)
