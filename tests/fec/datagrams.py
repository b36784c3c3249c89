"""Datagrams of packets: made, sealed, sent and received."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from honeylink.fec import PacketDecoder, PacketEncoder


HEADER = struct.Struct(">BBBBHHIII")
VERSION = 2


def crc32c(data: bytes) -> int:
    """Bit by bit, with the reversed polynomial of RFC 3720."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def sealed(index: int, k: int, m: int, group: int, payload: bytes, tag: int = 0, version: int = VERSION) -> bytes:
    """A datagram of epoch 0 that passes the CRC."""
    covered = HEADER.pack(version, index, k, m, tag, 0, 0, group, 0)[:-4]
    return covered + crc32c(covered + payload).to_bytes(4) + payload


def epoch_of(datagram: bytes) -> int:
    return int.from_bytes(datagram[6:12])


def numbered(count: int) -> list[bytes]:
    return [b"packet %d" % number for number in range(count)]


def send(encoder: PacketEncoder, packets: Iterable[bytes]) -> list[bytes]:
    return [datagram for packet in packets for datagram in encoder.add(packet)]


def receive(decoder: PacketDecoder, datagrams: Iterable[bytes]) -> list[bytes]:
    return [packet for datagram in datagrams for packet in decoder.add(datagram)]
