"""benches/README.md: what a run writes stands between two comments, so that the rest is left as it is."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from honeylink.cli.bench.report import cpu_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BENCHES = Path(__file__).parents[1]


def put(name: str, lines: Iterable[str]) -> None:
    """Print the lines, and put them into the page's place of that name."""
    text = "\n".join(lines)
    print(f"\n{text}\n", flush=True)
    page = BENCHES / "README.md"
    page.write_text(replaced(page.read_text(encoding="utf-8"), name, text), encoding="utf-8")


def replaced(page: str, name: str, text: str) -> str:
    """The page with a text in the place of that name, at its end if it has none."""
    begin, end = f"<!-- {name} results: begin -->", f"<!-- {name} results: end -->"
    before, _, rest = page.partition(begin)
    return f"{before.rstrip()}\n\n{begin}\n{text}\n{end}{rest.partition(end)[2] or chr(10)}"


def circumstances(*, quick: bool) -> Iterator[str]:
    """Without them numbers mean nothing."""
    yield f"- machine: {cpu_model()}, {os.cpu_count()} cores, shared by clients, service and database"
    yield f"- system: {platform.system()} {platform.release()} {platform.machine()}, Python {platform.python_version()}"
    yield f"- date: {datetime.now(UTC):%Y-%m-%d}{', quick run' if quick else ''}"
