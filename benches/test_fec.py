"""The codec through Python: groups of MTU-sized shards, as sessions use them, and of long ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from honeylink.fec import ReedSolomon

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture

CODES = [(10, 1), (10, 2), (10, 5), (50, 20)]
SHARD_BYTES = [1200, 64 * 1024]

pytestmark = [pytest.mark.parametrize(("k", "m"), CODES), pytest.mark.parametrize("shard_bytes", SHARD_BYTES)]


def whole_group(k: int, m: int, shard_bytes: int) -> NDArray[np.uint8]:
    data = np.random.default_rng(k * m).integers(0, 256, (k, shard_bytes), dtype=np.uint8)
    return np.concatenate([data, ReedSolomon(k, m).encode(data)])


@pytest.mark.benchmark(group="fec encode")
def test_encode(benchmark: BenchmarkFixture, k: int, m: int, shard_bytes: int) -> None:
    """Expected: parity that the code itself verifies, the first row the XOR of the data."""
    shards = whole_group(k, m, shard_bytes)
    data, parity = shards[:k], np.zeros((m, shard_bytes), dtype=np.uint8)
    benchmark.extra_info["data_bytes"] = data.nbytes
    benchmark(ReedSolomon(k, m).encode, data, parity)
    assert np.array_equal(parity, shards[k:])
    assert np.array_equal(parity[0], np.bitwise_xor.reduce(data))


@pytest.mark.benchmark(group="fec reconstruct, m data shards lost")
def test_reconstruct(benchmark: BenchmarkFixture, k: int, m: int, shard_bytes: int) -> None:
    """Expected: the group as it was encoded."""
    whole = whole_group(k, m, shard_bytes)
    present = np.arange(k + m) >= m
    received = whole.copy()
    received[~present] = 0
    benchmark.extra_info["data_bytes"] = k * shard_bytes
    benchmark(ReedSolomon(k, m).reconstruct, received, present)
    assert np.array_equal(received, whole)


@pytest.mark.benchmark(group="fec verify")
def test_verify(benchmark: BenchmarkFixture, k: int, m: int, shard_bytes: int) -> None:
    """Expected: true, as nothing was changed."""
    shards = whole_group(k, m, shard_bytes)
    benchmark.extra_info["data_bytes"] = k * shard_bytes
    assert benchmark(ReedSolomon(k, m).verify, shards) is True
