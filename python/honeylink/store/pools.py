"""Pools in the database, as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from honeylink.domain.admission import PoolLevel

if TYPE_CHECKING:
    from honeylink.store.database import UnitOfWork

__all__ = ["LevelTotal", "PoolBalance", "check_pools", "find_schema_revision", "sum_pools"]


@dataclass(frozen=True, slots=True)
class PoolBalance:
    """A pool beside what sessions hold of it. `capacity_kbps` is None if reservations name a pool that is gone."""

    tenant: str
    level: PoolLevel
    pool_id: str
    capacity_kbps: int | None
    reserved_kbps: int
    live_kbps: int
    stale_kbps: int

    @property
    def balanced(self) -> bool:
        """Whether the pool exists and counts exactly what live sessions hold."""
        return self.capacity_kbps is not None and self.reserved_kbps == self.live_kbps and self.stale_kbps == 0


@dataclass(frozen=True, slots=True)
class LevelTotal:
    """All pools of a level together."""

    level: PoolLevel
    capacity_kbps: int
    reserved_kbps: int


async def check_pools(work: UnitOfWork) -> list[PoolBalance]:
    """Every pool of every tenant, in one snapshot."""
    return [PoolBalance(**{**row, "level": PoolLevel(row["level"])}) for row in await work.fetch("check_pools")]


async def sum_pools(work: UnitOfWork) -> list[LevelTotal]:
    """Capacity and reservations by level."""
    return [
        LevelTotal(PoolLevel(row["level"]), row["capacity_kbps"], row["reserved_kbps"])
        for row in await work.fetch("sum_pools")
    ]


async def find_schema_revision(work: UnitOfWork) -> str | None:
    """The revision of the database's schema; None if it has none yet."""
    try:
        row = await work.fetchrow("find_schema_revision")
    except asyncpg.UndefinedTableError:
        return None
    return None if row is None else row["version_num"]
