"""What every serving process needs around its work."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, TypeVar

from honeylink.api.http.observability import install_exporter

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def launch(work: Coroutine[None, None, None]) -> None:
    """Run what serves to its end, and send the spans that are left."""
    exporter = install_exporter()
    try:
        run(work)
    finally:
        if exporter is not None:
            exporter.shutdown()


def run(work: Coroutine[None, None, T]) -> T:
    """Run a coroutine in the fastest loop there is, in a process that leaves no core file: it would hold keys."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        import uvloop
    except ModuleNotFoundError:  # Windows has none
        return asyncio.run(work)
    return uvloop.run(work)
