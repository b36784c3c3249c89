"""Derived keys: HKDF-SHA512 (RFC 5869) over a key that is stored wrapped.

The salt is a constant: such a key is uniformly random already, and RFC 5869 (section 3.1) allows a public, reused salt.
What makes each key its own is the context, with all ids in it.

The keys of sessions are derived in the same way in `rust/sessions`, those of a whole group in one call.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from honeylink.keys.secret import KEY_BYTES, Secret

SALT = b"honeylink/hkdf/1"
_SHA512 = SHA512()
# HKDF-Extract (section 2.2) is an HMAC keyed by the salt, which is the same each time: that much is done once.
_EXTRACT = HMAC(SALT, _SHA512)


def derive(key: Secret, context: bytes) -> Secret:
    """32 bytes of HKDF-SHA512 from `key`, bound to `context`."""
    extract = _EXTRACT.copy()
    extract.update(key.reveal())
    return Secret(HKDFExpand(algorithm=_SHA512, length=KEY_BYTES, info=context).derive(extract.finalize()))
