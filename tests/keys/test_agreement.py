"""Which public keys of X25519 lead to no secret."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from honeylink.keys.agreement import is_low_order

PRIME = 2**255 - 19
# The u-coordinates of all points of low order on the curve and its twist; the last two are of order 8.
LOW_ORDER = [
    0,
    1,
    PRIME - 1,
    int.from_bytes(bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"), "little"),
    int.from_bytes(bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"), "little"),
]
# RFC 7748, section 5: the top bit is masked, and coordinates are taken modulo the prime.
ENCODINGS = [
    coordinate + top
    for low in LOW_ORDER
    for coordinate in (low, low + PRIME)
    if coordinate < 2**255
    for top in (0, 2**255)
]


@pytest.mark.parametrize("coordinate", ENCODINGS, ids=hex)
def test_each_encoding_of_a_point_of_low_order_is_found(coordinate: int) -> None:
    assert is_low_order(coordinate.to_bytes(32, "little"))


@pytest.mark.parametrize("coordinate", [2, 9, PRIME - 2, 2**255 + 9], ids=hex)
def test_neighbours_of_these_are_keys(coordinate: int) -> None:
    assert not is_low_order(coordinate.to_bytes(32, "little"))


def test_what_the_library_makes_is_a_key() -> None:
    assert not is_low_order(X25519PrivateKey.generate().public_key().public_bytes_raw())
