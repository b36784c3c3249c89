"""Two surfaces to draw a chart on, with the same few strokes: SVG, which needs nothing, and PNG, which needs Pillow."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Anchor", "Canvas", "Png", "Svg"]

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]

_SVG = "http://www.w3.org/2000/svg"
_GROUND = "#ffffff"  # of its own, so that a chart reads the same on a light page and on a dark one


class Canvas(Protocol):
    """What a chart is drawn with. Lengths are pixels from the upper left corner."""

    def line(self, points: Sequence[Point], colour: str, width: float) -> None:
        """A line through the points."""

    def box(self, centre: Point, side: float, colour: str) -> None:
        """A filled square."""

    def disc(self, centre: Point, radius: float, colour: str) -> None:
        """A filled circle."""

    def text(self, place: Point, text: str, anchor: Anchor = "start", font_size: int = 12) -> None:
        """A line of text whose baseline starts, ends or has its middle at the place."""

    def save(self, path: Path) -> None:
        """Write the file."""


class Svg:
    """Text, readable at any size."""

    def __init__(self, width: int, height: int) -> None:
        self._parts = [
            f'<svg xmlns="{_SVG}" viewBox="0 0 {width} {height}" font-family="sans-serif">',
            f'<rect width="{width}" height="{height}" fill="{_GROUND}"/>',
        ]

    def line(self, points: Sequence[Point], colour: str, width: float) -> None:
        """As `Canvas` says."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')

    def box(self, centre: Point, side: float, colour: str) -> None:
        """As `Canvas` says."""
        x, y = centre[0] - side / 2, centre[1] - side / 2
        self._parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{side}" height="{side}" fill="{colour}"/>')

    def disc(self, centre: Point, radius: float, colour: str) -> None:
        """As `Canvas` says."""
        self._parts.append(f'<circle cx="{centre[0]:.1f}" cy="{centre[1]:.1f}" r="{radius}" fill="{colour}"/>')

    def text(self, place: Point, text: str, anchor: Anchor = "start", font_size: int = 12) -> None:
        """As `Canvas` says."""
        x, y = place
        style = f'text-anchor="{anchor}" font-size="{font_size}"'
        self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>')

    def save(self, path: Path) -> None:
        """As `Canvas` says."""
        path.write_text("\n".join([*self._parts, "</svg>", ""]), encoding="utf-8")


class Png:
    """Pixels, two for each of the chart's. They are drawn three times as fine, since Pillow smooths no lines.

    Raises:
        ModuleNotFoundError: Pillow is not installed.
    """

    _SCALE, _FINENESS = 2, 3
    _ANCHORS: ClassVar = {"start": "ls", "middle": "ms", "end": "rs"}

    def __init__(self, width: int, height: int) -> None:
        from PIL import Image, ImageDraw

        self._unit = self._SCALE * self._FINENESS
        self._image = Image.new("RGB", (width * self._unit, height * self._unit), _GROUND)
        self._draw = ImageDraw.Draw(self._image)

    def line(self, points: Sequence[Point], colour: str, width: float) -> None:
        """As `Canvas` says."""
        scaled = [(x * self._unit, y * self._unit) for x, y in points]
        self._draw.line(scaled, fill=colour, width=round(width * self._unit), joint="curve")

    def box(self, centre: Point, side: float, colour: str) -> None:
        """As `Canvas` says."""
        self._draw.rectangle(self._around(centre, side / 2), fill=colour)

    def disc(self, centre: Point, radius: float, colour: str) -> None:
        """As `Canvas` says."""
        self._draw.ellipse(self._around(centre, radius), fill=colour)

    def text(self, place: Point, text: str, anchor: Anchor = "start", font_size: int = 12) -> None:
        """As `Canvas` says."""
        from PIL import ImageFont

        font = ImageFont.load_default(font_size * self._unit)
        x, y = place
        self._draw.text((x * self._unit, y * self._unit), text, fill="#000000", font=font, anchor=self._ANCHORS[anchor])

    def save(self, path: Path) -> None:
        """As `Canvas` says."""
        self._image.reduce(self._FINENESS).save(path, "PNG")

    def _around(self, centre: Point, reach: float) -> tuple[float, float, float, float]:
        x, y = centre
        left, top, right, bottom = x - reach, y - reach, x + reach, y + reach
        return left * self._unit, top * self._unit, right * self._unit, bottom * self._unit
