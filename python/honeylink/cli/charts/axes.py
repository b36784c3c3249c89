"""Where values lie in a picture, and the frame around them: axes, panels and legends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from honeylink.cli.charts.canvas import Canvas, Point

__all__ = ["GRID", "LEGEND_LINE", "PALETTE", "Axis", "Panel", "legend", "legend_height"]

GRID = "#e5e7eb"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b5b5b", "#8b5cf6")
"""Colours that differ also for those who see red and green alike, after Okabe and Ito, 2008."""

LEGEND_LINE, _LEGEND_COLUMN = 20, 200
_FINE_TICKS_RATIO = 2000  # past it they would stand too close
_TICKS = 5


@dataclass(frozen=True)
class Axis:
    """A scale with labelled ticks."""

    ticks: Sequence[tuple[float, str]]
    low: float
    high: float
    is_logarithmic: bool = False

    @classmethod
    def linear(cls, top: float) -> Axis:
        """From 0 to a round number that is not below `top`, in about five steps."""
        power = 10.0 ** math.floor(math.log10(top / _TICKS))
        step = next(digit * power for digit in (1, 2, 5, 10) if digit * power * _TICKS >= top)
        values = [step * place for place in range(math.ceil(top / step - 1e-9) + 1)]
        return cls([(value, _number(value)) for value in values], 0, values[-1])

    @classmethod
    def logarithmic(cls, low: float, high: float) -> Axis:
        """From the tick below `low` to the one above `high`; ticks at 1, 2, 5, 10 or, if they are many, at 1, 10."""
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        digits = (1, 2, 5) if high / low < _FINE_TICKS_RATIO else (1,)
        values = [digit * 10.0**power for power in powers for digit in digits]
        first = max(place for place, value in enumerate(values) if value <= low)
        last = min(place for place, value in enumerate(values) if value >= high)
        values = values[first : max(last, first + 1) + 1]
        return cls([(value, _number(value)) for value in values], values[0], values[-1], is_logarithmic=True)

    @classmethod
    def named(cls, names: Sequence[str]) -> Axis:
        """A place for each name, the first at 0, the next at 1."""
        return cls(list(enumerate(names)), -0.5, len(names) - 0.5)

    def part(self, value: float) -> float:
        """How far along the axis a value is, from 0 to 1."""
        if self.is_logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Panel:
    """A plot between four edges."""

    left: float
    top: float
    right: float
    base: float
    across: Axis
    up: Axis

    def at(self, x: float, y: float) -> Point:
        """Where a value lies."""
        return (
            self.left + (self.right - self.left) * self.across.part(x),
            self.base - (self.base - self.top) * self.up.part(y),
        )

    def frame(self, canvas: Canvas, title: str, across: str = "") -> None:
        """The grid, the numbers at it, what the panel shows above it, and what the horizontal axis means below it."""
        canvas.text((self.left, self.top - 12), title, font_size=13)
        for value, label in self.up.ticks:
            y = self.at(self.across.high, value)[1]
            canvas.line([(self.left, y), (self.right, y)], GRID, 1)
            canvas.text((self.left - 6, y + 4), label, "end", font_size=11)
        for value, label in self.across.ticks:
            x = self.at(value, self.up.low)[0]
            if across:
                canvas.line([(x, self.base), (x, self.base + 4)], GRID, 1)
            canvas.text((x, self.base + 16), label, "middle", font_size=11)
        if across:
            canvas.text(((self.left + self.right) / 2, self.base + 34), across, "middle", font_size=12)

    def curve(self, canvas: Canvas, points: Iterable[Point], colour: str, width: float = 2) -> None:
        """A line through values, if there are two or more."""
        places = [self.at(x, y) for x, y in points]
        if len(places) > 1:
            canvas.line(places, colour, width)


def legend(
    canvas: Canvas, corner: Point, width: float, entries: Sequence[str], mark: Callable[[int, Point], None]
) -> None:
    """Names in columns; `mark` draws what stands before the name of that number, around a place."""
    columns = _columns(width)
    for place, entry in enumerate(entries):
        x = corner[0] + place % columns * _LEGEND_COLUMN
        y = corner[1] + place // columns * LEGEND_LINE
        mark(place, (x, y))
        canvas.text((x + 12, y + 4), entry)


def legend_height(count: int, width: float) -> int:
    """What a legend of so many entries takes."""
    return LEGEND_LINE * -(-count // _columns(width))


def _columns(width: float) -> int:
    return max(1, int(width // _LEGEND_COLUMN))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"
