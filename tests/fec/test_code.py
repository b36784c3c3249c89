"""The code as a value: parameters, identity, pickling, threads."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from honeylink.errors import CodeParameterError, UnknownMatrix
from honeylink.fec import ReedSolomon

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(("k", "m"), [(1, 0), (256, 0), (1, 255), (255, 1), (10, 5)])
def test_parameters_are_kept(k: int, m: int) -> None:
    code = ReedSolomon(data_shards=k, parity_shards=m)
    assert (code.data_shards, code.parity_shards, code.matrix) == (k, m, "cauchy")


@pytest.mark.parametrize(
    ("k", "m"),
    [
        (0, 0),
        (0, 5),
        (-1, 5),
        (5, -1),
        (257, 0),
        (1, 256),
        (128, 129),
        (2**63, 1),
        (1, -(2**100)),
        (True, 1),
        (1, False),
    ],
)
def test_parameters_out_of_range_are_refused(k: int, m: int) -> None:
    with pytest.raises(CodeParameterError, match="expected data_shards >= 1"):
        ReedSolomon(k, m)


def test_the_refusal_carries_what_was_found() -> None:
    with pytest.raises(CodeParameterError) as error:
        ReedSolomon(-3, 10**5000)
    assert (error.value.data_shards, error.value.parity_shards) == (-3, 2**63 - 1)


@pytest.mark.parametrize("wrong", [1.0, "1", None, np.bool_(True)])
def test_other_types_are_refused(wrong: Any) -> None:
    with pytest.raises(TypeError):
        ReedSolomon(wrong, 1)
    with pytest.raises(TypeError):
        ReedSolomon(1, wrong)


def test_numpy_integers_are_integers() -> None:
    assert ReedSolomon(np.int64(3), np.uint8(2)) == ReedSolomon(3, 2)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "Cauchy", "cauchy ", "\ud800", "no such matrix"])
def test_an_unknown_matrix_is_refused(name: str) -> None:
    with pytest.raises(UnknownMatrix) as error:
        ReedSolomon(10, 5, matrix=name)
    assert error.value.known == ["cauchy", "cauchy-isal", "vandermonde", "rfc5510"]


@pytest.mark.parametrize("name", [None, b"cauchy", 0])
def test_a_matrix_is_named_by_text(name: Any) -> None:
    with pytest.raises(TypeError):
        ReedSolomon(10, 5, matrix=name)


def test_equality_and_hash_are_those_of_the_parameters() -> None:
    code = ReedSolomon(10, 5)
    assert code == ReedSolomon(10, 5, "cauchy")
    assert hash(code) == hash(ReedSolomon(10, 5, "cauchy"))
    others: list[object] = [ReedSolomon(10, 4), ReedSolomon(5, 10), ReedSolomon(11, 5), (10, 5, "cauchy")]
    assert code not in others


def test_a_code_is_immutable_and_final() -> None:
    with pytest.raises(AttributeError):
        ReedSolomon(2, 1).data_shards = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        type("Sub", (ReedSolomon,), {})


def test_copies_are_equal() -> None:
    code = ReedSolomon(10, 5)
    assert eval(repr(code)) == code
    assert copy.deepcopy(code) == copy.copy(code) == code
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(code, protocol)) == code


def test_threads_share_a_code() -> None:
    code = ReedSolomon(8, 4)
    present = np.arange(12) >= 4

    def round_trips(seed: int) -> bool:
        data = np.random.default_rng(seed).integers(0, 256, (8, 5000), dtype=np.uint8)
        shards = np.concatenate([data, code.encode(data)])
        shards[~present] = 0
        code.reconstruct(shards, present)
        return np.array_equal(shards[:8], data) and code.verify(shards)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(round_trips, range(40)))


CODE = ReedSolomon(16, 8)
LONG = np.ones((16, 64 * 1024), dtype=np.uint8)
LONG_PARITY = CODE.encode(LONG)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: CODE.encode(LONG, out=LONG_PARITY), id="encode"),
        pytest.param(lambda: CODE.encoder().add(3, LONG[3]), id="add"),
    ],
)
def test_large_work_releases_the_gil(call: Callable[[], object]) -> None:
    """With a switch interval of minutes, another thread can only run while the codec has let go."""
    is_started, has_run = threading.Event(), threading.Event()

    def other() -> None:
        is_started.wait()
        has_run.set()

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=other)
    thread.start()
    try:
        sys.setswitchinterval(600)
        is_started.set()
        for _ in range(1000):
            call()
            if has_run.is_set():
                break
        assert has_run.is_set()
    finally:
        sys.setswitchinterval(interval)
        thread.join()
