"""The planner's values: what they hold, what they refuse, that they are values."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from honeylink.errors import PlannerError
from honeylink.scheduler import Admitted, Pool, Rejected, Request, StreamAsk

if TYPE_CHECKING:
    from collections.abc import Callable

POOL = Pool("acme", "tenant", 200_000, 2**64 - 1)
ASK = StreamAsk("vidéo '1'", "burst", 5_000)
VALUES = [POOL, ASK, Request([ASK, ASK]), Request([]), Admitted([1, 2], (3,)), Rejected(POOL, 4, 3, 2, 1)]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_copies_are_equal(value: Any) -> None:
    copies = [eval(repr(value)), copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))]
    assert all(type(other) is type(value) and other == value and hash(other) == hash(value) for other in copies)


def test_different_values_differ() -> None:
    for index, value in enumerate(VALUES):
        assert all(value != other for other in VALUES[index + 1 :])
    assert Pool("a", "node", 1, 2) != Pool("a", "node", 2, 1)
    assert Rejected(POOL, 4, 3, 2, 1) != Rejected(POOL, 4, 3, 2, 0)


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
    assert VALUES[-1].limiting_pool is POOL  # type: ignore[attr-defined]


@pytest.mark.parametrize("kbps", [-1, 2**64, -(2**70), pytest.param(10**5000, id="endless"), True])
def test_numbers_out_of_range_are_refused(kbps: int) -> None:
    makers: dict[str, Callable[[], object]] = {
        "capacity_kbps": lambda: Pool("a", "node", kbps, 0),
        "reserved_kbps": lambda: Pool("a", "node", 0, kbps),
        "bandwidth_kbps": lambda: StreamAsk("a", "burst", kbps),
        "headroom_kbps": lambda: Admitted([1], [kbps]),
        "first_refused": lambda: Rejected(POOL, 1, 1, 1, kbps),
    }
    for field, make in makers.items():
        with pytest.raises(PlannerError, match="expected an integer from 0 to") as error:
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
    assert level.value.found == priority.value.found == repr(word)


def test_names_are_valid_text() -> None:
    with pytest.raises(PlannerError, match="id: expected valid Unicode"):
        Pool("\ud800", "node", 1, 0)
    with pytest.raises(PlannerError, match="name: expected valid Unicode"):
        StreamAsk("\ud800", "burst", 1)


@pytest.mark.parametrize("wrong", [None, 1.5, b"device", object()])
def test_other_types_are_refused(wrong: Any) -> None:
    for make in (
        lambda: Pool(wrong, "node", 1, 0),
        lambda: Pool("a", wrong, 1, 0),
        lambda: Pool("a", "node", wrong, 0),
        lambda: StreamAsk("a", "burst", wrong),
        lambda: Request(wrong),
        lambda: Request([wrong]),
        lambda: Admitted([wrong], []),
        lambda: Rejected(wrong, 1, 1, 1, 0),
    ):
        with pytest.raises(TypeError):
            make()
