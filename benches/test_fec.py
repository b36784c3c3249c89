"""The codec through Python: groups of MTU-sized shards, as sessions use them, long ones, and the peers that are there.

`data_bytes` are those of the data shards that a call is about; the table's GiB/s is by them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from honeylink.cli.bench.cases import Case, Operation
from honeylink.cli.bench.codecs import installed, prepare
from honeylink.fec import ReedSolomon, empty_shards

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture

    from honeylink.cli.bench.cases import Codec

CODES = [(10, 1), (10, 2), (10, 5)]
SHARD_BYTES = [1200, 4096, 64 * 1024]
GROUPS = 1024
THREADED_GROUPS = 64

each_case = pytest.mark.parametrize(
    ("k", "m", "shard_bytes"),
    [*((k, m, n) for k, m in CODES for n in SHARD_BYTES), (128, 32, 1200), (128, 32, 2**20)],
)
each_code = pytest.mark.parametrize(("k", "m"), CODES)


def whole_group(k: int, m: int, shard_bytes: int) -> NDArray[np.uint8]:
    shards = empty_shards(k + m, shard_bytes)
    shards[:k] = np.random.default_rng(k * m).integers(0, 256, (k, shard_bytes), dtype=np.uint8)
    ReedSolomon(k, m).encode(shards[:k], out=shards[k:])
    return shards


@pytest.mark.benchmark(group="fec encode, out=")
@each_case
def test_encode(benchmark: BenchmarkFixture, k: int, m: int, shard_bytes: int) -> None:
    """Expected: parity that the code itself verifies, the first row the XOR of the data."""
    shards = whole_group(k, m, shard_bytes)
    data, parity = shards[:k], empty_shards(m, shard_bytes)
    benchmark.extra_info["data_bytes"] = k * shard_bytes
    benchmark(ReedSolomon(k, m).encode, data, parity)
    assert np.array_equal(parity, shards[k:])
    assert np.array_equal(parity[0], np.bitwise_xor.reduce(data))


@pytest.mark.benchmark(group=f"fec encode_groups, {GROUPS} groups of 1200 B, out=")
@each_code
def test_encode_groups(benchmark: BenchmarkFixture, k: int, m: int) -> None:
    """Expected: for each group what `encode` gives for it."""
    data, parity = many_groups(k, m, GROUPS, 1200)
    benchmark.extra_info["data_bytes"] = data.nbytes
    benchmark(ReedSolomon(k, m).encode_groups, data, parity)
    assert all(np.array_equal(ReedSolomon(k, m).encode(data[group]), parity[group]) for group in (0, 1, GROUPS - 1))


@pytest.mark.benchmark(group="fec reconstruct, m data shards lost, pattern seen before")
@each_case
def test_reconstruct(benchmark: BenchmarkFixture, k: int, m: int, shard_bytes: int) -> None:
    """Expected: the group as it was encoded."""
    whole = whole_group(k, m, shard_bytes)
    present = np.arange(k + m) >= m
    received = whole.copy()
    received[~present] = 0
    benchmark.extra_info["data_bytes"] = k * shard_bytes
    benchmark(ReedSolomon(k, m).reconstruct, received, present)
    assert np.array_equal(received, whole)


@pytest.mark.benchmark(group="fec reconstruct, m data shards lost, new pattern")
@each_case
def test_reconstruct_new(benchmark: BenchmarkFixture, k: int, m: int, shard_bytes: int) -> None:
    """Expected: the group as it was encoded. Each call is the first of a code of its own."""
    whole = whole_group(k, m, shard_bytes)
    present = np.arange(k + m) >= m
    received = whole.copy()

    def fresh() -> tuple[tuple[ReedSolomon], dict[str, object]]:
        received[~present] = 0
        return (ReedSolomon(k, m),), {}

    benchmark.extra_info["data_bytes"] = k * shard_bytes
    rounds = 2000 if k * shard_bytes < 2**20 else 50
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda code: code.reconstruct(received, present), setup=fresh, rounds=rounds, warmup_rounds=10
    )
    assert np.array_equal(received, whole)


@pytest.mark.benchmark(group="fec verify")
@each_case
def test_verify(benchmark: BenchmarkFixture, k: int, m: int, shard_bytes: int) -> None:
    """Expected: true, as nothing was changed."""
    shards = whole_group(k, m, shard_bytes)
    benchmark.extra_info["data_bytes"] = k * shard_bytes
    assert benchmark(ReedSolomon(k, m).verify, shards) is True


@pytest.mark.benchmark(group="fec update, one data shard changes")
@each_case
def test_update(benchmark: BenchmarkFixture, k: int, m: int, shard_bytes: int) -> None:
    """Expected: the parity that encoding anew gives. A shard that changes there and back leaves it as it was."""
    shards, code = whole_group(k, m, shard_bytes), ReedSolomon(k, m)
    parity, old, new = shards[k:], shards[0].copy(), ~shards[0]
    benchmark.extra_info["data_bytes"] = shard_bytes
    benchmark(code.update, parity, 0, old, new)
    parity[:] = code.encode(shards[:k])
    code.update(parity, 0, old, new)
    assert np.array_equal(parity, code.encode([new, *shards[1:k]]))


@pytest.mark.benchmark(group=f"fec encode_groups 10+2 by threads, {THREADED_GROUPS} groups a call")
@pytest.mark.parametrize(("shard_bytes", "calls"), [(1200, 200), (64 * 1024, 4)])
@pytest.mark.parametrize("threads", [1, 2])
def test_threads(benchmark: BenchmarkFixture, threads: int, shard_bytes: int, calls: int) -> None:
    """Expected: the same bytes, in nearly half the time with two, since the work is done without the GIL."""
    code, (data, parity) = ReedSolomon(10, 2), many_groups(10, 2, THREADED_GROUPS, shard_bytes)
    shares = [(data[start::threads], parity[start::threads]) for start in range(threads)]

    def work(share: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> None:
        for _ in range(calls):
            code.encode_groups(*share)

    benchmark.extra_info["data_bytes"] = data.nbytes * calls
    with ThreadPoolExecutor(threads) as pool:
        benchmark(lambda: list(pool.map(work, shares)))
    assert np.array_equal(parity, code.encode_groups(data))


@pytest.mark.benchmark(group="fec peers")
@pytest.mark.parametrize("shard_bytes", [1200, 64 * 1024])
@each_code
@pytest.mark.parametrize("codec", [codec for codec in installed() if not codec.engine], ids=lambda codec: codec.label)
@pytest.mark.parametrize("operation", Operation)
def test_peer(
    benchmark: BenchmarkFixture, operation: Operation, codec: Codec, k: int, m: int, shard_bytes: int
) -> None:
    """Expected: what `prepare` proves before anything is timed."""
    case = Case(operation, k, m, shard_bytes)
    prepared = prepare(codec, case)
    if prepared is None:
        pytest.skip(f"{codec.label} is not made for that")
    benchmark.extra_info["data_bytes"] = case.data_bytes
    assert benchmark(prepared.call) is not None


def many_groups(k: int, m: int, groups: int, shard_bytes: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Data, and room for its parity."""
    data, parity = empty_shards(k, shard_bytes, groups), empty_shards(m, shard_bytes, groups)
    data[:] = np.random.default_rng(groups).integers(0, 256, data.shape, dtype=np.uint8)
    return data, parity
