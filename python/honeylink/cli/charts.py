"""The look of all charts, drawn by matplotlib (the extra `charts`), as SVG or PNG by the file's ending.

Figures are made without pyplot, which keeps them all and looks for a screen. Colours differ also for those who see red
and green alike (Okabe and Ito, 2008). The background is the chart's own, so that it reads the same on a light page and
a dark one. The same data give the same bytes, so that a chart in a repository changes only with what it shows.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler
from matplotlib.ticker import LogLocator, NullLocator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.axis import Axis
    from matplotlib.typing import RcKeyType

_PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b5b5b", "#8b5cf6")
_STYLE: dict[RcKeyType, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#9ca3af",
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=_PALETTE),
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "figure.titlesize": 14,
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "grid.color": "#e5e7eb",
    "legend.frameon": False,
    "lines.markersize": 6,
    "lines.linewidth": 2,
    "path.simplify_threshold": 0.5,
    "svg.fonttype": "none",  # text stays text, which can be searched and read aloud
    "svg.hashsalt": "honeylink",
    "text.parse_math": False,  # a name may have dollar signs
    "xtick.color": "#374151",
    "ytick.color": "#374151",
    "ytick.left": False,
}
_POINTS_PER_INCH = 72
_FINE_TICKS_RATIO = 2000  # past it they would stand too close


@contextmanager
def figure(path: Path, title: str, width: float, height: float) -> Iterator[Figure]:
    """A figure of that size in points, written to `path` at the end of the block; in PNG a point is two pixels wide."""
    # It tells when it looks for fonts, which it does once on a machine.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # whatever a matplotlibrc of this machine says
        mpl.rcParams.update(_STYLE)
        # In SVG the viewer's fonts are used, which may have what ours lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        drawn = Figure((width / _POINTS_PER_INCH, height / _POINTS_PER_INCH), layout="constrained")
        drawn.suptitle(title, x=0.01, ha="left")
        yield drawn
        drawn.savefig(path, dpi=2 * _POINTS_PER_INCH, metadata={"Date": None})


def logarithmic(axis: Axis, low: float, high: float) -> None:
    """Ticks at 1, 2, 5, 10 or, if they would be many, at 1, 10, in plain numbers, for values from `low` to `high`."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < low * _FINE_TICKS_RATIO else (1,)))
    axis.set_major_formatter("{x:,g}")
    axis.set_minor_locator(NullLocator())
