"""The forms in which data may come, and that each gives the same parity."""

from __future__ import annotations

from collections import UserList, deque
from typing import Any

import numpy as np
import pytest

from honeylink.errors import OutputError, ShardShapeError
from honeylink.fec import ReedSolomon

K, M, N = 4, 2, 33
CODE = ReedSolomon(K, M)
DATA = (np.arange(K * N) * 7 % 251).astype(np.uint8).reshape(K, N)
PARITY = CODE.encode(DATA)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param([row.tobytes() for row in DATA], id="list of bytes"),
        pytest.param(tuple(bytearray(row.tobytes()) for row in DATA), id="tuple of bytearrays"),
        pytest.param([row.data for row in DATA], id="memoryviews"),
        pytest.param(list(DATA), id="arrays of one axis"),
        pytest.param([DATA[0], DATA[1].tobytes(), bytearray(DATA[2]), memoryview(DATA[3])], id="mixed"),
        pytest.param(DATA.tobytes(), id="bytes"),
        pytest.param(bytearray(DATA.tobytes()), id="bytearray"),
        pytest.param(memoryview(DATA.tobytes()), id="memoryview"),
        pytest.param(DATA.reshape(-1), id="array of one axis"),
        pytest.param(deque(row.tobytes() for row in DATA), id="deque"),
        pytest.param(UserList(DATA), id="a class of sequences"),
    ],
)
def test_each_form_gives_the_same_parity(data: Any) -> None:
    assert np.array_equal(CODE.encode(data), PARITY)
    out = np.empty_like(PARITY)
    assert CODE.encode(data, out=out) is out
    assert np.array_equal(out, PARITY)


def test_empty_shards_come_in_each_form() -> None:
    for data in (b"", [b""] * K, np.zeros((K, 0), np.uint8)):
        assert CODE.encode(data).shape == (M, 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(bytes(K * N + 1), "expected a multiple of 4 bytes as data, found 133", id="odd length"),
        pytest.param([b"ab"] * (K - 1), "expected 4 rows of data, found 3", id="too few rows"),
        pytest.param(range(10**12), "expected 4 rows of data, found 1000000000000", id="too many rows"),
        pytest.param([b"ab", b"ab", np.zeros(1, np.int16), b"ab"], "expected row 2 of data of uint8", id="row's dtype"),
        pytest.param([b"ab", b"ab", b"abc", b"ab"], "expected rows of 2 bytes like the first, found 3 bytes in row 2"),
        pytest.param(np.zeros(K, np.int16), "expected data of uint8, found ndarray of other items", id="dtype"),
        pytest.param(memoryview(bytes(8))[::2], "expected data with all bytes adjacent", id="gaps"),
    ],
)
def test_what_does_not_fit_is_refused(data: Any, message: str) -> None:
    with pytest.raises(ShardShapeError, match=message):
        CODE.encode(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        *((data, "data: expected bytes") for data in (None, 7, "text", object(), {b"a": 1}, {b"ab"})),
        *((data, "row 0 of data: expected bytes") for data in ([1, 2, 3, 4], [None] * K, range(K))),
        ([b"ab", b"ab", "ab", b"ab"], "row 2 of data: expected bytes"),
    ],
)
def test_what_is_not_bytes_is_a_type_error(data: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message + ", or what is like them, found"):
        CODE.encode(data)


def test_what_a_sequence_raises_is_raised() -> None:
    class Broken(UserList[bytes]):
        def __len__(self) -> int:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        CODE.encode(Broken([b"ab"] * K))


def test_an_out_over_the_bytes_of_a_row_is_refused() -> None:
    memory = bytearray(DATA.tobytes())
    out = np.frombuffer(memory, np.uint8)[: M * N].reshape(M, N)
    before = bytes(memory)
    for data in (memory, [memory[row * N : row * N + N] for row in range(K - 1)] + [memoryview(memory)[:N]]):
        with pytest.raises(OutputError, match="shares memory"):
            CODE.encode(data, out=out)
    assert memory == before


def test_buffers_are_released() -> None:
    row = bytearray(N)
    CODE.encode([row] * K)
    row.append(0)  # raises while a buffer of it is held
