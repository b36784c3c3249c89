"""Encoding and reconstruction, held against a naive codec written from the definition."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from honeylink.fec import ReedSolomon

Shards = NDArray[np.uint8]


def product(a: int, b: int) -> int:
    """a times b in GF(2^8) of polynomial 0x11D: multiply as polynomials, then reduce."""
    long = reduce(lambda total, bit: total ^ (a << bit if b >> bit & 1 else 0), range(8), 0)
    return reduce(lambda rest, bit: rest ^ (0x11D << (bit - 8) if rest >> bit & 1 else 0), range(15, 7, -1), long)


PRODUCTS = np.array([[product(a, b) for b in range(256)] for a in range(256)], dtype=np.uint8)
INVERSES = [0, *(int(np.flatnonzero(PRODUCTS[a] == 1)[0]) for a in range(1, 256))]


def cauchy(k: int, m: int) -> list[list[int]]:
    """The parity part: g[i][j] g[0][0] / (g[0][j] g[i][0]) with g[i][j] = 1 / ((k + i) xor j)."""

    def cell(i: int, j: int) -> int:
        numerator = product(k ^ j, (k + i) ^ 0)
        return product(numerator, INVERSES[product((k + i) ^ j, k)])

    return [[cell(i, j) for j in range(k)] for i in range(m)]


def parity_by_definition(k: int, m: int, data: Shards) -> Shards:
    parity = np.zeros((m, data.shape[1]), dtype=np.uint8)
    for i, row in enumerate(cauchy(k, m)):
        for coefficient, shard in zip(row, data, strict=True):
            parity[i] ^= PRODUCTS[coefficient][shard]
    return parity


@st.composite
def groups(draw: st.DrawFn) -> tuple[ReedSolomon, Shards]:
    """A code, mostly a small one, and a whole encoded group."""
    k = draw(st.integers(1, 20) | st.integers(1, 256))
    m = draw(st.integers(0, min(8, 256 - k)) | st.integers(0, 256 - k))
    data = random_shards(draw(st.integers(0, 2**32 - 1)), k, draw(st.integers(0, 100)))
    code = ReedSolomon(k, m)
    return code, np.concatenate([data, code.encode(data)])


def random_shards(seed: int, rows: int, shard_bytes: int) -> Shards:
    return np.random.default_rng(seed).integers(0, 256, (rows, shard_bytes), dtype=np.uint8)


@given(groups())
def test_parity_is_that_of_the_definition(group: tuple[ReedSolomon, Shards]) -> None:
    code, shards = group
    k, m = code.data_shards, code.parity_shards
    assert np.array_equal(shards[k:], parity_by_definition(k, m, shards[:k]))


@given(groups(), st.data())
def test_any_m_losses_come_back(group: tuple[ReedSolomon, Shards], data: st.DataObject) -> None:
    code, whole = group
    total = code.data_shards + code.parity_shards
    lost = data.draw(st.lists(st.integers(0, total - 1), max_size=code.parity_shards, unique=True))
    present = np.ones(total, dtype=bool)
    present[lost] = False
    shards = whole.copy()
    shards[lost] = 0xEE
    code.reconstruct(shards, present)
    assert np.array_equal(shards, whole)


@given(groups(), st.data())
def test_verify_sees_any_changed_byte(group: tuple[ReedSolomon, Shards], data: st.DataObject) -> None:
    code, shards = group
    assert code.verify(shards) is True
    if code.parity_shards and shards.size:
        flat = shards.reshape(-1)
        flat[data.draw(st.integers(0, shards.size - 1))] ^= data.draw(st.integers(1, 255))
        assert code.verify(shards) is False


def test_one_parity_shard_is_xor() -> None:
    data = random_shards(1, 10, 1200)
    assert np.array_equal(ReedSolomon(10, 1).encode(data)[0], np.bitwise_xor.reduce(data))


def test_the_bytes_on_the_wire_are_fixed() -> None:
    """A change here breaks every receiver in the field."""
    data = np.arange(1, 11, dtype=np.uint8).reshape(10, 1)
    assert ReedSolomon(10, 5).encode(data).ravel().tolist() == [11, 108, 96, 20, 3]


@pytest.mark.parametrize("shard_bytes", [0, 1, 4095, 4096, 8191, 8192, 8193, 50_000])
def test_shards_of_any_length(shard_bytes: int) -> None:
    """Around the sizes where the work is cut into blocks and where the GIL is released."""
    code = ReedSolomon(4, 3)
    data = random_shards(2, 4, shard_bytes)
    shards = np.concatenate([data, code.encode(data)])
    assert np.array_equal(shards[4:], parity_by_definition(4, 3, data))
    assert code.verify(shards)
    received = shards.copy()
    received[[1, 2, 5]] = 0
    code.reconstruct(received, np.array([True, False, False, True, True, False, True]))
    assert np.array_equal(received, shards)


def test_nothing_lost_changes_nothing() -> None:
    shards = random_shards(3, 5, 64)
    before = shards.copy()
    ReedSolomon(3, 2).reconstruct(shards, np.ones(5, dtype=bool))
    assert np.array_equal(shards, before)
