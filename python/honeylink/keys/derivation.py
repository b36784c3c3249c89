"""Session and stream keys: HKDF-SHA512 (RFC 5869) over the device master key.

The salt is a constant: the master key is uniformly random already, and RFC 5869 (section 3.1) allows a public, reused
salt. What makes each key its own is the context, with all ids in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from honeylink.keys import contexts
from honeylink.keys.secret import KEY_BYTES, Secret

if TYPE_CHECKING:
    from uuid import UUID

SALT = b"honeylink/hkdf/1"
_SHA512 = SHA512()
# HKDF-Extract (section 2.2) is an HMAC keyed by the salt, which is the same each time: that much is done once.
_EXTRACT = HMAC(SALT, _SHA512)


def derive(key: Secret, context: bytes) -> Secret:
    """32 bytes of HKDF-SHA512 from `key`, bound to `context`."""
    extract = _EXTRACT.copy()
    extract.update(key.reveal())
    return Secret(HKDFExpand(algorithm=_SHA512, length=KEY_BYTES, info=context).derive(extract.finalize()))


def session_key(device_master_key: Secret, tenant_id: UUID, device_id: str, session_id: UUID) -> Secret:
    """The key of one session of one device."""
    return derive(
        device_master_key,
        contexts.encode("session", tenant_id.bytes, device_id.encode(), session_id.bytes),
    )


def stream_key(key: Secret, session_id: UUID, stream_id: UUID) -> Secret:
    """The key of one stream, from its session's key."""
    return derive(key, contexts.encode("stream", session_id.bytes, stream_id.bytes))
