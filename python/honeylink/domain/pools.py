"""What an operator may make of a pool: rules between a pool, those inside it and those around it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from honeylink.errors import PoolConflict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from honeylink.domain.admission import Charge, Pool

__all__ = ["Force", "PoolChange", "Shares", "check_change"]


class Force(StrEnum):
    """How a pool comes down to a ceiling that is lower than what it has given away."""

    SHRINK = "shrink"
    DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class PoolChange:
    """What a pool shall be from now on."""

    capacity_kbps: int
    charge: Charge
    guaranteed_kbps: int | None
    borrow_limit_kbps: int | None
    lend_limit_kbps: int | None
    preemption: bool
    min_hold_ms: int
    force: Force | None = None

    def of(self, pool: Pool) -> Pool:
        """The pool as it then is."""
        return replace(
            pool,
            capacity_kbps=self.capacity_kbps,
            charge=self.charge,
            guaranteed_kbps=self.guaranteed_kbps,
            borrow_limit_kbps=self.borrow_limit_kbps,
            lend_limit_kbps=self.lend_limit_kbps,
            preemption=self.preemption,
            min_hold_ms=self.min_hold_ms,
        )


@dataclass(frozen=True, slots=True)
class Shares:
    """What is guaranteed beside a pool, and inside it; and whether pools inside keep some of that for themselves."""

    beside_kbps: int
    inside_kbps: int
    kept_inside: bool


def check_change(pool: Pool, change: PoolChange, around: Sequence[Pool], shares: Shares) -> None:
    """Let only a change pass that leaves every promise possible.

    Args:
        pool: as it is.
        change: what it shall be.
        around: the pools that it is in, the innermost first.
        shares: of the pools beside and inside it.

    Raises:
        PoolConflict: says which promise could not be kept, and what would have been possible.
    """
    after = change.of(pool)
    share_kbps = min(change.guaranteed_kbps or 0, change.capacity_kbps)
    if change.charge is not pool.charge:
        if pool.reserved_kbps:
            raise PoolConflict(
                pool.name, f"no sessions in it to charge by {change.charge}", f"{pool.reserved_kbps} kbps reserved"
            )
        if shares.kept_inside:
            raise PoolConflict(
                pool.name, f"no lend limits inside it to charge by {change.charge}", "pools that keep what they have"
            )
    if around and shares.beside_kbps + share_kbps > around[0].capacity_kbps:
        free_kbps = max(around[0].capacity_kbps - shares.beside_kbps, 0)
        raise PoolConflict(
            pool.name, f"a share of at most {free_kbps} kbps of pool {around[0].name}", f"{share_kbps} kbps"
        )
    if shares.inside_kbps > change.capacity_kbps:
        raise PoolConflict(
            pool.name,
            f"a capacity of at least {shares.inside_kbps} kbps, which are guaranteed inside it",
            f"{change.capacity_kbps} kbps",
        )
    keeps = change.lend_limit_kbps is not None and share_kbps > change.lend_limit_kbps
    otherwise = [each.name for each in around if each.charge is not change.charge]
    if keeps and otherwise:
        raise PoolConflict(
            pool.name, "no lend limit below the share, since a pool around it charges otherwise", otherwise[0]
        )
    is_lowered = after.ceiling_kbps < pool.ceiling_kbps
    if change.force is None and is_lowered and pool.committed_kbps > after.ceiling_kbps:
        raise PoolConflict(
            pool.name,
            f"room for the {pool.committed_kbps} kbps that are given away, or force: shrink or drain",
            f"{after.ceiling_kbps} kbps",
        )
