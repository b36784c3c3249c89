"""Every engine this machine has, each in a process of its own, from the fastest down to the portable one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from honeylink.errors import UnknownEngine
from honeylink.fec import engine, engines

# Codes of each size of pass, lengths around each vector, losses, and each way to a parity; one hash of all.
WORK = """
import hashlib
import numpy as np
from honeylink.fec import ReedSolomon, engine

random, told = np.random.default_rng(1), hashlib.sha256()
for matrix in ("cauchy", "cauchy-isal", "vandermonde", "rfc5510"):
    for k, m in [(1, 1), (3, 2), (10, 1), (10, 5), (20, 9), (50, 20), (128, 128)]:
        for n in (0, 1, 15, 17, 63, 64, 65, 255, 257, 1200, 5000):
            code = ReedSolomon(k, m, matrix)
            shards = random.integers(0, 256, (k + m, n), dtype=np.uint8)
            code.encode(shards[:k], out=shards[k:])
            told.update(shards.tobytes())
            present = random.permutation(k + m) >= m
            received = shards * present[:, None]
            code.reconstruct(received, present)
            assert np.array_equal(received, shards) and code.verify(shards)
            want = random.permutation(k + m) < (k + m) // 2
            received = shards * present[:, None]
            code.reconstruct(received, present, want)
            assert np.array_equal(received, shards * (present | want)[:, None])
            encoder, changed, parity = code.encoder(), shards[:k].copy(), shards[k:].copy()
            for index in reversed(range(k)):
                encoder.add(index, shards[index])
            assert np.array_equal(encoder.parity, parity)
            changed[k // 2] ^= 29
            code.update(parity, k // 2, shards[k // 2], changed[k // 2])
            assert np.array_equal(parity, code.encode(changed))
            groups = np.stack([shards, np.concatenate([changed, parity])])
            assert np.array_equal(code.encode_groups(groups[:, :k]), groups[:, k:])
            flags = np.stack([present, present[::-1]])
            received = groups * flags[..., None]
            code.reconstruct_groups(received, flags)
            assert np.array_equal(received, groups)
            told.update(parity.tobytes())
print(engine(), told.hexdigest())
"""


def run(name: str, work: str = WORK) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HONEYLINK_FEC_ENGINE": name}
    return subprocess.run([sys.executable, "-c", work], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def portable() -> str:
    return run("portable").stdout


@pytest.mark.parametrize("name", engines())
def test_each_engine_gives_the_bytes_of_the_portable_one(name: str, portable: str) -> None:
    result = run(name)
    assert result.returncode == 0, result.stderr
    assert result.stdout == portable.replace("portable", name)


def test_the_fastest_is_in_use() -> None:
    assert engines()[-1] == "portable"
    assert engine() == os.environ.get("HONEYLINK_FEC_ENGINE", engines()[0])
    assert run("", "from honeylink.fec import engine; print(engine())").stdout.strip() == engines()[0]


@pytest.mark.parametrize("name", ["abacus", "AVX2", "portable "])
def test_a_wrong_name_fails_the_import(name: str) -> None:
    catch = (
        "from honeylink.errors import UnknownEngine\n"
        "try: import honeylink.fec\n"
        "except UnknownEngine as error: print(error.name, *error.known, sep='|')"
    )
    assert run(name, catch).stdout.rstrip("\n") == "|".join([name, *engines()])
    assert issubclass(UnknownEngine, ValueError)
