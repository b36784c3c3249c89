"""Charts as SVG, on a ground of their own, so that they read the same on a light page and on a dark one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WIDTH, HEIGHT = 600, 300
_SVG = "http://www.w3.org/2000/svg"
_LEFT, _TOP, _BASE = 40, 50, 250
_COLOURS = ("#93c5fd", "#2563eb", "#9ca3af")


def bars(title: str, groups: Sequence[str], series: Mapping[str, Mapping[str, float]]) -> str:
    """For each group, a bar for each series that has a value in it; at most three series."""
    top = max(value for values in series.values() for value in values.values())
    bar, x = 44, _LEFT
    parts = []
    for group in groups:
        start = x
        for colour, values in zip(_COLOURS, series.values(), strict=False):
            if group not in values:
                continue
            y = _BASE - (_BASE - _TOP) * values[group] / top
            parts.append(f'<rect x="{x}" y="{y:.0f}" width="{bar - 4}" height="{_BASE - y:.0f}" fill="{colour}"/>')
            parts.append(_text(x + bar // 2 - 2, y - 4, f"{values[group]:,.0f}"))
            x += bar
        parts.append(_text((start + x) // 2, _BASE + 16, group))
        x += bar
    return _drawing(title, parts, list(series))


def lines(title: str, places: Sequence[str], series: Mapping[str, Sequence[float]]) -> str:
    """A line for each series, by its values at each place. Each line of the grid is ten times the one below it."""
    every = [value for values in series.values() for value in values]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))
    step = (_BASE - _TOP) / max(high - low, 1)
    xs = [_LEFT + 60 + 150 * place for place in range(len(places))]

    def height(value: float) -> float:
        return _BASE - (math.log10(value) - low) * step

    parts = []
    for power in range(low, high + 1):
        y = height(10.0**power)
        parts.append(f'<path d="M{_LEFT} {y:.0f}H{WIDTH - 20}" stroke="#e5e7eb"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{10.0**power:g}", "end"))
    parts += [_text(x, _BASE + 16, place) for x, place in zip(xs, places, strict=True)]
    for colour, values in zip(_COLOURS, series.values(), strict=False):
        points = " ".join(f"{x},{height(value):.1f}" for x, value in zip(xs, values, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, value in zip(xs, values, strict=True):
            parts.append(f'<circle cx="{x}" cy="{height(value):.1f}" r="3" fill="{colour}"/>')
            parts.append(_text(x, height(value) - 7, f"{value:.2g}"))
    return _drawing(title, parts, list(series))


def _drawing(title: str, parts: Sequence[str], names: Sequence[str]) -> str:
    head = [
        f'<svg xmlns="{_SVG}" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="20" font-size="14">{title}</text>',
    ]
    return "\n".join([*head, *parts, *_legend(names), "</svg>", ""])


def _legend(names: Sequence[str]) -> Iterator[str]:
    for place, (name, colour) in enumerate(zip(names, _COLOURS, strict=False)):
        yield f'<rect x="{_LEFT + 110 * place}" y="278" width="12" height="12" fill="{colour}"/>'
        yield _text(_LEFT + 18 + 110 * place, 289, name, "start")


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x}" y="{y:.0f}" text-anchor="{anchor}">{text}</text>'
