"""GiB/s by shard size: a panel for each operation and code, a line for each codec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeylink import __version__
from honeylink.cli.bench.report import size
from honeylink.cli.charts.axes import Axis, Panel, legend, legend_height
from honeylink.cli.charts.canvas import surface

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from honeylink.cli.bench.cases import Codec, Operation
    from honeylink.cli.bench.measuring import Measurement, Result
    from honeylink.cli.charts.canvas import Canvas, Point

__all__ = ["draw"]

_PANEL_WIDTH, _PANEL_HEIGHT = 340, 250
_LEFT, _TOP, _RIGHT, _BOTTOM = 44, 34, 12, 28  # margins within a panel
_TITLE_HEIGHT, _TITLE_WIDTH = 40, 460
_OURS = ("#172554", "#1d4ed8", "#0ea5e9", "#67c5e8", "#a3b8cc")  # the faster, the darker
_PEERS = ("#ea580c", "#16a34a", "#a21caf", "#6b7280")


def draw(found: Measurement, path: Path) -> None:
    """Write the chart, as SVG or PNG by the file's ending."""
    results = found.results
    operations = list(dict.fromkeys(each.case.operation for each in results))
    codes = list(dict.fromkeys(each.case.code for each in results))
    colours = _colours(results)
    width = max(_PANEL_WIDTH * len(codes), _TITLE_WIDTH)
    legend_top = _TITLE_HEIGHT + _PANEL_HEIGHT * len(operations) + 10
    canvas = surface(path, width, legend_top + legend_height(len(colours), width) + 8)
    canvas.text((_LEFT, 24), f"HoneyLink {__version__}: GiB/s of data by bytes in a shard", font_size=16)
    speeds = [each.gib_per_second for each in results]
    scale = Axis.logarithmic(min(speeds), max(speeds))  # codecs differ by factors
    for row, operation in enumerate(operations):
        for column, code in enumerate(codes):
            corner = (column * _PANEL_WIDTH, _TITLE_HEIGHT + row * _PANEL_HEIGHT)
            _panel(canvas, corner, results, operation, code, scale, colours)
    codecs = list(colours)
    labels = [codec.label for codec in codecs]
    legend(
        canvas,
        (_LEFT, legend_top),
        width,
        labels,
        lambda number, place: _mark(canvas, codecs[number], place, colours[codecs[number]]),
    )
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
    scale: Axis,
    colours: dict[Codec, str],
) -> None:
    shown = [each for each in results if (each.case.operation, each.case.code) == (operation, code)]
    lengths = list(dict.fromkeys(each.case.shard_bytes for each in shown))
    panel = Panel(
        corner[0] + _LEFT,
        corner[1] + _TOP,
        corner[0] + _PANEL_WIDTH - _RIGHT,
        corner[1] + _PANEL_HEIGHT - _BOTTOM,
        Axis.named([size(n) for n in lengths]),
        scale,
    )
    panel.frame(canvas, f"{operation} {code}")
    for codec, colour in reversed(colours.items()):  # the fastest last, on top of the others
        points = [(lengths.index(each.case.shard_bytes), each.gib_per_second) for each in shown if each.codec == codec]
        panel.curve(canvas, points, colour)
        for point in points:
            _mark(canvas, codec, panel.at(*point), colour)


def _mark(canvas: Canvas, codec: Codec, place: Point, colour: str) -> None:
    """A disc for ours, a square for peers."""
    x, y = place
    if codec.engine:
        canvas.disc(place, 3.5, colour)
    else:
        canvas.box((x - 3.5, y - 3.5), (x + 3.5, y + 3.5), colour)
