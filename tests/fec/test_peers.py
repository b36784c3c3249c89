"""Byte for byte the codes of others, asked for by name: their users can move with the shards they have."""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from honeylink.fec import ReedSolomon

if TYPE_CHECKING:
    from numpy.typing import NDArray

CODES = [(1, 1), (2, 1), (3, 2), (10, 1), (10, 2), (10, 5), (17, 3), (50, 20), (128, 32), (128, 128), (200, 56)]


def data_of(k: int) -> NDArray[np.uint8]:
    return np.random.default_rng(k).integers(0, 256, (k, 100), dtype=np.uint8)


@pytest.mark.parametrize(("k", "m"), CODES)
def test_rfc5510_is_zfec(k: int, m: int) -> None:
    zfec = pytest.importorskip("zfec")
    data = data_of(k)
    expected = zfec.Encoder(k, k + m).encode([row.tobytes() for row in data], list(range(k, k + m)))
    assert [row.tobytes() for row in ReedSolomon(k, m, "rfc5510").encode(data)] == expected


def isa_l() -> ctypes.CDLL:
    """ISA-L, as the wheel of pyeclib brings it."""
    spec = importlib.util.find_spec("pyeclib")
    if spec is None or spec.origin is None:
        pytest.skip("pyeclib is not installed: its wheels are for Linux on x86-64")
    libraries = list((Path(spec.origin).parent.parent / "pyeclib.libs").glob("libisal*"))
    assert libraries, "this wheel of pyeclib brings no ISA-L"
    return ctypes.CDLL(str(libraries[0]))


@pytest.mark.parametrize(("k", "m"), CODES)
def test_cauchy_isal_is_isa_l(k: int, m: int) -> None:
    library, data = isa_l(), data_of(k)
    shard_bytes = data.shape[1]
    matrix, tables = ctypes.create_string_buffer((k + m) * k), ctypes.create_string_buffer(32 * k * m)
    library.gf_gen_cauchy1_matrix(matrix, k + m, k)
    library.ec_init_tables(k, m, ctypes.byref(matrix, k * k), tables)
    expected = np.zeros((m, shard_bytes), np.uint8)
    inputs = (ctypes.c_void_p * k)(*(data.ctypes.data + row * shard_bytes for row in range(k)))
    outputs = (ctypes.c_void_p * m)(*(expected.ctypes.data + row * shard_bytes for row in range(m)))
    library.ec_encode_data(shard_bytes, k, m, tables, inputs, outputs)
    assert np.array_equal(ReedSolomon(k, m, "cauchy-isal").encode(data), expected)


def test_vandermonde_is_that_of_backblaze() -> None:
    """Its bytes for 4 + 2. The Rust tests compare it at length with the crate reed-solomon-erasure."""
    data = np.array([[0, 1], [4, 5], [2, 3], [6, 7]], dtype=np.uint8)
    assert ReedSolomon(4, 2, "vandermonde").encode(data).tolist() == [[44, 45], [40, 41]]
