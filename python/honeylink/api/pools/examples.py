"""A pool as the documentation shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic.config import JsonDict

POOL_BODY: JsonDict = {"capacity_kbps": 90_000, "guaranteed_kbps": 60_000, "lend_limit_kbps": 20_000}

POOL: JsonDict = {
    "pool": "tenant:acme",
    "level": "tenant",
    "tenant_id": "01999e2c-6a00-7000-8000-000000000005",
    "capacity_kbps": 90_000,
    "charge": "payload",
    "guaranteed_kbps": 60_000,
    "borrow_limit_kbps": None,
    "lend_limit_kbps": 20_000,
    "preemption": False,
    "min_hold_ms": 0,
    "reserved_kbps": 10_000,
    "withheld_kbps": 0,
    "available_kbps": 80_000,
    "draining_kbps": 0,
}
