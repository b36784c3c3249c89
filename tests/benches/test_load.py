"""Histograms: as the scripts of wrk print them, put together, and read."""

import pytest

from benches.api.overload import GOOD_IN_A_ROW, recovered_after_seconds
from benches.api.results import Load, percentile_ms
from benches.api.wrk import parse

GOOD = [(1.0 + place, True) for place in range(GOOD_IN_A_ROW)]
OUTPUT = """Running 5s test @ http://127.0.0.1:1
  1 threads and 500 connections
answers 201 3
answers 503 2
answers 500 1
answers keyless 1
bare 1
seconds 5.01
broken 4
answer 201 1300 2
answer 201 1.5e+06 1
answer 503 900 1
answer 503 4100 1
answer 500 700 1
"""


def test_output_of_a_script_is_read() -> None:
    load = parse(OUTPUT)

    assert load.answered == 3
    assert load.seconds == 5.01
    assert load.latencies_us == {1300: 2, 1_500_000: 1}
    assert load.others == {"503": 2, "500": 1, "keyless": 1, "broken connection": 4}
    assert load.refusals_us == {900: 1, 4100: 1}
    assert load.without_retry_after == 1


def test_output_without_a_report_is_shown() -> None:
    with pytest.raises(RuntimeError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1 Connection refused\n")


def test_percentiles_are_latencies_that_occurred() -> None:
    load = parse(OUTPUT)

    assert load.percentile_ms(50) == 1.3
    assert load.percentile_ms(99) == 1500
    assert percentile_ms(load.refusals_us, 100) == 4.1


def test_concurrent_loads_share_their_time() -> None:
    load = Load()
    load.add_concurrent(parse(OUTPUT))
    load.add_concurrent(parse(OUTPUT))

    assert load.answered == 6
    assert load.seconds == 5.01
    assert load.offered_per_second == pytest.approx((6 + 16) / 5.01)


def test_loads_after_each_other_add_their_times() -> None:
    load = Load()
    load.add(parse(OUTPUT))
    load.add(parse(OUTPUT))

    assert load.seconds == pytest.approx(10.02)
    assert load.per_second == pytest.approx(6 / 10.02)


@pytest.mark.parametrize(
    ("slices", "seconds"),
    [
        (GOOD, 0.0),
        ([(0.5, False), *GOOD], 0.5),
        ([*GOOD[:-1], (6.2, False), *GOOD], 6.2),
        ([*GOOD, (9.0, False)], 0.0),
        ([(0.5, False), *GOOD[:-1]], float("inf")),
        ([], float("inf")),
    ],
)
def test_recovery_lasts_until_enough_good_slices_in_a_row(slices: list[tuple[float, bool]], seconds: float) -> None:
    assert recovered_after_seconds(slices) == seconds
