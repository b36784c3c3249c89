"""A progress bar, for terminals alone. By hand, since rich comes with the service, and this runs with NumPy alone."""

from __future__ import annotations

import sys
import time
from typing import Self

_WIDTH = 24
_PAUSE_SECONDS = 0.1


class Progress:
    """One line of stderr that says how much is done and how long the rest takes. Use it in a `with`: it clears up."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._start = self._told = time.monotonic()

    def __call__(self, part: float, what: str) -> None:
        """Tell that so much is done, from 0 to 1, and what is being done."""
        now = time.monotonic()
        if not self._is_shown or now - self._told < _PAUSE_SECONDS:
            return
        self._told = now
        left = f"{(now - self._start) / part * (1 - part):.0f} s left" if part > 0 else "starting"
        bar = "#" * round(_WIDTH * part)
        self._write(f"[{bar:.<{_WIDTH}}] {part:4.0%}, {left}: {what}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._is_shown:
            self._write("")

    def _write(self, text: str) -> None:
        sys.stderr.write(f"\r{text}\x1b[K")
        sys.stderr.flush()
