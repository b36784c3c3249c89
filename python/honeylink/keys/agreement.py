"""X25519 public keys (RFC 7748): which of them lead to no secret."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

# Any will do, and it is no secret: with a point of low order all of them agree on zero, with others none does.
_ANY_KEY = X25519PrivateKey.from_private_bytes(bytes(range(32)))


def is_low_order(public_key: bytes) -> bool:
    """Whether a public key of 32 bytes is a point of low order, in whichever of its encodings.

    Whoever used one would share a secret that everybody knows: all zeros, for which RFC 7748, section 6.1, has
    implementations look. The library does so.

    Example:
        >>> is_low_order(bytes(32))
        True
        >>> is_low_order(bytes([9]) + bytes(31))
        False
    """
    try:
        _ANY_KEY.exchange(X25519PublicKey.from_public_bytes(public_key))
    except ValueError:
        return True
    return False
