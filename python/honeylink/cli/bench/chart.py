"""GiB/s by shard size: a panel for each operation and code, a line for each codec."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from honeylink import __version__
from honeylink.cli.bench.canvas import Canvas, Png, Svg
from honeylink.cli.bench.report import size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from honeylink.cli.bench.cases import Codec, Operation
    from honeylink.cli.bench.measuring import Measurement, Result

__all__ = ["SURFACES", "draw"]

SURFACES: dict[str, Callable[[int, int], Canvas]] = {".svg": Svg, ".png": Png}
"""By the ending of the file."""

_PANEL_WIDTH, _PANEL_HEIGHT = 340, 250
_LEFT, _TOP, _RIGHT, _BOTTOM = 44, 34, 12, 28  # margins within a panel
_TITLE_HEIGHT, _LEGEND_LINE, _LEGEND_COLUMN = 40, 20, 200
_GRID = "#e5e7eb"
_FINE_TICKS_RATIO = 2000  # past it they would stand too close
_OURS = ("#172554", "#1d4ed8", "#0ea5e9", "#67c5e8", "#a3b8cc")  # the faster, the darker
_PEERS = ("#ea580c", "#16a34a", "#a21caf", "#6b7280")


@dataclass(frozen=True)
class _Scale:
    """The vertical axis of all panels: logarithmic, as codecs differ by factors, with ticks at 1, 2, 5, 10 or 1, 10."""

    ticks: Sequence[float]

    @classmethod
    def over(cls, values: Sequence[float]) -> _Scale:
        low, high = min(values), max(values)
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        digits = (1, 2, 5) if high / low < _FINE_TICKS_RATIO else (1,)
        ticks = [digit * 10.0**power for power in powers for digit in digits]
        first = max(place for place, tick in enumerate(ticks) if tick <= low)
        last = min(place for place, tick in enumerate(ticks) if tick >= high)
        return cls(ticks[first : max(last, first + 1) + 1])

    def part(self, value: float) -> float:
        """How far up a value is, from 0 to 1."""
        low, high = math.log(self.ticks[0]), math.log(self.ticks[-1])
        return (math.log(value) - low) / (high - low)


def draw(found: Measurement, path: Path) -> None:
    """Write the chart, as SVG or PNG by the file's ending."""
    results = found.results
    operations = list(dict.fromkeys(each.case.operation for each in results))
    codes = list(dict.fromkeys(each.case.code for each in results))
    colours = _colours(results)
    width = _PANEL_WIDTH * len(codes)
    legend_columns = max(1, width // _LEGEND_COLUMN)
    legend_top = _TITLE_HEIGHT + _PANEL_HEIGHT * len(operations) + 10
    canvas = SURFACES[path.suffix.lower()](width, legend_top + _LEGEND_LINE * -(-len(colours) // legend_columns) + 8)
    canvas.text((_LEFT, 24), f"HoneyLink {__version__}: GiB/s of data by bytes in a shard", font_size=16)
    scale = _Scale.over([each.gib_per_second for each in results])
    for row, operation in enumerate(operations):
        for column, code in enumerate(codes):
            corner = (column * _PANEL_WIDTH, _TITLE_HEIGHT + row * _PANEL_HEIGHT)
            _panel(canvas, corner, results, operation, code, scale, colours)
    for place, (codec, colour) in enumerate(colours.items()):
        x = _LEFT + place % legend_columns * _LEGEND_COLUMN
        y = legend_top + place // legend_columns * _LEGEND_LINE
        _mark(canvas, codec, (x, y), colour)
        canvas.text((x + 12, y + 4), codec.label)
    canvas.save(path)


def _colours(results: Sequence[Result]) -> dict[Codec, str]:
    codecs = list(dict.fromkeys(each.codec for each in results))
    ours = [codec for codec in codecs if codec.engine]
    peers = [codec for codec in codecs if not codec.engine]
    return dict(zip(ours, _OURS, strict=False)) | dict(zip(peers, _PEERS, strict=False))


def _panel(
    canvas: Canvas,
    corner: tuple[int, int],
    results: Sequence[Result],
    operation: Operation,
    code: str,
    scale: _Scale,
    colours: dict[Codec, str],
) -> None:
    shown = [each for each in results if (each.case.operation, each.case.code) == (operation, code)]
    lengths = list(dict.fromkeys(each.case.shard_bytes for each in shown))
    left, right = corner[0] + _LEFT, corner[0] + _PANEL_WIDTH - _RIGHT
    top, base = corner[1] + _TOP, corner[1] + _PANEL_HEIGHT - _BOTTOM

    def height(speed: float) -> float:
        return base - (base - top) * scale.part(speed)

    step = (right - left) / len(lengths)
    across = {n: left + step * (place + 0.5) for place, n in enumerate(lengths)}
    canvas.text((left, top - 12), f"{operation} {code}", font_size=13)
    for tick in scale.ticks:
        canvas.line([(left, height(tick)), (right, height(tick))], _GRID, 1)
        canvas.text((left - 6, height(tick) + 4), f"{tick:g}", "end", font_size=11)
    for n, x in across.items():
        canvas.text((x, base + 16), size(n), "middle", font_size=11)
    for codec, colour in reversed(colours.items()):  # the fastest last, on top of the others
        points = [(across[each.case.shard_bytes], height(each.gib_per_second)) for each in shown if each.codec == codec]
        if len(points) > 1:
            canvas.line(points, colour, 2)
        for point in points:
            _mark(canvas, codec, point, colour)


def _mark(canvas: Canvas, codec: Codec, place: tuple[float, float], colour: str) -> None:
    """A disc for ours, a square for peers."""
    if codec.engine:
        canvas.disc(place, 3.5, colour)
    else:
        canvas.box(place, 7, colour)
