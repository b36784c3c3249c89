"""Choosing parity: exact against every pattern of losses, and as a simulated link behaves."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeylink.errors import CodeParameterError, FecError, PlanParameterError, PlanUnreachable
from honeylink.fec import Plan, plan

if TYPE_CHECKING:
    from collections.abc import Callable

LINKS = [
    (0.05, None),
    (0.5, None),
    (0.97, None),
    (0.05, 1.0),
    (0.05, 4.0),
    (0.25, 1.5),
    (0.5, 1.0),
    (0.75, 3.0),
    (0.9, 40),
]


class Chain:
    """A link whose probabilities are fractions: of the floats that it is described by, without rounding."""

    def __init__(self, loss: float, burst: float | None) -> None:
        self.loss = Fraction(loss)
        if burst is None:
            self.lost_after = {False: self.loss, True: self.loss}
        else:
            self.lost_after = {
                False: self.loss / (1 - self.loss) / Fraction(burst),
                True: 1 - 1 / Fraction(burst),
            }

    def losses(self, packets: int) -> list[Fraction]:
        """How probable each number of losses is: the sum over all 2^packets patterns."""
        counted = [Fraction(0)] * (packets + 1)
        for pattern in itertools.product((False, True), repeat=packets):
            probability, lost = Fraction(1), self.loss
            for is_lost in pattern:
                probability *= lost if is_lost else 1 - lost
                lost = self.lost_after[is_lost]
            counted[sum(pattern)] += probability
        return counted

    def walked(self, packets: int) -> list[Fraction]:
        """The same, packet by packet: for groups whose patterns nobody could count."""
        arrived, lost = [1 - self.loss, Fraction(0)], [Fraction(0), self.loss]
        for _ in range(packets - 1):
            pairs = list(zip([*arrived, Fraction(0)], [*lost, Fraction(0)], strict=True))
            arrived = [a * (1 - self.lost_after[False]) + b * (1 - self.lost_after[True]) for a, b in pairs]
            lost = [Fraction(0), *(a * self.lost_after[False] + b * self.lost_after[True] for a, b in pairs[:-1])]
        return [a + b for a, b in zip(arrived, lost, strict=True)]


@pytest.mark.parametrize(("loss", "burst"), LINKS)
def test_recovery_is_that_of_all_patterns_and_parity_the_least(loss: float, burst: float | None) -> None:
    chain = Chain(loss, burst)
    losses = [chain.losses(packets) for packets in range(12)]
    for k in range(1, 7):
        recoveries = [sum(losses[k + m][: m + 1]) for m in range(12 - k)]
        assert recoveries == sorted(recoveries)
        for m, recovery in enumerate(recoveries):
            before = recoveries[m - 1] if m else Fraction(0)
            if recovery - before < Fraction(1, 10**12):
                continue
            found = plan(loss, float((before + recovery) / 2), data_shards=k, burst=burst)
            assert (found.data_shards, found.parity_shards) == (k, m)
            assert Fraction(found.recovery) <= recovery + Fraction(1, 10**15)
            assert found.recovery == pytest.approx(float(recovery), abs=1e-14)
            assert found.overhead == m / k


@pytest.mark.parametrize("packets", [1, 2, 7])
def test_the_walk_of_these_tests_counts_patterns(packets: int) -> None:
    chain = Chain(0.25, 4.0)
    assert chain.walked(packets) == chain.losses(packets)


@pytest.mark.parametrize("target", [0.0, 0.5, 0.9, 0.999, 1 - 1e-6, 1 - 1e-9, 1 - 1e-12, math.nextafter(1, 0)])
@pytest.mark.parametrize(
    ("loss", "burst"), [(1 / 16, None), (1 / 16, 4.0), (1 / 4, 2.0), (1 / 2, 1.0), (1 / 1024, 8.0)]
)
def test_targets_next_to_certainty_are_decided_exactly(loss: float, burst: float | None, target: float) -> None:
    chain = Chain(loss, burst)
    found = plan(loss, target, burst=burst)
    k, m = found.data_shards, found.parity_shards
    assert sum(chain.walked(k + m)[m + 1 :]) <= 1 - Fraction(target)
    assert m == 0 or sum(chain.walked(k + m - 1)[m:]) > 1 - Fraction(target)
    assert found.recovery >= target


@pytest.mark.parametrize(("k", "loss"), [(10, 0.05), (64, 0.02), (128, 0.1), (200, 0.125)])
@pytest.mark.parametrize("target", [0.99, 0.999999, 1 - 1e-12])
def test_independent_loss_is_binomial(k: int, loss: float, target: float) -> None:
    def failure(m: int) -> Fraction:
        exact, packets = Fraction(loss), k + m
        counts = range(m + 1, packets + 1)
        scaled = sum(
            math.comb(packets, n) * exact.numerator**n * (exact.denominator - exact.numerator) ** (packets - n)
            for n in counts
        )
        return Fraction(scaled, exact.denominator**packets)

    allowed = 1 - Fraction(target)
    if failure(256 - k) > allowed:
        with pytest.raises(PlanUnreachable) as caught:
            plan(loss, target, k)
        assert caught.value.best == pytest.approx(float(1 - failure(256 - k)), abs=1e-13)
    else:
        m = plan(loss, target, k).parity_shards
        assert failure(m) <= allowed < failure(m - 1)


@pytest.mark.parametrize(("loss", "burst"), [(0.05, None), (0.05, 3.0), (0.3, 1.0), (0.3, 8.0)])
def test_a_simulated_link_recovers_as_often(loss: float, burst: float | None) -> None:
    """200 000 groups; their share strays by less than 5.5 standard deviations but once in 25 million runs."""
    found = plan(loss, 0.8, burst=burst)
    groups, packets = 200_000, found.data_shards + found.parity_shards
    chain = Chain(loss, burst)
    after_arrival, after_loss = (float(chain.lost_after[was_lost]) for was_lost in (False, True))
    random = np.random.default_rng(20_240_607)
    is_lost = random.random(groups) < loss
    lost = is_lost.astype(int)
    for _ in range(packets - 1):
        is_lost = random.random(groups) < np.where(is_lost, after_loss, after_arrival)
        lost += is_lost
    recovered = np.mean(lost <= found.parity_shards)
    deviation = math.sqrt(found.recovery * (1 - found.recovery) / groups)
    assert abs(recovered - found.recovery) <= 5.5 * deviation


def planned(link: tuple[float, float | None], target: float, k: int = 10) -> Plan | PlanUnreachable:
    try:
        return plan(link[0], target, k, burst=link[1])
    except PlanUnreachable as unreachable:
        return unreachable


links = st.floats(0, 0.95).flatmap(
    lambda loss: st.tuples(st.just(loss), st.none() | st.floats(max(1, loss / (1 - loss)), 1000))
)


@given(links, st.floats(0, 1), st.integers(1, 256))
def test_what_a_plan_gives_can_be_asked_for(link: tuple[float, float | None], target: float, k: int) -> None:
    found = planned(link, target, k)
    if isinstance(found, Plan):
        assert found.recovery >= target
        assert planned(link, found.recovery, k) == found
    else:
        assert found.best < found.target == target
        assert isinstance(planned(link, found.best, k), Plan)


@given(links, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_target_takes_no_less_parity(link: tuple[float, float | None], one: float, other: float) -> None:
    low, high = planned(link, min(one, other)), planned(link, max(one, other))
    if isinstance(low, Plan) and isinstance(high, Plan):
        assert low.parity_shards <= high.parity_shards
    else:
        assert isinstance(high, PlanUnreachable)


def test_certainty() -> None:
    assert plan(0, 1) == Plan(10, 0, 1.0)
    assert plan(0.3, 1, burst=1) == Plan(10, 10, 1.0)  # never two in a row: ten of twenty at most
    with pytest.raises(PlanUnreachable) as caught:
        plan(1e-9, 1)
    assert caught.value.best == math.nextafter(1, 0)


def test_an_unreachable_target_says_what_can_be_had() -> None:
    with pytest.raises(PlanUnreachable, match=r"expected a target of at most 0\.98\d+, .* found 0\.999") as caught:
        plan(0.93, 0.999)
    assert caught.value.target == 0.999
    assert plan(0.93, caught.value.best) == Plan(10, 246, caught.value.best)
    with pytest.raises(PlanUnreachable) as nothing:
        plan(1.0, 0.001)
    assert nothing.value.best == 0.0
    assert plan(1.0, 0.0).parity_shards == 0


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan, math.inf, -math.inf, 10**400, -(10**400)])
def test_what_is_no_probability_is_refused_by_its_name(wrong: float) -> None:
    makers: dict[str, Callable[[], Plan]] = {
        "loss": lambda: plan(wrong, 0.9),
        "target": lambda: plan(0.1, wrong),
        "recovery": lambda: Plan(10, 1, wrong),
    }
    for field, make in makers.items():
        with pytest.raises(PlanParameterError, match="expected a probability from 0 to 1, found") as caught:
            make()
        assert caught.value.field == field


@pytest.mark.parametrize(
    ("loss", "burst", "expected"),
    [
        (0.1, 0.99, "at least 1 packets at this loss"),
        (0.1, 0, "at least 1 packets at this loss"),
        (0.1, math.inf, "at least 1 packets at this loss"),
        (0.1, math.nan, "at least 1 packets at this loss"),
        (0.1, 10**400, "at least 1 packets at this loss"),
        (0.75, 2.9, "at least 3 packets at this loss"),
        (1.0, 1e300, "none, as a loss of 1 is no burst that ends"),
    ],
)
def test_a_burst_that_no_link_has_is_refused(loss: float, burst: float, expected: str) -> None:
    with pytest.raises(PlanParameterError) as caught:
        plan(loss, 0.9, burst=burst)
    assert (caught.value.field, caught.value.expected) == ("burst", expected)


@pytest.mark.parametrize("k", [0, -1, 257, 2**64, -(2**100), True])
def test_data_shards_out_of_range_are_refused(k: int) -> None:
    with pytest.raises(CodeParameterError) as caught:
        plan(0.1, 0.9, data_shards=k)
    assert caught.value.parity_shards == 0
    with pytest.raises(CodeParameterError):
        Plan(k, 0, 0.5)


@pytest.mark.parametrize(("k", "m"), [(1, -1), (10, 247), (256, 1), (10, 2**63)])
def test_a_plan_has_a_code(k: int, m: int) -> None:
    with pytest.raises(CodeParameterError) as caught:
        Plan(k, m, 0.5)
    assert (caught.value.data_shards, caught.value.parity_shards) == (k, min(m, 2**63 - 1))


@pytest.mark.parametrize("wrong", ["0.1", None, b"1", 1j])
def test_other_types_are_refused(wrong: Any) -> None:
    makers: list[Callable[[], Plan]] = [
        lambda: plan(wrong, 0.9),
        lambda: plan(0.1, wrong),
        lambda: plan(0.1, 0.9, data_shards=wrong),
        lambda: plan(0.1, 0.9, burst=[wrong]),  # type: ignore[arg-type]
        lambda: Plan(wrong, 1, 0.5),
        lambda: Plan(1, wrong, 0.5),
        lambda: Plan(1, 1, wrong),
    ]
    for make in makers:
        with pytest.raises(TypeError):
            make()


def test_errors_are_of_the_codec() -> None:
    assert issubclass(PlanUnreachable, FecError)
    assert issubclass(PlanParameterError, FecError)


def test_a_plan_is_a_value() -> None:
    found = plan(0.05, 0.999)
    assert (found.data_shards, found.parity_shards, found.overhead) == (10, 4, 0.4)
    for other in (eval(repr(found)), copy.copy(found), copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert type(other) is Plan
        assert other == found
        assert hash(other) == hash(found)
    assert found not in {Plan(10, 4, 0.5), Plan(10, 5, found.recovery), Plan(11, 4, found.recovery), Plan(1, 0, 0.0)}
    assert Plan(1, 0, -0.0) == Plan(1, 0, 0.0)
    with pytest.raises(AttributeError):
        found.recovery = 1.0  # type: ignore[misc]
