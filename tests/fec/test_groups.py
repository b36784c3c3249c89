"""Many groups in one call: the same as one by one, whatever the layout, and all or nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from honeylink.errors import OutputError, ShardShapeError, TooFewShards
from honeylink.fec import ReedSolomon, empty_shards

G, K, M, N = 5, 4, 2, 70
CODE = ReedSolomon(K, M)
DATA = np.random.default_rng(5).integers(0, 256, (G, K, N), dtype=np.uint8)
PARITY = np.stack([CODE.encode(group) for group in DATA])
SHARDS = np.concatenate([DATA, PARITY], axis=1)
PRESENT = np.random.default_rng(6).permuted(np.tile(np.arange(K + M) >= M, (G, 1)), axis=1)


def padded() -> Any:
    shards = empty_shards(K + M, N, groups=G)
    shards[...] = SHARDS
    return shards


@pytest.mark.parametrize(
    "shards",
    [
        pytest.param(SHARDS, id="contiguous"),
        pytest.param(padded(), id="padded"),
        pytest.param(SHARDS.transpose(1, 0, 2).copy().transpose(1, 0, 2), id="groups inside shards"),
        pytest.param(SHARDS[::-1].copy()[::-1], id="groups backwards"),
        pytest.param(SHARDS[:, ::-1].copy()[:, ::-1], id="shards backwards"),
    ],
)
def test_any_layout_gives_what_single_calls_give(shards: Any) -> None:
    assert np.array_equal(CODE.encode_groups(shards[:, :K]), PARITY)
    filled = np.empty_like(shards)
    view = as_strided(np.zeros(shards.nbytes + 9999, np.uint8), shards.shape, np.abs(shards.strides))
    for received in (filled, view):
        received[:, :K] = shards[:, :K]
        assert CODE.encode_groups(received[:, :K], out=received[:, K:]) is not None
        assert np.array_equal(received, SHARDS)
        received[~PRESENT] = 0xEE
        CODE.reconstruct_groups(received, PRESENT)
        assert np.array_equal(received, SHARDS)


def test_no_groups_and_empty_shards() -> None:
    assert CODE.encode_groups(DATA[:0]).shape == (0, M, N)
    assert CODE.encode_groups(DATA[..., :0]).shape == (G, M, 0)
    CODE.reconstruct_groups(SHARDS[:0].copy(), PRESENT[:0])


def test_one_group_that_is_past_help_leaves_all_as_they_are() -> None:
    shards, present = SHARDS.copy(), PRESENT.copy()
    present[3] = False
    with pytest.raises(TooFewShards, match="in group 3, found 0") as error:
        CODE.reconstruct_groups(shards, present)
    assert (error.value.have, error.value.need, error.value.group) == (0, K, 3)
    assert np.array_equal(shards, SHARDS)


@pytest.mark.parametrize("shape", [(G, K + 1, N), (K, N), (G, K, N, 1)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShardShapeError, match=r"expected uint8\[g, 4, n\] as data"):
        CODE.encode_groups(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("shape", [(G + 1, M, N), (G, M, N + 1), (M, N)])
def test_an_out_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShardShapeError, match=r"expected uint8\[5, 2, 70\] as out"):
        CODE.encode_groups(DATA, out=np.zeros(shape, np.uint8))


@pytest.mark.parametrize("strides", [(0, N, 1), (N, N, 1), (K * N - 1, N, 1), (9999, N - 1, 1), (1, 9999, 1)])
def test_outputs_that_overlap_themselves_are_refused(strides: tuple[int, ...]) -> None:
    memory = np.zeros(G * 99999, dtype=np.uint8)
    shards = as_strided(memory, (G, K + M, N), strides)
    with pytest.raises(OutputError, match="rows overlap"):
        CODE.reconstruct_groups(shards, PRESENT)
    assert not memory.any()


def test_an_out_that_shares_memory_with_data_is_refused() -> None:
    memory = np.zeros((G, K + M, N), dtype=np.uint8)
    for out in (memory[:, K - 1 : K - 1 + M], memory[::-1, :M], memory.reshape(-1)[1 : 1 + G * M * N].reshape(G, M, N)):
        with pytest.raises(OutputError, match="shares memory"):
            CODE.encode_groups(memory[:, :K], out=out)


@pytest.mark.parametrize("n", [70, 9000])
def test_groups_that_lose_nothing_and_groups_that_lose_much(n: int) -> None:
    code, random = ReedSolomon(5, 4), np.random.default_rng(8)
    whole = random.integers(0, 256, (30, 9, n), dtype=np.uint8)
    assert code.encode_groups(whole[:, :5], out=whole[:, 5:]) is not None
    assert np.array_equal(whole[:, 5:], [code.encode(group[:5]) for group in whole])
    present = random.permuted(np.arange(9) >= random.integers(0, 5, (30, 1)), axis=1)
    received = np.where(present[..., None], whole, np.uint8(0xEE))
    code.reconstruct_groups(received, present)
    assert np.array_equal(received, whole)


def test_parts_of_the_same_groups_in_another_order() -> None:
    memory = np.zeros((20000, K + M, 64), dtype=np.uint8)
    backwards = memory[::-1]
    memory[:, :K] = np.random.default_rng(7).integers(0, 256, (K, 64), dtype=np.uint8)
    assert CODE.encode_groups(memory[:, :K], out=backwards[:, K:]) is not None
    assert np.array_equal(memory[0, K:], CODE.encode(memory[0, :K]))
    before = memory.copy()
    for first in (K - 1, 0):  # a shard of each group meets one of another
        with pytest.raises(OutputError, match="shares memory"):
            CODE.encode_groups(memory[:, :K], out=backwards[:, first : first + M])
    with pytest.raises(OutputError, match="shares memory"):
        CODE.encode_groups(memory[1:, :K], out=memory.reshape(-1)[63:-321].reshape(-1, K + M, 64)[::-1, K:])
    assert np.array_equal(memory, before)


def test_nothing_to_do_is_done_at_once() -> None:
    groups = 2**50
    assert CODE.encode_groups(np.zeros((groups, K, 0), dtype=np.uint8)).shape == (groups, M, 0)
    endless = np.broadcast_to(np.zeros((1, K, 1), dtype=np.uint8), (groups, K, 1))
    assert ReedSolomon(K, 0).encode_groups(endless).shape == (groups, 0, 1)


def test_empty_shards_lie_on_cache_lines_an_odd_number_of_lines_apart() -> None:
    for n in (0, 1, 64, 65, 1200, 4096, 65536):
        shards = empty_shards(7, n, groups=3)
        assert shards.shape == (3, 7, n)
        assert shards.dtype == np.uint8
        if n:
            assert shards.ctypes.data % 64 == 0
            assert shards.strides[1] % 128 == 64
            assert shards.strides[0] == 7 * shards.strides[1]
    assert empty_shards(3, 10).shape == (3, 10)
    for count, n, groups in [(-1, 10, None), (3, -1, None), (3, 10, -1)]:
        with pytest.raises(ShardShapeError, match="expected no negative number"):
            empty_shards(count, n, groups)
