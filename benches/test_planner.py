"""One admission decision of the largest session there is: 16 streams, 3 pools. Its budget is 20 µs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from honeylink.scheduler import Admitted, Pool, Rejected, Request, StreamAsk, plan

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

pytestmark = pytest.mark.benchmark(group="plan, 16 streams, 3 pools")


def path(capacity_kbps: int) -> list[Pool]:
    return [
        Pool("drone-7", "device", capacity_kbps, 0),
        Pool("acme", "tenant", 1_000_000, 0),
        Pool("node-1", "node", 10_000_000, 0),
    ]


def request_of_16() -> Request:
    return Request([StreamAsk(f"stream-{index}", "burst", 100) for index in range(16)])


def test_admitted(benchmark: BenchmarkFixture) -> None:
    """Expected: 1600 kbps fit exactly."""
    answer = benchmark(plan, path(1600), request_of_16())
    assert answer == Admitted([100] * 16, [0, 998_400, 9_998_400])


def test_rejected(benchmark: BenchmarkFixture) -> None:
    """Expected: 1 kbps is missing, so the last of 16 equals is offered 99."""
    answer = benchmark(plan, path(1599), request_of_16())
    assert answer == Rejected(path(1599)[0], 1600, 1599, [100] * 15 + [99], None, 1599)


def test_with_less(benchmark: BenchmarkFixture) -> None:
    """Expected: as above, but they may be shrunk."""
    streams = [StreamAsk(f"stream-{index}", "burst", 100, 10, parity_shards=5) for index in range(16)]
    answer = benchmark(plan, path(1599), Request(streams))
    assert answer == Admitted([100] * 15 + [99], [0, 998_401, 9_998_401])


def test_with_its_arguments(benchmark: BenchmarkFixture) -> None:
    """Expected: as above, with every Python object made anew, as a request to the service does."""
    answer = benchmark(lambda: plan(path(1600), request_of_16()))
    assert answer == Admitted([100] * 16, [0, 998_400, 9_998_400])
