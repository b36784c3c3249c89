"""The planner's values: what they hold, what they refuse, that they are values."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from honeylink.errors import PlannerError
from honeylink.scheduler import ActiveSession, Admitted, Pool, Rejected, Request, StreamAsk, plan

if TYPE_CHECKING:
    from collections.abc import Callable

POOL = Pool("acme", "tenant", 200_000, 2**64 - 1)
ASK = StreamAsk("vidéo '1'", "burst", 5_000)
SHARING = Pool("acme", "tenant", 9, 1, "wire", 5, 0, 2, preemption=True, min_hold_ms=60_000, withheld_kbps=3)
FLEXIBLE = StreamAsk("telemetry", "normal", 100, 10, data_shards=10, parity_shards=2)
SESSION = ActiveSession("s '1'", ["drone-7", "acme"], [FLEXIBLE, ASK], -1, 5, 2**64 - 1)
VALUES = [
    POOL,
    SHARING,
    ASK,
    FLEXIBLE,
    Request([ASK, FLEXIBLE]),
    Request([]),
    Request([], -(2**63)),
    SESSION,
    Admitted([1, 2], (3,)),
    Admitted([1], [0], shrunk=[("s-1", (50, 10)), ("s-2", ())], evicted=["s-3"]),
    Rejected(POOL, 4, 3, 2 * [1]),
    Rejected(SHARING, 4, 3, None, 2, 1),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_copies_are_equal(value: Any) -> None:
    copies = [eval(repr(value)), copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))]
    assert all(type(other) is type(value) and other == value and hash(other) == hash(value) for other in copies)


def test_different_values_differ() -> None:
    for index, value in enumerate(VALUES):
        assert all(value != other for other in VALUES[index + 1 :])
    assert Pool("a", "node", 1, 2) != Pool("a", "node", 2, 1)
    assert Rejected(POOL, 4, 3, [2], 1) != Rejected(POOL, 4, 3, [2], 0)
    assert Rejected(POOL, 4, 3, [0]) != Rejected(POOL, 4, 3)


def test_what_is_left_out_is_not_shown() -> None:
    assert repr(POOL) == f"Pool(id='acme', level='tenant', capacity_kbps=200000, reserved_kbps={2**64 - 1})"
    assert repr(SHARING).endswith(
        "charge='wire', guaranteed_kbps=5, borrow_limit_kbps=0, lend_limit_kbps=2, preemption=True, "
        "min_hold_ms=60000, withheld_kbps=3)"
    )
    assert repr(Request([])) == "Request(streams=())"
    assert repr(Admitted([1], [2])) == "Admitted(allocations=(1,), headroom_kbps=(2,))"


def test_what_is_left_out_has_a_default() -> None:
    assert Pool("a", "node", 1, 0) == Pool("a", "node", 1, 0, "payload", None, None, None, False, 0, 0)
    assert StreamAsk("a", "burst", 1) == StreamAsk("a", "burst", 1, None, 10, 0)
    assert Request([ASK]) == Request([ASK], 0)
    assert Admitted([1], [0]) == Admitted([1], [0], (), ())
    assert Rejected(POOL, 1, 0) == Rejected(POOL, 1, 0, None, None, 0)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_are_frozen(value: Any) -> None:
    for name in [name for name in dir(value) if not name.startswith("_")]:
        with pytest.raises(AttributeError):
            setattr(value, name, 1)
    with pytest.raises(AttributeError):
        value.other = 1


def test_attributes_are_what_was_given() -> None:
    assert (POOL.id, POOL.level, POOL.capacity_kbps, POOL.reserved_kbps) == (
        "acme",
        "tenant",
        200_000,
        2**64 - 1,
    )
    assert (ASK.name, ASK.priority, ASK.bandwidth_kbps) == ("vidéo '1'", "burst", 5_000)
    assert Request(streams=(ASK,)).streams == (ASK,)
    assert Admitted(allocations=[1], headroom_kbps=[2, 3]).headroom_kbps == (2, 3)
    assert Rejected(POOL, 4, 3, [2]).limiting_pool is POOL
    assert Rejected(POOL, 4, 3, [2], 1).counter_offer == (2,)
    assert (SHARING.charge, SHARING.preemption, SHARING.min_hold_ms) == ("wire", True, 60_000)
    limits = (SHARING.guaranteed_kbps, SHARING.borrow_limit_kbps, SHARING.lend_limit_kbps, SHARING.withheld_kbps)
    assert limits == (5, 0, 2, 3)
    assert (FLEXIBLE.min_bandwidth_kbps, FLEXIBLE.data_shards, FLEXIBLE.parity_shards) == (10, 10, 2)
    assert (SESSION.pool_ids, SESSION.streams) == (("drone-7", "acme"), (FLEXIBLE, ASK))
    assert (SESSION.hold_priority, SESSION.opened_ms, SESSION.expires_ms) == (-1, 5, 2**64 - 1)


def test_a_pool_says_what_it_claims_and_charges() -> None:
    assert (SHARING.ceiling_kbps, SHARING.claim_kbps) == (5, 3)
    assert (POOL.ceiling_kbps, POOL.claim_kbps) == (200_000, 0)
    assert SHARING.charged_kbps([FLEXIBLE, ASK], [11, 5]) == 14 + 5
    assert POOL.charged_kbps((FLEXIBLE, ASK), (11, 5)) == 16
    with pytest.raises(PlannerError, match="allocations: expected one for each of 1 streams, found 2"):
        POOL.charged_kbps([ASK], [1, 2])


@pytest.mark.parametrize("kbps", [-1, 2**64, -(2**70), pytest.param(10**5000, id="endless"), True])
def test_numbers_out_of_range_are_refused(kbps: int) -> None:
    makers: dict[str, Callable[[], object]] = {
        "capacity_kbps": lambda: Pool("a", "node", kbps, 0),
        "reserved_kbps": lambda: Pool("a", "node", 0, kbps),
        "bandwidth_kbps": lambda: StreamAsk("a", "burst", kbps),
        "headroom_kbps": lambda: Admitted([1], [kbps]),
        "allocations": lambda: POOL.charged_kbps([ASK], [kbps]),
        "guaranteed_kbps": lambda: Pool("a", "node", 0, 0, guaranteed_kbps=kbps),
        "borrow_limit_kbps": lambda: Pool("a", "node", 0, 0, borrow_limit_kbps=kbps),
        "lend_limit_kbps": lambda: Pool("a", "node", 0, 0, lend_limit_kbps=kbps),
        "withheld_kbps": lambda: Pool("a", "node", 0, 0, withheld_kbps=kbps),
        "min_hold_ms": lambda: Pool("a", "node", 0, 0, min_hold_ms=kbps),
        "min_bandwidth_kbps": lambda: StreamAsk("a", "burst", 1, kbps),
        "data_shards": lambda: StreamAsk("a", "burst", 1, data_shards=kbps),
        "parity_shards": lambda: StreamAsk("a", "burst", 1, parity_shards=kbps),
        "opened_ms": lambda: ActiveSession("a", [], [], 0, kbps, 0),
        "expires_ms": lambda: ActiveSession("a", [], [], 0, 0, kbps),
        "shrunk": lambda: Admitted([1], [1], [("a", [kbps])]),
        "counter_offer": lambda: Rejected(POOL, 1, 1, [kbps]),
        "free_at_ms": lambda: Rejected(POOL, 1, 1, [1], kbps),
        "admissible_kbps": lambda: Rejected(POOL, 1, 1, [1], 1, kbps),
        "now_ms": lambda: plan([POOL], Request([ASK]), now_ms=kbps),
    }
    for field, make in makers.items():
        with pytest.raises(PlannerError, match="expected an integer from 0 to") as error:
            make()
        assert error.value.field == field


@pytest.mark.parametrize("priority", [-(2**63) - 1, 2**63, pytest.param(10**5000, id="endless"), True])
def test_priorities_out_of_range_are_refused(priority: int) -> None:
    makers: dict[str, Callable[[], object]] = {
        "setup_priority": lambda: Request([], priority),
        "hold_priority": lambda: ActiveSession("a", [], [], priority, 0, 0),
    }
    for field, make in makers.items():
        with pytest.raises(PlannerError, match=r"expected an integer from -2\^63 to") as error:
            make()
        assert error.value.field == field


@pytest.mark.parametrize("word", ["", "Device", "gateway", "latency ", "\ud800", "device\0"])
def test_unknown_words_are_refused(word: Any) -> None:
    with pytest.raises(PlannerError) as level:
        Pool("a", word, 1, 0)
    with pytest.raises(PlannerError) as priority:
        StreamAsk("a", word, 1)
    assert (level.value.field, level.value.expected) == ("level", "one of device, tenant, node")
    assert (priority.value.field, priority.value.expected) == ("priority", "one of latency, normal, burst")
    with pytest.raises(PlannerError) as charge:
        Pool("a", "node", 1, 0, word)
    assert (charge.value.field, charge.value.expected) == ("charge", "one of payload, wire")
    assert level.value.found == priority.value.found == charge.value.found == repr(word)


def test_names_are_valid_text() -> None:
    with pytest.raises(PlannerError, match="id: expected valid Unicode"):
        Pool("\ud800", "node", 1, 0)
    with pytest.raises(PlannerError, match="name: expected valid Unicode"):
        StreamAsk("\ud800", "burst", 1)
    makers: dict[str, Callable[[], object]] = {
        "id": lambda: ActiveSession("\ud800", [], [], 0, 0, 0),
        "pool_ids": lambda: ActiveSession("a", ["\ud800"], [], 0, 0, 0),
        "shrunk": lambda: Admitted([], [], [("\ud800", [])]),
        "evicted": lambda: Admitted([], [], [], ["\ud800"]),
    }
    for field, make in makers.items():
        with pytest.raises(PlannerError, match=f"{field}: expected valid Unicode"):
            make()


@pytest.mark.parametrize("wrong", [None, 1.5, b"device", object()])
def test_other_types_are_refused(wrong: Any) -> None:
    for make in (
        lambda: Pool(wrong, "node", 1, 0),
        lambda: Pool("a", wrong, 1, 0),
        lambda: Pool("a", "node", wrong, 0),
        lambda: StreamAsk("a", "burst", wrong),
        lambda: Request(wrong),
        lambda: Request([wrong]),
        lambda: Request([], wrong),
        lambda: Pool("a", "node", 1, 0, wrong),
        lambda: Pool("a", "node", 1, 0, preemption=wrong),
        lambda: Pool("a", "node", 1, 0, withheld_kbps=wrong),
        lambda: StreamAsk("a", "burst", 1, parity_shards=wrong),
        lambda: POOL.charged_kbps(wrong, []),
        lambda: ActiveSession(wrong, [], [], 0, 0, 0),
        lambda: ActiveSession("a", wrong, [], 0, 0, 0),
        lambda: ActiveSession("a", [], [wrong], 0, 0, 0),
        lambda: ActiveSession("a", [], [], wrong, 0, 0),
        lambda: Admitted([wrong], []),
        lambda: Admitted([], [], wrong),
        lambda: Admitted([], [], [wrong]),
        lambda: Rejected(wrong, 1, 1),
        lambda: Rejected(POOL, 1, 1, [wrong]),
        lambda: plan([POOL], Request([ASK]), wrong),
        lambda: plan([POOL], Request([ASK]), now_ms=wrong),
        lambda: plan([POOL], Request([ASK]), others=[wrong]),
    ):
        with pytest.raises(TypeError):
            make()
