"""What a pool may become: each promise is checked to the kbps, on both sides of its limit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from honeylink.domain.admission import Charge, Pool, PoolLevel
from honeylink.domain.pools import Force, PoolChange, Shares, check_change
from honeylink.errors import PoolConflict

TENANT = UUID(int=1)


def siblings(kbps: int) -> dict[PoolLevel, int]:
    return {PoolLevel.TENANT: kbps, PoolLevel.NODE: 0}


NOTHING = Shares(siblings(0), children_kbps=0, children_keep=False)
POOL = Pool(TENANT, PoolLevel.DEVICE, "device-1", 1000, 400)
PARENT = Pool(TENANT, PoolLevel.TENANT, "acme", 2000, 400)


def to(**fields: Any) -> PoolChange:
    return PoolChange(
        **{
            "capacity_kbps": 1000,
            "charge": Charge.PAYLOAD,
            "guaranteed_kbps": None,
            "borrow_limit_kbps": None,
            "lend_limit_kbps": None,
            "preemption": False,
            "min_hold_ms": 0,
            **fields,
        }
    )


def refused(pool: Pool, change: PoolChange, ancestors: tuple[Pool, ...] = (), shares: Shares = NOTHING) -> str:
    with pytest.raises(PoolConflict) as caught:
        check_change(pool, change, ancestors, shares)
    return str(caught.value)


def test_a_pool_is_what_the_change_says_and_keeps_the_rest() -> None:
    change = PoolChange(9, Charge.WIRE, 8, 7, 6, True, 5, Force.DRAIN)
    assert change.of(POOL) == Pool(
        TENANT, PoolLevel.DEVICE, "device-1", 9, 400, Charge.WIRE, 8, 7, 6, preemption=True, min_hold_ms=5
    )


def test_shares_of_siblings_fit_into_their_parent() -> None:
    shares = replace(NOTHING, siblings_kbps=siblings(1400))
    check_change(POOL, to(guaranteed_kbps=600), (PARENT,), shares)
    assert "a share of at most 600 kbps of pool tenant:acme, since others have theirs, found 601 kbps" in refused(
        POOL, to(guaranteed_kbps=601), (PARENT,), shares
    )
    assert "at most 0 kbps" in refused(
        POOL, to(guaranteed_kbps=1), (PARENT,), replace(NOTHING, siblings_kbps=siblings(2001))
    )
    check_change(POOL, to(guaranteed_kbps=5000), (), shares)


def test_no_more_is_guaranteed_than_the_capacity() -> None:
    check_change(POOL, to(guaranteed_kbps=5000), (PARENT,), replace(NOTHING, siblings_kbps=siblings(1000)))
    refused(POOL, to(guaranteed_kbps=5000), (PARENT,), replace(NOTHING, siblings_kbps=siblings(1001)))


def test_a_capacity_holds_what_its_children_are_guaranteed() -> None:
    check_change(POOL, to(), (), replace(NOTHING, children_kbps=1000))
    told = refused(POOL, to(), (), replace(NOTHING, children_kbps=1001))
    assert "a ceiling of at least 1001 kbps, which are guaranteed to its children, found 1000 kbps" in told


def test_what_sessions_are_charged_by_changes_in_an_empty_pool_only() -> None:
    empty = replace(POOL, reserved_kbps=0)
    check_change(empty, to(charge=Charge.WIRE), (), NOTHING)
    told = refused(replace(POOL, reserved_kbps=1), to(charge=Charge.WIRE))
    assert "no sessions in it to charge by wire, found 1 kbps reserved" in told
    told = refused(empty, to(charge=Charge.WIRE), (), replace(NOTHING, children_keep=True))
    assert "no lend limits of its children to charge by wire, found children that keep what they have" in told
    check_change(POOL, to(), (), replace(NOTHING, children_keep=True))


def test_what_a_pool_keeps_is_charged_as_by_its_ancestors() -> None:
    otherwise = replace(PARENT, charge=Charge.WIRE)
    node = Pool(TENANT, PoolLevel.NODE, "node", 9000, 0)
    check_change(POOL, to(guaranteed_kbps=100, lend_limit_kbps=100), (node, otherwise), NOTHING)
    check_change(POOL, to(lend_limit_kbps=0), (node, otherwise), NOTHING)
    check_change(POOL, to(guaranteed_kbps=100, lend_limit_kbps=99), (node,), NOTHING)
    told = refused(POOL, to(guaranteed_kbps=100, lend_limit_kbps=99), (node, otherwise))
    assert "no lend limit below the share, since an ancestor charges otherwise, found tenant:acme" in told


def test_a_ceiling_holds_what_is_given_away_unless_force_says_how_it_comes_down() -> None:
    check_change(POOL, to(capacity_kbps=400), (), NOTHING)
    told = refused(POOL, to(capacity_kbps=399))
    assert "room for the 400 kbps that are given away, or force: shrink or drain, found 399 kbps" in told
    for force in Force:
        check_change(POOL, to(capacity_kbps=399, force=force), (), NOTHING)


def test_a_pool_that_is_over_its_ceiling_may_stay_so_but_not_fall_further() -> None:
    draining = replace(POOL, reserved_kbps=1200)
    check_change(draining, to(), (), NOTHING)
    refused(draining, to(capacity_kbps=999))
