"""Parity that grows shard by shard, changes with one shard, and shards that are repaired by choice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeylink.errors import Incomplete, OutputError, ShardShapeError, TooFewShards
from honeylink.fec import ReedSolomon

if TYPE_CHECKING:
    from numpy.typing import NDArray

MATRICES = ["cauchy", "cauchy-isal", "vandermonde", "rfc5510"]


@st.composite
def codes(draw: st.DrawFn) -> tuple[ReedSolomon, NDArray[np.uint8]]:
    """A code of any matrix, and a whole group of it."""
    k = draw(st.integers(1, 20) | st.integers(1, 256))
    m = draw(st.integers(0, min(8, 256 - k)) | st.integers(0, 256 - k))
    n, seed = draw(st.integers(0, 300)), draw(st.integers(0, 2**32 - 1))
    code = ReedSolomon(k, m, draw(st.sampled_from(MATRICES)))
    data = np.random.default_rng(seed).integers(0, 256, (k, n), dtype=np.uint8)
    return code, np.concatenate([data, code.encode(data)])


@given(codes(), st.randoms())
def test_shards_may_be_added_in_any_order(group: tuple[ReedSolomon, NDArray[np.uint8]], random: Any) -> None:
    code, shards = group
    k = code.data_shards
    order, encoder = list(range(k)), code.encoder()
    random.shuffle(order)
    for count, index in enumerate(order):
        with pytest.raises(Incomplete) as error:
            _ = encoder.parity
        assert error.value.missing == sorted(order[count:])
        encoder.add(index, shards[index])
    assert np.array_equal(encoder.parity, shards[k:])


@given(codes(), st.data())
def test_an_update_is_what_encoding_again_gives(group: tuple[ReedSolomon, NDArray[np.uint8]], data: Any) -> None:
    code, shards = group
    k = code.data_shards
    index = data.draw(st.integers(0, k - 1))
    old, changed, parity = shards[index].copy(), shards[:k].copy(), shards[k:].copy()
    changed[index] ^= data.draw(st.integers(0, 255))
    code.update(parity, index, old, changed[index])
    assert np.array_equal(parity, code.encode(changed))


@given(codes(), st.data())
def test_only_wanted_shards_are_written(group: tuple[ReedSolomon, NDArray[np.uint8]], data: Any) -> None:
    code, whole = group
    total = len(whole)
    present, want = np.ones(total, dtype=bool), np.zeros(total, dtype=bool)
    lost = data.draw(st.lists(st.integers(0, total - 1), max_size=code.parity_shards, unique=True))
    present[lost] = False
    want[data.draw(st.lists(st.integers(0, total - 1), unique=True))] = True
    shards = whole.copy()
    shards[lost] = 0xEE
    expected = np.where((present | want)[:, None], whole, np.uint8(0xEE))
    for _ in range(2):  # solved, and remembered
        code.reconstruct(shards, present, want)
        assert np.array_equal(shards, expected)


def test_an_encoder_refuses_what_does_not_fit_and_goes_on() -> None:
    encoder = ReedSolomon(2, 1).encoder()
    encoder.add(0, b"ab")
    for index, shard in [(0, b"xy"), (2, b"xy"), (-1, b"xy"), (2**80, b"xy"), (1, b"xyz")]:
        with pytest.raises(ShardShapeError):
            encoder.add(index, shard)
    wrong: list[Any] = [1.0, None, "1"]
    for index in wrong:
        with pytest.raises(TypeError):
            encoder.add(index, b"xy")
    with pytest.raises(TypeError):
        encoder.add(1, "xy")  # type: ignore[arg-type]
    encoder.add(1, b"cd")
    assert encoder.parity.tobytes() == bytes([ord("a") ^ ord("c"), ord("b") ^ ord("d")])
    encoder.parity[:] = 0
    assert encoder.parity.any(), "each is a copy"


def test_threads_may_share_an_encoder() -> None:
    code = ReedSolomon(64, 4)
    data = np.random.default_rng(1).integers(0, 256, (64, 5000), dtype=np.uint8)
    encoder = code.encoder()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(encoder.add, range(64), data))
    assert np.array_equal(encoder.parity, code.encode(data))


def test_an_update_refuses_what_does_not_fit() -> None:
    code = ReedSolomon(3, 2)
    parity = code.encode([b"ab", b"cd", b"ef"])
    before = parity.copy()
    for index, old, new in [(3, b"ab", b"cd"), (-1, b"ab", b"cd"), (0, b"abc", b"abc"), (0, b"ab", b"abc")]:
        with pytest.raises(ShardShapeError):
            code.update(parity, index, old, new)
    with pytest.raises(OutputError, match="shares memory"):
        code.update(parity, 0, parity[0], b"ab")
    with pytest.raises(OutputError, match="shares memory"):
        code.update(parity, 0, b"ab", parity[1])
    parity.flags.writeable = False
    with pytest.raises(OutputError, match="read-only"):
        code.update(parity, 0, b"ab", b"cd")
    assert np.array_equal(parity, before)


def test_wanting_needs_enough_shards_too() -> None:
    code = ReedSolomon(3, 2)
    with pytest.raises(TooFewShards):
        code.reconstruct(np.zeros((5, 4), np.uint8), np.arange(5) < 2, np.arange(5) == 4)
    with pytest.raises(ShardShapeError, match=r"expected bool\[5\] as want"):
        code.reconstruct(np.zeros((5, 4), np.uint8), np.ones(5, bool), np.ones(4, bool))


def test_more_patterns_than_a_code_remembers() -> None:
    code = ReedSolomon(12, 4)
    whole = np.random.default_rng(2).integers(0, 256, (16, 50), dtype=np.uint8)
    code.encode(whole[:12], out=whole[12:])
    random = np.random.default_rng(3)
    for _ in range(1500):
        present = random.permutation(16) >= 4
        shards = whole * present[:, None]
        code.reconstruct(shards, present)
        assert np.array_equal(shards, whole)
