"""Two surfaces to draw a chart on, with the same few strokes: SVG, which needs nothing, and PNG, which needs Pillow."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, ClassVar, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["SURFACES", "Canvas", "Point", "fault", "surface"]

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]

_SVG = "http://www.w3.org/2000/svg"
_GROUND = "#ffffff"  # of its own, so that a chart reads the same on a light page and on a dark one


class Canvas(Protocol):
    """What a chart is drawn with. Lengths are pixels from the upper left corner."""

    def line(self, points: Sequence[Point], colour: str, width: float) -> None:
        """A line through the points."""

    def box(self, corner: Point, opposite: Point, colour: str) -> None:
        """A filled rectangle, from its upper left corner to its lower right one."""

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

    def box(self, corner: Point, opposite: Point, colour: str) -> None:
        """As `Canvas` says."""
        (x, y), (right, base) = corner, opposite
        size = f'width="{right - x:.1f}" height="{base - y:.1f}"'
        self._parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" {size} fill="{colour}"/>')

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

    def box(self, corner: Point, opposite: Point, colour: str) -> None:
        """As `Canvas` says."""
        self._draw.rectangle(self._scaled(corner, opposite), fill=colour)

    def disc(self, centre: Point, radius: float, colour: str) -> None:
        """As `Canvas` says."""
        x, y = centre
        self._draw.ellipse(self._scaled((x - radius, y - radius), (x + radius, y + radius)), fill=colour)

    def text(self, place: Point, text: str, anchor: Anchor = "start", font_size: int = 12) -> None:
        """As `Canvas` says."""
        from PIL import ImageFont

        font = ImageFont.load_default(font_size * self._unit)
        x, y = place
        self._draw.text((x * self._unit, y * self._unit), text, fill="#000000", font=font, anchor=self._ANCHORS[anchor])

    def save(self, path: Path) -> None:
        """As `Canvas` says."""
        self._image.reduce(self._FINENESS).save(path, "PNG")

    def _scaled(self, corner: Point, opposite: Point) -> tuple[float, float, float, float]:
        return corner[0] * self._unit, corner[1] * self._unit, opposite[0] * self._unit, opposite[1] * self._unit


SURFACES: Final[dict[str, Callable[[int, int], Canvas]]] = {".svg": Svg, ".png": Png}
"""By the ending of the file."""


def surface(path: Path, width: int, height: int) -> Canvas:
    """What a chart that goes to that file is drawn on."""
    return SURFACES[path.suffix.lower()](width, height)


def fault(path: Path) -> str:
    """Why a chart can't be written there, told before it is worked for; nothing if it can."""
    if path.suffix.lower() not in SURFACES:
        return f"--chart: expected a file that ends in {' or '.join(SURFACES)}, found {str(path)!r}"
    if not path.absolute().parent.is_dir():
        return f"--chart: expected a file in a directory that exists, found {str(path)!r}"
    try:
        surface(path, 1, 1)
    except ModuleNotFoundError:
        return (
            "--chart: PNG needs Pillow, which is not installed; run: pip install 'honeylink[charts]', or ask for .svg"
        )
    return ""
