"""Packets over links that lose, delay, repeat and damage their datagrams."""

from __future__ import annotations

import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from honeylink.errors import FecError, PacketParameterError, PacketTooLong, ShardShapeError
from honeylink.fec import PacketDecoder, PacketEncoder, ReedSolomon
from tests.fec.datagrams import HEADER, VERSION, crc32c, epoch_of, numbered, receive, sealed, send

HEADER_BYTES = HEADER.size


def group_of(datagram: bytes) -> int:
    return int.from_bytes(datagram[12:16])


def test_datagrams_are_as_documented() -> None:
    encoder = PacketEncoder(ReedSolomon(3, 2), stream_tag=0x1234)
    datagrams = send(encoder, [b"one", b"", b"three"])
    epoch = epoch_of(datagrams[0])
    assert [tuple(datagram[:4]) for datagram in datagrams] == [(VERSION, index, 3, 2) for index in range(5)]
    for datagram in datagrams:
        assert HEADER.unpack_from(datagram)[4:] == (
            0x1234,
            epoch >> 32,
            epoch & 0xFFFF_FFFF,
            0,
            crc32c(datagram[:16] + datagram[20:]),
        )
    rows = [b"\0\3one\0\0", bytes(7), b"\0\5three"]
    assert [datagram[HEADER_BYTES:] for datagram in datagrams[:3]] == [b"\0\3one", b"\0\0", b"\0\5three"]
    assert b"".join(datagram[HEADER_BYTES:] for datagram in datagrams[3:]) == ReedSolomon(3, 2).encode(rows).tobytes()
    assert group_of(encoder.add(b"next")[0]) == 1


def test_a_short_group_has_its_real_k_in_its_parity() -> None:
    encoder = PacketEncoder(ReedSolomon(10, 2))
    data = send(encoder, [b"ab", b"cd"])
    parity = encoder.flush()
    assert [tuple(datagram[1:4]) for datagram in data + parity] == [(0, 10, 2), (1, 10, 2), (2, 2, 2), (3, 2, 2)]
    rows = [b"\0\2ab", b"\0\2cd"]
    assert b"".join(datagram[HEADER_BYTES:] for datagram in parity) == ReedSolomon(2, 2).encode(rows).tobytes()
    assert receive(PacketDecoder(), parity) == [b"ab", b"cd"]
    assert encoder.flush() == []
    assert group_of(encoder.add(b"next")[0]) == group_of(data[0]) + 1


@st.composite
def links(draw: st.DrawFn) -> tuple[ReedSolomon, int, list[bytes], Random]:
    code = ReedSolomon(draw(st.integers(1, 12)), draw(st.integers(0, 4)))
    packets = draw(st.lists(st.binary(max_size=50), min_size=1, max_size=60))
    return code, draw(st.integers(1, 8)), packets, draw(st.randoms(use_true_random=False))


@given(links())
def test_all_comes_back_when_no_group_loses_more_than_m(link: tuple[ReedSolomon, int, list[bytes], Random]) -> None:
    code, window, packets, random = link
    encoder = PacketEncoder(code)
    arrivals = []
    for number, packet in enumerate(packets):
        datagrams = encoder.add(packet)
        if number + 1 == len(packets) or random.random() < 0.1:
            datagrams += encoder.flush()
        for datagram in datagrams:
            arrivals += [(group_of(datagram), random.random(), datagram)]
    kept = []
    for group in {group for group, _, _ in arrivals}:
        shards = sorted((entry for entry in arrivals if entry[0] == group), key=lambda entry: entry[1])
        # Without any of its parity nobody can know that a group was short.
        at = next((at for at, (_, _, shard) in enumerate(shards) if shard[1] == shard[2] < code.data_shards), -1)
        shards += [shards.pop(at)]
        kept += shards[random.randint(0, code.parity_shards) :]
    kept += random.choices(kept, k=len(kept) // 4)
    kept.sort(key=lambda entry: entry[0] + random.randrange(window))
    decoder = PacketDecoder(window_groups=window)
    assert receive(decoder, [datagram for _, _, datagram in kept]) == packets
    stats = decoder.stats()
    assert (stats.received, stats.damaged, stats.late, stats.given_up) == (len(kept), 0, 0, 0)


def test_a_lossy_link_delivers_nothing_wrong() -> None:
    random = Random(7)
    encoder, decoder = PacketEncoder(ReedSolomon(10, 3)), PacketDecoder(window_groups=4)
    packets = [b"%d:" % number + random.randbytes(random.randrange(100)) for number in range(5000)]
    delivered, lost_and_damaged, count = [], 0, 0
    for packet in packets:
        for datagram in encoder.add(packet):
            fate = random.random()
            if fate < 0.05:
                continue
            count += 1
            if fate < 0.08:
                at = random.randrange(len(datagram))
                damaged = bytes([datagram[at] ^ random.randrange(1, 256)])
                delivered += decoder.add(datagram[:at] + damaged + datagram[at + 1 :])
                lost_and_damaged += 1
            else:
                delivered += decoder.add(datagram)
    delivered += decoder.flush()
    stats = decoder.stats()
    remaining = iter(packets)
    assert all(packet in remaining for packet in delivered)
    assert (stats.received, stats.damaged, stats.duplicate, stats.late) == (count, lost_and_damaged, 0, 0)
    assert stats.recovered > 200
    assert len(delivered) + stats.given_up == len(packets)


def test_packets_travel_over_udp() -> None:
    packets = [b"%d " % number + bytes(number) for number in range(1000)]
    encoder, decoder = PacketEncoder(ReedSolomon(10, 2)), PacketDecoder()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        sender.connect(receiver.getsockname())
        delivered = []
        for number, packet in enumerate(packets):
            for datagram in encoder.add(packet):
                if datagram[1] not in {number // 10 % 9, 9}:  # the link loses two of each group
                    sender.send(datagram)
                    delivered += decoder.add(receiver.recv(65536))
    assert delivered == packets
    assert decoder.stats().given_up == 0
    assert decoder.stats().recovered == 200


@pytest.mark.parametrize("at", range(16 + 2 + 5))
def test_damage_of_each_byte_is_found(at: int) -> None:
    encoder = PacketEncoder(ReedSolomon(2, 1))
    [datagram] = encoder.add(b"whole")
    decoder = PacketDecoder()
    for bit in range(8):
        damaged = bytearray(datagram)
        damaged[at] ^= 1 << bit
        assert decoder.add(damaged) == []
        assert decoder.add(datagram[:at]) == []
    assert decoder.stats().damaged == 16
    assert decoder.add(datagram) == [b"whole"]


@given(st.binary(max_size=80) | st.builds(bytes.__add__, st.just(bytes([VERSION])), st.binary(max_size=80)))
def test_no_bytes_raise(datagram: bytes) -> None:
    decoder = PacketDecoder()
    assert decoder.add(datagram) == []
    assert decoder.stats().damaged == 1


BYTE = st.integers(0, 255)


@given(st.lists(st.tuples(BYTE, BYTE, BYTE, st.integers(0, 2**32 - 1) | BYTE, st.binary(max_size=20)), max_size=20))
def test_no_forgery_raises(datagrams: list[tuple[int, int, int, int, bytes]]) -> None:
    decoder = PacketDecoder(window_groups=2)
    for datagram in datagrams:
        decoder.add(sealed(*datagram))
    decoder.flush()
    assert decoder.stats().received == len(datagrams)


def test_the_version_before_is_damaged() -> None:
    covered = struct.pack(">BBBBHHI", 1, 0, 1, 0, 0, 0, 7)
    payload = b"\0\x05hello"
    decoder = PacketDecoder()
    assert decoder.add(covered + crc32c(covered + payload).to_bytes(4) + payload) == []
    assert decoder.add(sealed(0, 1, 0, 0, payload, version=1)) == []
    assert (decoder.stats().received, decoder.stats().damaged) == (2, 2)


def test_foreign_datagrams_are_damaged() -> None:
    decoder = PacketDecoder(stream_tag=1)
    assert receive(decoder, send(PacketEncoder(ReedSolomon(1, 1), stream_tag=2), [b"theirs"])) == []
    assert decoder.stats().damaged == 2
    assert receive(decoder, send(PacketEncoder(ReedSolomon(1, 1), stream_tag=1), [b"ours"])) == [b"ours"]


def test_stats_tell_what_became_of_each_datagram() -> None:
    encoder, decoder = PacketEncoder(ReedSolomon(2, 1)), PacketDecoder(window_groups=2)
    groups = [send(encoder, [b"%da" % group, b"%db" % group]) for group in range(4)]
    assert receive(decoder, groups[0][:1] * 2 + groups[0][2:]) == [b"0a", b"0b"]  # one again, one recovered
    assert receive(decoder, groups[1][1:2] + groups[2]) == []  # waits for the first of group 1
    assert decoder.add(groups[3][0]) == [b"1b", b"2a", b"2b", b"3a"]
    assert decoder.add(groups[1][0]) == []  # too late
    assert decoder.add(b"noise") == []
    stats = decoder.stats()
    assert repr(stats) == "PacketStats(received=10, damaged=1, duplicate=1, late=1, recovered=1, given_up=1)"
    assert stats == decoder.stats()
    assert hash(stats) == hash(decoder.stats())
    assert stats != PacketDecoder().stats()


@pytest.mark.parametrize("matrix", ["cauchy-isal", "vandermonde", "rfc5510"])
def test_only_the_default_matrix_can_be_sent(matrix: str) -> None:
    with pytest.raises(PacketParameterError, match="expected a code of the matrix cauchy") as error:
        PacketEncoder(ReedSolomon(3, 2, matrix=matrix))
    assert error.value.found == matrix
    assert isinstance(error.value, FecError)


@pytest.mark.parametrize("tag", [-1, 65536, 10**30, pytest.param(-(10**5000), id="lowest"), True])
def test_tags_are_16_bits(tag: int) -> None:
    for make in (lambda: PacketEncoder(ReedSolomon(3, 2), tag), lambda: PacketDecoder(stream_tag=tag)):
        with pytest.raises(PacketParameterError, match="stream_tag: expected an integer from 0 to 65535") as error:
            make()
        assert error.value.field == "stream_tag"


@pytest.mark.parametrize("window", [0, -1, 32769, pytest.param(10**5000, id="highest")])
def test_a_window_is_at_least_a_group(window: int) -> None:
    with pytest.raises(PacketParameterError, match="window_groups: expected an integer from 1 to 32768, found"):
        PacketDecoder(window_groups=window)


@pytest.mark.parametrize("wrong", [None, "1", 1.5])
def test_wrong_types_are_type_errors(wrong: Any) -> None:
    for call in (
        lambda: PacketEncoder(wrong),
        lambda: PacketEncoder(ReedSolomon(1, 1), wrong),
        lambda: PacketDecoder(wrong),
        lambda: PacketEncoder(ReedSolomon(1, 1), 0, "1"),  # type: ignore[arg-type]
        lambda: PacketDecoder(0, wrong),
        lambda: PacketEncoder(ReedSolomon(1, 1)).add(wrong),
        lambda: PacketDecoder().add(wrong),
        lambda: PacketDecoder().add([b"a", b"b"]),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError):
            call()


def test_whatever_is_like_bytes_is_taken() -> None:
    packet = b"some bytes"
    [expected] = PacketEncoder(ReedSolomon(2, 1)).add(packet)
    array = np.frombuffer(packet, dtype=np.uint8)
    for form in (packet, bytearray(packet), memoryview(packet), array):
        [datagram] = PacketEncoder(ReedSolomon(2, 1)).add(form)
        assert datagram[HEADER_BYTES:] == expected[HEADER_BYTES:]
    for form in (expected, bytearray(expected), memoryview(expected), np.frombuffer(expected, dtype=np.uint8)):
        [delivered] = PacketDecoder().add(form)
        assert delivered == packet
        assert type(delivered) is bytes
    for gaps in (memoryview(packet)[::2], array[::2], np.zeros(4, dtype=np.uint16)):
        with pytest.raises(ShardShapeError):
            PacketEncoder(ReedSolomon(2, 1)).add(gaps)  # type: ignore[arg-type]
        with pytest.raises(ShardShapeError):
            PacketDecoder().add(gaps)  # type: ignore[arg-type]


def test_no_buffer_is_held_past_the_call() -> None:
    packet = bytearray(b"mine")
    encoder = PacketEncoder(ReedSolomon(2, 1))
    datagram = bytearray(encoder.add(packet)[0])
    decoder = PacketDecoder()
    assert decoder.add(datagram) == [b"mine"]
    packet.clear()  # Python refuses this while anything holds the bytes
    datagram.clear()
    [_, parity] = encoder.add(b"next")
    assert decoder.add(parity) == [b"next"]


def test_a_packet_that_is_too_long_changes_nothing() -> None:
    encoder, decoder = PacketEncoder(ReedSolomon(2, 1)), PacketDecoder()
    assert receive(decoder, encoder.add(b"one")) == [b"one"]
    with pytest.raises(PacketTooLong, match="expected a packet of at most 65533 bytes, found 65534") as error:
        encoder.add(bytes(65534))
    assert (error.value.expected, error.value.found) == (65533, 65534)
    longest = bytes(range(256)) * 255 + bytes(253)
    assert receive(decoder, encoder.add(longest)[1:]) == [longest]


@pytest.mark.parametrize(("k", "m"), [(256, 0), (255, 1), (1, 255), (1, 0)])
def test_codes_of_every_size_travel(k: int, m: int) -> None:
    datagrams = send(PacketEncoder(ReedSolomon(k, m)), numbered(k))
    assert len(datagrams) == k + m
    assert receive(PacketDecoder(), datagrams[m:]) == numbered(k)


def test_without_parity_flush_leaves_the_group_open() -> None:
    encoder = PacketEncoder(ReedSolomon(2, 0))
    [first] = encoder.add(b"one")
    assert encoder.flush() == []
    [second] = encoder.add(b"two")
    assert receive(PacketDecoder(), [second, first]) == [b"one", b"two"]


def test_threads_may_share_both_ends() -> None:
    encoder, decoder = PacketEncoder(ReedSolomon(5, 2)), PacketDecoder(window_groups=1000)
    datagrams: list[bytes] = []
    delivered: list[bytes] = []
    start = threading.Barrier(4)

    def sender(thread: int) -> None:
        start.wait()
        for number in range(250):
            datagrams.extend(encoder.add(b"%d-%d" % (thread, number)))

    def receiver(part: int) -> None:
        start.wait()
        for datagram in datagrams[part::4]:
            delivered.extend(decoder.add(datagram))

    for work in (sender, receiver):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
    assert sorted(delivered) == sorted(b"%d-%d" % (thread, number) for thread in range(4) for number in range(250))
