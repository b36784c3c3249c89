"""The charts beside the tables of benches/README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from honeylink.cli.charts import figure, logarithmic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 560, 300


def bars(path: Path, title: str, groups: Sequence[str], series: Mapping[str, Mapping[str, float]]) -> None:
    """For each group, a bar for each series that has a value in it."""
    width = 0.8 / len(series)
    with figure(path, title, _WIDTH, _HEIGHT) as drawn:
        panel = drawn.subplots()
        panel.set_xticks(range(len(groups)), groups)
        panel.grid(visible=False, axis="x")
        panel.yaxis.set_major_formatter("{x:,g}")
        for place, (name, values) in enumerate(series.items()):
            present = [(number, values[group]) for number, group in enumerate(groups) if group in values]
            middles = [number - 0.4 + (place + 0.5) * width for number, _ in present]
            heights = [value for _, value in present]
            panel.bar_label(panel.bar(middles, heights, width * 0.9, label=name), fmt="{:,.0f}")
        _legend(drawn, len(series))


def lines(path: Path, title: str, places: Sequence[str], series: Mapping[str, Sequence[float]]) -> None:
    """A line for each series, by its values at each place."""
    every = np.concatenate([list(values) for values in series.values()])
    with figure(path, title, _WIDTH, _HEIGHT) as drawn:
        panel = drawn.subplots()
        panel.set_xticks(range(len(places)), places)
        panel.set_yscale("log")
        logarithmic(panel.yaxis, every.min(), every.max())
        for name, values in series.items():
            panel.plot(values, marker="o", label=name)
            for number, value in enumerate(values):
                panel.annotate(f"{value:.2g}", (number, value), (0, 5), textcoords="offset points", ha="center")
        panel.margins(y=0.15)
        _legend(drawn, len(series))


def _legend(drawn: Figure, columns: int) -> None:
    drawn.legend(loc="outside lower left", ncols=columns)
