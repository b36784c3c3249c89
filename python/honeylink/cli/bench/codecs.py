"""How each codec is called, by the quickest way that its API has, and the proof that it does its work.

Importing this module settles the engine of `honeylink.fec`.
"""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import numpy as np

from honeylink import __version__
from honeylink.cli.bench.cases import Case, Codec, CodecFailed, Operation
from honeylink.fec import ReedSolomon, empty_shards, engine, engines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_REEDSOLO_SHARD_BYTES_MAX = 2048  # it is pure Python: more takes seconds and says nothing new
_LIBERASURECODE_SHARDS_MAX = 32


@dataclass(frozen=True)
class Prepared:
    """A call whose result was found right.

    Attributes:
        call: what is timed.
        parity_digest: of codecs that have to give the same parity; empty for those that are alone with theirs.
    """

    call: Callable[[], object]
    parity_digest: str = ""


def installed() -> list[Codec]:
    """Our engines, the fastest first, and the peers that are there."""
    ours = [Codec("honeylink", __version__, engine) for engine in engines()]
    return ours + [Codec(name, found) for name in PEERS if (found := _version(name)) is not None]


def missing() -> list[str]:
    """Peers that could be measured too if they were installed."""
    return [name for name in PEERS if _version(name) is None]


def prepare(codec: Codec, case: Case) -> Prepared | None:
    """Make ready what is to be timed, and prove that it is right; None if the codec is not made for that case."""
    if not codec.engine:
        return PEERS[codec.package](case)
    if engine() != codec.engine:
        raise CodecFailed(f"expected the engine {codec.engine} in use, found {engine()}")
    return _honeylink(case)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _check(is_right: object, expected: str) -> None:
    if not is_right:
        raise CodecFailed(f"expected {expected}, found other bytes")


def _honeylink(case: Case) -> Prepared:
    k, lost = case.data_shards, case.lost_shards
    code = ReedSolomon(k, case.parity_shards)
    shards = empty_shards(k + case.parity_shards, case.shard_bytes)
    data, parity = shards[:k], shards[k:]
    data[:] = case.data()
    code.encode(data, parity)
    _check(np.array_equal(parity[0], np.bitwise_xor.reduce(data)), "the XOR of the data as first parity shard")
    whole, present = shards.copy(), np.arange(len(shards)) >= lost
    shards[:lost] = 0
    code.reconstruct(shards, present)
    _check(np.array_equal(shards, whole), "the lost shards back")
    digest = hashlib.sha256(whole[k:].tobytes()).hexdigest()
    if case.operation is Operation.ENCODE:
        return Prepared(partial(code.encode, data, parity), digest)
    return Prepared(partial(code.reconstruct, shards, present), digest)


def _zfec(module: str, case: Case) -> Prepared:
    """Both zfec and its fork zfex: the code of RFC 5510."""
    library = importlib.import_module(module)
    k, lost = case.data_shards, case.lost_shards
    total = k + case.parity_shards
    data = [row.tobytes() for row in case.data()]
    numbers = list(range(k, total))
    encoder, decoder = library.Encoder(k, total), library.Decoder(k, total)
    parity = encoder.encode(data, numbers)
    expected = ReedSolomon(k, case.parity_shards, "rfc5510").encode(data)
    _check([bytes(row) for row in parity] == [row.tobytes() for row in expected], "the parity of RFC 5510")
    # A data shard that is there has to stand in its own place.
    have, their_numbers = [*parity[:lost], *data[lost:]], [*numbers[:lost], *range(lost, k)]
    _check([bytes(row) for row in decoder.decode(have, their_numbers)] == data, "the data back")
    if case.operation is Operation.ENCODE:
        return Prepared(partial(encoder.encode, data, numbers))
    return Prepared(partial(decoder.decode, have, their_numbers))


def _pyeclib(case: Case) -> Prepared | None:
    """ISA-L through liberasurecode, which copies shards and puts a header before each."""
    if case.data_shards + case.parity_shards > _LIBERASURECODE_SHARDS_MAX:
        return None
    driver = importlib.import_module("pyeclib.ec_iface").ECDriver(
        k=case.data_shards, m=case.parity_shards, ec_type="isa_l_rs_cauchy"
    )
    data = case.data().tobytes()
    have = driver.encode(data)[case.lost_shards :]
    _check(driver.decode(have) == data, "the data back")
    return Prepared(
        partial(driver.encode, data) if case.operation is Operation.ENCODE else partial(driver.decode, have)
    )


def _reedsolo(case: Case) -> Prepared | None:
    """Each column of the shards is a word of its own."""
    if case.shard_bytes > _REEDSOLO_SHARD_BYTES_MAX:
        return None
    total, lost = case.data_shards + case.parity_shards, list(range(case.lost_shards))
    code = importlib.import_module("reedsolo").RSCodec(case.parity_shards, nsize=total)
    data = case.data().T.tobytes()

    def decode() -> Sequence[tuple[bytearray, ...]]:
        return [code.decode(word, erase_pos=lost) for word in words]

    sent = np.frombuffer(bytes(code.encode(data)), dtype=np.uint8).reshape(-1, total)
    words = [bytearray(len(lost)) + bytearray(word[len(lost) :]) for word in sent]
    _check(b"".join(bytes(word) for word, *_ in decode()) == data, "the data back")
    return Prepared(partial(code.encode, data) if case.operation is Operation.ENCODE else decode)


PEERS: dict[str, Callable[[Case], Prepared | None]] = {
    "zfec": partial(_zfec, "zfec"),
    "zfex": partial(_zfec, "zfex"),
    "pyeclib": _pyeclib,
    "reedsolo": _reedsolo,
}
"""By the name of the package, which is that of the module too."""
