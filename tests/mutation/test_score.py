"""When a run of mutants fails."""

import pytest

from tests.mutation.score import Score


def score(tried: int, survived: int, *, is_sample: bool) -> Score:
    return Score("area", tried, tuple(map(str, range(survived))), is_sample)


@pytest.mark.parametrize(("survived", "passes"), [(10, True), (11, False)])
def test_a_full_run_needs_nine_in_ten(survived: int, passes: bool) -> None:
    assert (score(100, survived, is_sample=False).fault is None) is passes


# By tables of the binomial distribution: of 20 at 10 %, six or more have 1.1 %, seven or more 0.2 %; of 40, nine or
# more have 1.5 %, ten or more 0.5 %.
@pytest.mark.parametrize(
    ("tried", "survived", "passes"), [(20, 6, True), (20, 7, False), (40, 9, True), (40, 10, False)]
)
def test_a_sample_fails_only_where_chance_does_not_explain_it(tried: int, survived: int, passes: bool) -> None:
    assert (score(tried, survived, is_sample=True).fault is None) is passes


@pytest.mark.parametrize("is_sample", [True, False])
def test_an_area_without_mutants_fails_and_says_so(is_sample: bool) -> None:
    assert "no mutant was tried" in (score(0, 0, is_sample=is_sample).fault or "")
