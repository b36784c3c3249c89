"""GiB/s by shard size: a panel for each operation and code, a line for each codec."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from matplotlib.lines import Line2D

from honeylink import __version__
from honeylink.cli.bench.report import size
from honeylink.cli.charts import figure, logarithmic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from honeylink.cli.bench.cases import Codec
    from honeylink.cli.bench.measuring import Measurement, Result

_PANEL_WIDTH, _PANEL_HEIGHT = 330, 240
_TITLE_WIDTH = 460
_LEGEND_COLUMN_WIDTH, _LEGEND_LINE_HEIGHT = 150, 20
_OURS = ("#172554", "#1d4ed8", "#0ea5e9", "#67c5e8", "#a3b8cc")  # the faster, the darker
_PEERS = ("#ea580c", "#16a34a", "#a21caf", "#6b7280")


def draw(found: Measurement, path: Path) -> None:
    """Write the chart, as SVG or PNG by the file's ending."""
    results = found.results
    operations = list(dict.fromkeys(each.case.operation for each in results))
    codes = list(dict.fromkeys(each.case.code for each in results))
    styles = _styles(results)
    width = max(_PANEL_WIDTH * len(codes), _TITLE_WIDTH)
    columns = width // _LEGEND_COLUMN_WIDTH
    height = 40 + _PANEL_HEIGHT * len(operations) + _LEGEND_LINE_HEIGHT * -(-len(styles) // columns)
    speeds = [each.gib_per_second for each in results]
    title = f"HoneyLink {__version__}: GiB/s of data by bytes in a shard"
    with figure(path, title, width, height) as drawn:
        panels = drawn.subplots(len(operations), len(codes), sharey=True, squeeze=False)
        for panel, (operation, code) in zip(panels.flat, product(operations, codes), strict=True):
            shown = [each for each in results if (each.case.operation, each.case.code) == (operation, code)]
            lengths = list(dict.fromkeys(each.case.shard_bytes for each in shown))
            panel.set_title(f"{operation} {code}")
            panel.set_yscale("log")  # codecs differ by factors
            panel.set_xticks(range(len(lengths)), [size(n) for n in lengths])
            panel.margins(x=0.1)
            for codec, style in reversed(styles.items()):  # the fastest last, on top of the others
                mine = [each for each in shown if each.codec == codec]
                places = [lengths.index(each.case.shard_bytes) for each in mine]
                panel.plot(places, [each.gib_per_second for each in mine], **style)
        logarithmic(panels[0, 0].yaxis, min(speeds), max(speeds))
        lines = [Line2D([], [], **style) for style in styles.values()]
        drawn.legend(lines, [codec.label for codec in styles], loc="outside lower left", ncols=columns)


def _styles(results: Sequence[Result]) -> dict[Codec, dict[str, Any]]:
    """Discs for ours, squares for peers."""
    codecs = list(dict.fromkeys(each.codec for each in results))
    ours = zip([codec for codec in codecs if codec.engine], _OURS, strict=False)
    peers = zip([codec for codec in codecs if not codec.engine], _PEERS, strict=False)
    return {codec: {"color": colour, "marker": "o"} for codec, colour in ours} | {
        codec: {"color": colour, "marker": "s"} for codec, colour in peers
    }
