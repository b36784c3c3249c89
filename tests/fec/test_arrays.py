"""Which arrays the codec takes, which it refuses, and that a refusal writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from honeylink.errors import FecError, OutputError, ShardShapeError, TooFewShards
from honeylink.fec import ReedSolomon

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

K, M, N = 4, 2, 32
CODE = ReedSolomon(K, M)
ALL_PRESENT = np.ones(K + M, dtype=bool)
ONE_LOST = np.array([False] + [True] * (K + M - 1))


def numbers(*shape: int) -> NDArray[np.uint8]:
    return (np.arange(np.prod(shape)) * 7 % 251).astype(np.uint8).reshape(shape)


DATA = numbers(K, N)
PARITY = CODE.encode(DATA)
SHARDS = np.concatenate([DATA, PARITY])


def test_out_is_filled_and_returned() -> None:
    out = np.full((M, N), 0xA5, dtype=np.uint8)
    assert CODE.encode(DATA, out=out) is out
    assert np.array_equal(out, PARITY)


def test_a_new_array_owns_its_memory() -> None:
    parity = CODE.encode(DATA)
    assert parity.shape == (M, N)
    assert parity.dtype == np.uint8
    assert parity.flags.owndata
    assert parity.flags.writeable


@pytest.mark.parametrize(
    "stretch",
    [
        pytest.param(lambda shards: np.repeat(shards, 2, axis=0)[::2], id="every second row"),
        pytest.param(lambda shards: shards[::-1].copy()[::-1], id="rows backwards"),
        pytest.param(lambda shards: np.pad(shards, ((0, 0), (3, 5)))[:, 3:-5], id="rows with margins"),
    ],
)
def test_rows_may_be_at_any_distance(stretch: Any) -> None:
    spread = stretch(SHARDS)
    assert np.array_equal(CODE.encode(spread[:K]), PARITY)
    assert CODE.verify(spread)
    spread[0] = 0
    CODE.reconstruct(spread, ONE_LOST)
    assert np.array_equal(spread, SHARDS)


def test_writing_to_spread_rows_leaves_the_gaps_alone() -> None:
    memory = np.full((2 * M, N + 4), 0xA5, dtype=np.uint8)
    CODE.encode(DATA, out=memory[::2, 2:-2])
    assert np.array_equal(memory[::2, 2:-2], PARITY)
    memory[::2, 2:-2] = 0xA5
    assert np.all(memory == 0xA5)


def test_interleaved_rows_do_not_overlap() -> None:
    memory = np.zeros((2 * K, N), dtype=np.uint8)
    memory[::2] = DATA
    CODE.encode(memory[::2], out=memory[1 : 2 * M : 2])
    assert np.array_equal(memory[1 : 2 * M : 2], PARITY)


def test_data_may_be_read_only_and_repeat_itself() -> None:
    same = np.broadcast_to(DATA[0], (K, N))
    assert np.array_equal(CODE.encode(same), CODE.encode(same.copy()))


def test_a_single_column_needs_no_layout() -> None:
    assert np.array_equal(CODE.encode(DATA[:, :1]), PARITY[:, :1])


def test_present_may_be_strided_or_hold_any_byte() -> None:
    shards = SHARDS.copy()
    shards[0] = 0
    CODE.reconstruct(shards, np.repeat(ONE_LOST, 3)[::3])
    assert np.array_equal(shards, SHARDS)
    shards[0] = 0
    CODE.reconstruct(shards, np.array([0, 2, 4, 8, 255, 1], dtype=np.uint8).view(np.bool_))
    assert np.array_equal(shards, SHARDS)


def test_empty_shards_without_memory() -> None:
    class Nothing:
        __array_interface__ = {"shape": (K, 0), "typestr": "|u1", "data": (0, True), "version": 3}  # noqa: RUF012

    assert CODE.encode(np.asarray(Nothing())).shape == (M, 0)


@pytest.mark.parametrize(
    ("shards", "found"),
    [
        pytest.param(numbers(K + M, N).astype(np.int16), "int16[6, 32]", id="dtype"),
        pytest.param(numbers(K + M, N).view(np.int8), "int8[6, 32]", id="signed"),
        pytest.param(numbers(K + M, N).astype(bool), "bool[6, 32]", id="bool"),
        pytest.param(numbers(K + M + 1, N), "uint8[7, 32]", id="rows"),
        pytest.param(numbers(K + M), "uint8[6]", id="one axis"),
        pytest.param(numbers(K + M, N, 1), "uint8[6, 32, 1]", id="three axes"),
        pytest.param(np.zeros((), np.uint8), "uint8[]", id="no axis"),
        pytest.param(np.asfortranarray(numbers(K + M, N)), "6 bytes from one", id="columns first"),
        pytest.param(numbers(K + M, 2 * N)[:, ::2], "2 bytes from one", id="every second column"),
        pytest.param(numbers(K + M, N)[:, ::-1], "-1 bytes from one", id="columns backwards"),
    ],
)
def test_other_shapes_are_refused(shards: Any, found: str) -> None:
    before = shards.copy()
    calls: list[Callable[[], object]] = [
        lambda: CODE.reconstruct(shards, ONE_LOST),
        lambda: CODE.verify(shards),
    ]
    if shards.ndim != 1:  # which would be a run of bytes
        calls.append(lambda: ReedSolomon(K + M, 1).encode(shards))
    for call in calls:
        with pytest.raises(ShardShapeError) as error:
            call()
        if shards.shape[:1] != (K + M + 1,):
            assert found in error.value.found
    assert np.array_equal(shards, before)


@pytest.mark.parametrize("shape", [(M, N + 1), (M + 1, N), (M * N,)])
def test_an_out_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    out = np.full(shape, 0xA5, dtype=np.uint8)
    with pytest.raises(ShardShapeError, match=r"expected uint8\[2, 32\] as out, found uint8"):
        CODE.encode(DATA, out=out)
    assert np.all(out == 0xA5)


@pytest.mark.parametrize("present", [np.ones(K, dtype=bool), np.ones((K + M, 1), dtype=bool), np.ones(K + M, np.uint8)])
def test_other_presence_is_refused(present: Any) -> None:
    shards = SHARDS.copy()
    with pytest.raises(ShardShapeError, match=r"expected bool\[6\] as present, found"):
        CODE.reconstruct(shards, present)
    assert np.array_equal(shards, SHARDS)


def test_too_few_shards() -> None:
    shards = SHARDS.copy()
    with pytest.raises(TooFewShards) as error:
        CODE.reconstruct(shards, np.arange(K + M) < K - 1)
    assert (error.value.have, error.value.need) == (K - 1, K)
    assert np.array_equal(shards, SHARDS)


def test_read_only_outputs_are_refused() -> None:
    for lock in (SHARDS.copy(), np.frombuffer(SHARDS.tobytes(), dtype=np.uint8).reshape(SHARDS.shape)):
        lock.flags.writeable = False
        with pytest.raises(OutputError, match="read-only"):
            CODE.encode(DATA, out=lock[:M])
        with pytest.raises(OutputError, match="read-only"):
            CODE.reconstruct(lock, ONE_LOST)
        assert np.array_equal(lock, SHARDS)


@pytest.mark.parametrize("row_stride", [0, 1, N - 1, -1, 1 - N])
def test_outputs_that_overlap_themselves_are_refused(row_stride: int) -> None:
    memory = np.full((K + M) * N, 0xA5, dtype=np.uint8)
    start = memory[(K + M - 1) * N :] if row_stride < 0 else memory
    shards = as_strided(start, (K + M, N), (row_stride, 1))
    with pytest.raises(OutputError, match="rows overlap"):
        CODE.encode(DATA, out=shards[:M])
    with pytest.raises(OutputError, match="rows overlap"):
        CODE.reconstruct(shards, ONE_LOST)
    assert np.all(memory == 0xA5)


@pytest.mark.parametrize("shift", [0, 1, N - 1, N, (K - 1) * N, K * N - 1])
def test_an_out_that_shares_memory_with_data_is_refused(shift: int) -> None:
    memory = numbers((K + M) * N)
    before = memory.copy()
    with pytest.raises(OutputError, match="shares memory with the input"):
        CODE.encode(memory[: K * N].reshape(K, N), out=memory[shift : shift + M * N].reshape(M, N))
    assert np.array_equal(memory, before)


def test_two_arrays_on_one_buffer_are_seen() -> None:
    memory = bytearray(numbers(K * N).tobytes())
    data, out = (np.frombuffer(memory, dtype=np.uint8).reshape(K, N) for _ in range(2))
    with pytest.raises(OutputError):
        CODE.encode(data, out=out[:M])


@pytest.mark.parametrize("wrong", [None, b"bytes", [[1, 2]], memoryview(b"x"), 7])
def test_other_types_are_refused(wrong: Any) -> None:
    for call in (
        lambda: CODE.verify(wrong),
        lambda: CODE.reconstruct(wrong, ALL_PRESENT),
        lambda: CODE.reconstruct(SHARDS.copy(), wrong),
    ):
        with pytest.raises(TypeError, match="expected a NumPy array, found"):
            call()
    if wrong is not None:
        with pytest.raises(TypeError, match="out: expected a NumPy array"):
            CODE.encode(DATA, out=wrong)


def test_no_memory_is_an_exception() -> None:
    endless = as_strided(np.zeros(1, dtype=np.uint8), (1, 2**55), (0, 1))
    with pytest.raises(MemoryError):
        ReedSolomon(1, 2).encode(endless)
    groups = 2**45
    present = np.broadcast_to(np.ones((1, 3), dtype=bool), (groups, 3))
    with pytest.raises(MemoryError):
        ReedSolomon(2, 1).reconstruct_groups(np.zeros((groups, 3, 0), dtype=np.uint8), present)


def test_every_refusal_is_a_fec_error_and_a_value_error() -> None:
    with pytest.raises(FecError) as error:
        CODE.encode(DATA[:1])
    assert isinstance(error.value, ValueError)
