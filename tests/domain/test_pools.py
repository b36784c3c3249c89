"""What pools may become: whatever trees of pools the rules allow, each guarantee can be had or taken back."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

import pytest

from honeylink.domain.access import SYSTEM_TENANT_ID
from honeylink.domain.admission import Admission, Contenders, LiveSession, Pool, PoolLevel, decide
from honeylink.domain.devices import DeviceStatus
from honeylink.domain.pools import PoolChange, Shares, check_change
from honeylink.domain.sessions import Mode, Priority, SessionRequest, StreamRequest
from honeylink.errors import BandwidthExceeded, GuaranteeExceeded, PoolConflict

TENANTS = (UUID(int=1), UUID(int=2), UUID(int=3))
DEVICES = ("device-a", "device-b")
NODE = (SYSTEM_TENANT_ID, PoolLevel.NODE, "node")
MAX_KBPS = 24

Key = tuple[UUID, PoolLevel, str]


def tenant_key(tenant_id: UUID) -> Key:
    return tenant_id, PoolLevel.TENANT, "tenant"


def path_keys(key: Key) -> list[Key]:
    """A pool and those it is in."""
    tenant_id, level, _ = key
    return [key, tenant_key(tenant_id), NODE][: 3 - level] if level is PoolLevel.DEVICE else [key, NODE][: 3 - level]


@dataclass
class Tree:
    """Pools of a node, and sessions of 1 kbps each in them; what is reserved and withheld follows from both."""

    pools: dict[Key, Pool] = field(default_factory=dict)
    sessions: list[LiveSession] = field(default_factory=list)

    @classmethod
    def of_node(cls, capacity_kbps: int) -> Tree:
        keys = [(tenant_id, PoolLevel.DEVICE, device) for tenant_id in TENANTS for device in DEVICES]
        keys += [tenant_key(tenant_id) for tenant_id in TENANTS]
        pools = {key: Pool(*key, capacity_kbps=MAX_KBPS, reserved_kbps=0, preemption=True) for key in keys}
        pools[NODE] = Pool(*NODE, capacity_kbps=capacity_kbps, reserved_kbps=0, preemption=True)
        return cls(pools)

    def path(self, key: Key) -> list[Pool]:
        return [self.pools[each] for each in path_keys(key)]

    def children(self, key: Key) -> list[Key]:
        return [each for each in self.pools if path_keys(each)[1:2] == [key]]

    def guaranteed_kbps(self, key: Key) -> int:
        return max(self.pools[key].share_kbps, sum(map(self.guaranteed_kbps, self.children(key))))

    def shares(self, key: Key) -> Shares:
        ancestors = path_keys(key)
        siblings = {
            parent[1]: sum(self.guaranteed_kbps(child) for child in self.children(parent) if child != own)
            for own, parent in itertools.pairwise(ancestors)
        }
        return Shares(siblings, sum(map(self.guaranteed_kbps, self.children(key))), children_keep=False)

    def withholding(self) -> Tree:
        """The same with what is reserved and withheld counted anew."""
        tree = Tree(dict(self.pools), self.sessions)
        for key in sorted(tree.pools, key=lambda key: key[1]):
            pool = tree.pools[key]
            withheld_kbps = sum(tree.pools[child].claim_kbps for child in self.children(key))
            reserved_kbps = sum(pool.key in session.pool_keys for session in self.sessions)
            tree.pools[key] = replace(pool, reserved_kbps=reserved_kbps, withheld_kbps=withheld_kbps)
        return tree

    def changed(self, key: Key, change: PoolChange) -> Tree:
        """The tree after a change, or as it is if the change is refused: by the rules, or since something is in use."""
        pool, *ancestors = self.path(key)
        try:
            check_change(pool, change, ancestors, self.shares(key))
        except PoolConflict:
            return self
        after = Tree({**self.pools, key: change.of(pool)}, self.sessions).withholding()
        fits = all(pool.committed_kbps <= pool.ceiling_kbps for pool in after.pools.values())
        return after if fits else self

    def with_session(self, key: Key) -> Tree:
        """One session more, if there is room."""
        try:
            streams = self.ask(key, 1).streams
        except BandwidthExceeded:
            return self
        keys = tuple(pool.key for pool in self.path(key))
        session = LiveSession(key[0], uuid4(), key[2], keys, streams, hold_priority=0, opened_ms=0, expires_ms=10**6)
        return Tree(self.pools, [*self.sessions, session]).withholding()

    def ask(self, key: Key, kbps: int, contenders: Contenders | None = None) -> Admission:
        """Ask for a session of a device, by pre-emption if there are contenders."""
        ask = StreamRequest("stream", Mode.RELIABLE, Priority.NORMAL, kbps)
        request = SessionRequest(key[2], (ask,), 60, setup_priority=0 if contenders is None else 9)
        contenders = contenders or Contenders()
        return decide(request, DeviceStatus.PAIRED, self.path(key), [uuid4()], 16, contenders)

    def contenders(self, key: Key) -> Contenders:
        path = self.path(key)
        return Contenders(
            tuple(self.sessions), tuple(pool for pool in self.pools.values() if pool not in path), now_ms=1
        )


def any_change(rng: random.Random, pool: Pool) -> PoolChange:
    change = PoolChange.to_capacity(pool, rng.randint(MAX_KBPS // 2, MAX_KBPS))
    if pool.level is PoolLevel.NODE:
        return change
    amounts = [rng.choice([None, rng.randint(0, MAX_KBPS // 2)]) for _ in range(3)]
    guaranteed_kbps, borrow_limit_kbps, lend_limit_kbps = amounts
    return replace(
        change,
        guaranteed_kbps=guaranteed_kbps,
        borrow_limit_kbps=borrow_limit_kbps,
        lend_limit_kbps=lend_limit_kbps,
    )


def any_tree(rng: random.Random) -> Tree:
    """As many changes and sessions made of it, in any order."""
    tree = Tree.of_node(rng.randint(0, MAX_KBPS))
    devices = [key for key in tree.pools if key[1] is PoolLevel.DEVICE]
    for _ in range(80):
        key = rng.choice(list(tree.pools))
        tree = tree.changed(key, any_change(rng, tree.pools[key]))
        tree = tree.with_session(rng.choice(devices))
    return tree


@pytest.mark.parametrize("seed", range(4))
def test_what_is_guaranteed_can_be_had_or_taken_back(seed: int) -> None:
    """By a device its share, and by a tenant's devices together the tenant's."""
    rng = random.Random(seed)
    had, taken = 0, 0
    for _ in range(20):
        tree = any_tree(rng)
        for key in tree.pools:
            if key[1] is not PoolLevel.DEVICE:
                continue
            device, tenant, _ = tree.path(key)
            room_kbps = device.ceiling_kbps - device.committed_kbps
            left_kbps = tenant.share_kbps - tenant.committed_kbps
            for kbps in (device.share_kbps - device.reserved_kbps, min(left_kbps, room_kbps)):
                if kbps > 0:
                    admission = tree.ask(key, kbps, tree.contenders(key))
                    had += 1
                    taken += len(admission.victims) > 0
    assert had > 20
    assert taken > 0


def guaranteeing(tree: Tree, key: Key, kbps: int) -> PoolChange:
    pool = tree.pools[key]
    return replace(PoolChange.to_capacity(pool, pool.capacity_kbps), guaranteed_kbps=kbps)


def shortfall(tree: Tree, key: Key, change: PoolChange) -> tuple[int, int, str]:
    pool, *ancestors = tree.path(key)
    with pytest.raises(GuaranteeExceeded) as caught:
        check_change(pool, change, ancestors, tree.shares(key))
    refusal = caught.value
    return refusal.requested_kbps, refusal.available_kbps, refusal.limiting_pool


def test_what_a_device_is_guaranteed_counts_against_the_node() -> None:
    tree = Tree.of_node(20)
    one, other = map(tenant_key, TENANTS[:2])
    device, sibling = ((TENANTS[1], PoolLevel.DEVICE, name) for name in DEVICES)
    tree = tree.changed(one, guaranteeing(tree, one, 12))
    assert shortfall(tree, device, guaranteeing(tree, device, 9)) == (9, 8, "node:node")
    tree = tree.changed(device, guaranteeing(tree, device, 8))
    assert tree.pools[device].share_kbps == 8
    assert shortfall(tree, one, guaranteeing(tree, one, 13)) == (13, 12, "node:node")
    assert shortfall(tree, NODE, PoolChange.to_capacity(tree.pools[NODE], 19)) == (20, 19, "node:node")
    assert shortfall(tree, sibling, guaranteeing(tree, sibling, 1)) == (1, 0, "node:node")
    # A share of the tenant's own covers what its children are guaranteed.
    assert tree.changed(other, guaranteeing(tree, other, 8)).pools[other].share_kbps == 8


def test_what_is_guaranteed_too_much_can_be_lowered_in_steps() -> None:
    """As an older version may have left it."""
    tree = Tree.of_node(5)
    device = (TENANTS[0], PoolLevel.DEVICE, DEVICES[0])
    tree.pools[device] = replace(tree.pools[device], guaranteed_kbps=20)
    assert shortfall(tree, device, guaranteeing(tree, device, 21)) == (21, 5, "node:node")
    for kbps in (20, 10):
        tree = tree.changed(device, guaranteeing(tree, device, kbps))
        assert tree.pools[device].share_kbps == kbps
