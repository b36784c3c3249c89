"""What a key is bound to, as bytes that can be read in one way only."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

_MAGIC = b"HL1"
_u16 = struct.Struct(">H").pack
_u32 = struct.Struct(">I").pack


def encode(label: str, *fields: bytes) -> bytes:
    r"""Encode a label and fields, each behind its length, so that no field can pose as two.

    `"HL1" ‖ u16 length ‖ label ‖ u16 count ‖ (u32 length ‖ value)*`, big-endian.

    Args:
        label: what the key is for, at most 65535 bytes of UTF-8.
        fields: raw ids and other values, at most 65535 of them.

    Raises:
        ValueError: a length that its prefix can't hold.

    Example:
        >>> encode("stream", b"\x01\x02").hex(" ")
        '48 4c 31 00 06 73 74 72 65 61 6d 00 01 00 00 00 02 01 02'
    """
    name = label.encode()
    try:
        parts = [_MAGIC, _u16(len(name)), name, _u16(len(fields))]
        for value in fields:
            parts += (_u32(len(value)), value)
    except struct.error:
        raise ValueError(
            f"expected lengths that fit their prefix, found a label of {len(name)} bytes and {len(fields)} fields"
        ) from None
    return b"".join(parts)


def device_master_key_context(tenant_id: UUID, device_id: str) -> bytes:
    """What a device's master key is wrapped for."""
    return encode("dmk", tenant_id.bytes, device_id.encode())


def data_key_context(tenant_id: UUID, dek_id: UUID) -> bytes:
    """What a tenant's data key is wrapped for."""
    return encode("dek", tenant_id.bytes, dek_id.bytes)
