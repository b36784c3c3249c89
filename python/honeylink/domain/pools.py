"""What an operator may make of a pool: rules between a pool, its ancestors, its siblings and its children."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from honeylink.errors import GuaranteeExceeded, PoolConflict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from honeylink.domain.admission import Charge, Pool, PoolLevel


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
        return cls(**settings_of(pool) | {"capacity_kbps": capacity_kbps})

    def of(self, pool: Pool) -> Pool:
        """The pool as it then is."""
        return replace(pool, **settings_of(self))


def settings_of(pool: Pool | PoolChange) -> dict[str, Any]:
    """What a pool is set to, or shall be, by the names that both have for it."""
    return {each.name: getattr(pool, each.name) for each in fields(PoolChange) if each.name != "force"}


@dataclass(frozen=True, slots=True)
class Shares:
    """What is guaranteed to siblings of a pool and of its ancestors, and to its children.

    A pool is guaranteed its share, or what its children are if that is more. What it keeps is a part of that.

    Attributes:
        siblings_kbps: by level of an ancestor: to those of its children that are not on the path.
        children_kbps: to the pool's own children.
        children_keep: whether those keep some of it for themselves.
    """

    siblings_kbps: Mapping[PoolLevel, int]
    children_kbps: int
    children_keep: bool


def check_change(pool: Pool, change: PoolChange, ancestors: Sequence[Pool], shares: Shares) -> None:
    """Let only a change pass that leaves every promise possible.

    The promise: of each pool, what is guaranteed to its children comes to no more than its ceiling. So whatever a
    pool is guaranteed can be had all the way up, or taken back from those who have borrowed it. `ancestors` begins
    with the pool's parent.
    """
    after = change.of(pool)
    _check_charge(pool, change, ancestors, shares)
    _check_guarantees(pool, after, ancestors, shares)
    is_lowered = after.ceiling_kbps < pool.ceiling_kbps
    if change.force is None and is_lowered and pool.committed_kbps > after.ceiling_kbps:
        raise PoolConflict(
            pool.name,
            f"room for the {pool.committed_kbps} kbps that are given away, or force: shrink or drain",
            f"{after.ceiling_kbps} kbps",
        )


def _check_charge(pool: Pool, change: PoolChange, ancestors: Sequence[Pool], shares: Shares) -> None:
    if change.charge is not pool.charge:
        if pool.reserved_kbps:
            raise PoolConflict(
                pool.name, f"no sessions in it to charge by {change.charge}", f"{pool.reserved_kbps} kbps reserved"
            )
        if shares.children_keep:
            raise PoolConflict(
                pool.name,
                f"no lend limits of its children to charge by {change.charge}",
                "children that keep what they have",
            )
    otherwise = [each.name for each in ancestors if each.charge is not change.charge]
    if change.of(pool).kept_kbps and otherwise:
        raise PoolConflict(
            pool.name, "no lend limit below the share, since an ancestor charges otherwise", otherwise[0]
        )


def _check_guarantees(pool: Pool, after: Pool, ancestors: Sequence[Pool], shares: Shares) -> None:
    if shares.children_kbps > after.ceiling_kbps:
        raise GuaranteeExceeded(pool.name, shares.children_kbps, after.ceiling_kbps, pool.name)
    if after.share_kbps <= max(pool.share_kbps, shares.children_kbps):
        return  # nothing more is promised, so a share can always be lowered
    others_kbps = 0
    for each in ancestors:
        others_kbps += shares.siblings_kbps[each.level]
        available_kbps = max(each.ceiling_kbps - others_kbps, 0)
        if after.share_kbps > available_kbps:
            raise GuaranteeExceeded(pool.name, after.share_kbps, available_kbps, each.name)
