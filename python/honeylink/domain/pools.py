"""What an operator may make of a pool: rules between a pool, those inside it and those around it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from honeylink.errors import GuaranteeExceeded, PoolConflict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from honeylink.domain.admission import Charge, Pool, PoolLevel

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

    @classmethod
    def to_capacity(cls, pool: Pool, capacity_kbps: int) -> Self:
        """Another capacity for a pool that stays what it is otherwise."""
        kept = {each.name: getattr(pool, each.name) for each in fields(cls) if each.name != "force"}
        return cls(**kept | {"capacity_kbps": capacity_kbps})

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
    """What is guaranteed to others of the pools around a pool, and inside it.

    A pool is guaranteed its share, or what those inside it are if that is more. What it keeps is a part of that.

    Attributes:
        beside_kbps: by level of a pool around: to those in it that the path does not lead through.
        inside_kbps: to the pools inside.
        kept_inside: whether those keep some of it for themselves.
    """

    beside_kbps: Mapping[PoolLevel, int]
    inside_kbps: int
    kept_inside: bool


def check_change(pool: Pool, change: PoolChange, around: Sequence[Pool], shares: Shares) -> None:
    """Let only a change pass that leaves every promise possible.

    The promise: of each pool, what is guaranteed inside it comes to no more than its ceiling. So whatever a pool is
    guaranteed can be had all the way up, or taken back from those who have borrowed it.

    Args:
        pool: as it is.
        change: what it shall be.
        around: the pools that it is in, the innermost first.
        shares: of the pools beside and inside it.

    Raises:
        PoolConflict: says which promise could not be kept, and what would have been possible.
        GuaranteeExceeded: likewise, by how much.
    """
    after = change.of(pool)
    _check_charge(pool, change, around, shares)
    _check_guarantees(pool, after, around, shares)
    is_lowered = after.ceiling_kbps < pool.ceiling_kbps
    if change.force is None and is_lowered and pool.committed_kbps > after.ceiling_kbps:
        raise PoolConflict(
            pool.name,
            f"room for the {pool.committed_kbps} kbps that are given away, or force: shrink or drain",
            f"{after.ceiling_kbps} kbps",
        )


def _check_charge(pool: Pool, change: PoolChange, around: Sequence[Pool], shares: Shares) -> None:
    if change.charge is not pool.charge:
        if pool.reserved_kbps:
            raise PoolConflict(
                pool.name, f"no sessions in it to charge by {change.charge}", f"{pool.reserved_kbps} kbps reserved"
            )
        if shares.kept_inside:
            raise PoolConflict(
                pool.name, f"no lend limits inside it to charge by {change.charge}", "pools that keep what they have"
            )
    share_kbps = change.of(pool).share_kbps
    keeps = change.lend_limit_kbps is not None and share_kbps > change.lend_limit_kbps
    otherwise = [each.name for each in around if each.charge is not change.charge]
    if keeps and otherwise:
        raise PoolConflict(
            pool.name, "no lend limit below the share, since a pool around it charges otherwise", otherwise[0]
        )


def _check_guarantees(pool: Pool, after: Pool, around: Sequence[Pool], shares: Shares) -> None:
    if shares.inside_kbps > after.ceiling_kbps:
        raise GuaranteeExceeded(pool.name, shares.inside_kbps, after.ceiling_kbps, pool.name)
    if after.share_kbps <= max(pool.share_kbps, shares.inside_kbps):
        return  # nothing more is promised, so a share can always be lowered
    others_kbps = 0
    for each in around:
        others_kbps += shares.beside_kbps[each.level]
        available_kbps = max(each.ceiling_kbps - others_kbps, 0)
        if after.share_kbps > available_kbps:
            raise GuaranteeExceeded(pool.name, after.share_kbps, available_kbps, each.name)
