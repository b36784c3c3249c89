"""What `/metrics` answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from prometheus_client import generate_latest

from honeylink.telemetry import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Exposition: TypeAlias = "Callable[[], Awaitable[bytes]]"
"""Makes what `/metrics` answers, in Prometheus's text format."""


async def own_exposition() -> bytes:
    """What this process counts, in Prometheus's text format."""
    return generate_latest(REGISTRY)
