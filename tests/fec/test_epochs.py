"""Which encoder a datagram is from: senders that start again, epochs, and group numbers that wrap."""

from __future__ import annotations

import subprocess
import sys

import pytest

from honeylink.errors import PacketParameterError
from honeylink.fec import PacketDecoder, PacketEncoder, ReedSolomon
from tests.fec.datagrams import epoch_of, numbered, receive, sealed, send


def test_a_replay_delivers_nothing() -> None:
    encoder, decoder = PacketEncoder(ReedSolomon(4, 2)), PacketDecoder()
    datagrams = send(encoder, numbered(1000))
    assert receive(decoder, datagrams) == numbered(1000)
    assert receive(decoder, datagrams) == []
    stats = decoder.stats()
    assert stats.duplicate + stats.late == len(datagrams)


def test_a_sender_that_starts_again_is_followed() -> None:
    code, decoder = ReedSolomon(3, 1), PacketDecoder()
    old = send(PacketEncoder(code), [b"old0", b"old1"])
    assert receive(decoder, old) == [b"old0", b"old1"]
    new = send(PacketEncoder(code), [b"new0", b"new1", b"new2"])
    assert receive(decoder, new[1:]) == [b"new0", b"new1", b"new2"]
    assert repr(decoder.stats()) == "PacketStats(received=5, damaged=0, duplicate=0, late=0, recovered=1, given_up=0)"


def test_late_datagrams_from_before_a_restart_change_nothing() -> None:
    code, decoder = ReedSolomon(10, 2), PacketDecoder()
    old = send(PacketEncoder(code), [b"old %d" % number for number in range(1000)])
    assert len(receive(decoder, old[:-1])) == 1000
    restarted = PacketEncoder(code)
    packets = [b"new %d" % number for number in range(1000)]
    new = send(restarted, packets[:300])
    assert receive(decoder, new) == packets[:300]
    assert decoder.add(old[-1]) == decoder.add(old[-3]) == []
    for packet in packets[300:]:
        assert receive(decoder, restarted.add(packet)) == [packet]
    assert (decoder.stats().late, decoder.stats().given_up) == (2, 0)


def test_an_epoch_can_be_given() -> None:
    code, decoder = ReedSolomon(1, 0), PacketDecoder()
    for epoch in (0, 1, 2**48 - 1):
        [datagram] = PacketEncoder(code, epoch=epoch).add(b"%d" % epoch)
        assert epoch_of(datagram) == epoch
        assert decoder.add(datagram) == [b"%d" % epoch]
    assert epoch_of(PacketEncoder(code, 0, None).add(b"")[0]) > 2**46


@pytest.mark.parametrize("epoch", [-1, 2**48, 10**30, True])
def test_epochs_are_48_bits(epoch: int) -> None:
    with pytest.raises(PacketParameterError, match="epoch: expected an integer from 0 to 281474976710655") as error:
        PacketEncoder(ReedSolomon(3, 2), epoch=epoch)
    assert error.value.field == "epoch"


def test_each_encoder_has_a_later_epoch_than_those_before() -> None:
    """Those of one process, and of processes that were forked from one and after another."""
    epochs = [epoch_of(PacketEncoder(ReedSolomon(1, 0)).add(b"")[0]) for _ in range(1000)]
    assert epochs == sorted(set(epochs))
    work = (
        "import os\n"
        "from honeylink.fec import PacketEncoder, ReedSolomon\n"
        "def start(): return int.from_bytes(PacketEncoder(ReedSolomon(1, 0)).add(b'')[0][6:12])\n"
        "print(start(), flush=True)\n"
        "for _ in range(5):\n"
        "    if os.fork() == 0:\n"
        "        print(start(), flush=True)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
    )
    result = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, check=True)
    epochs += map(int, result.stdout.split())
    assert len(epochs) == 1006
    assert epochs == sorted(set(epochs))


def test_the_group_number_wraps() -> None:
    decoder = PacketDecoder(window_groups=4)
    groups = [(2**32 - 3 + group) % 2**32 for group in range(8)]
    datagrams = [sealed(0, 1, 0, group, b"\0\4%4d" % at) for at, group in enumerate(groups)]
    assert decoder.add(datagrams[0]) == [b"   0"]
    shuffled = [datagrams[at] for at in (3, 2, 1, 4, 7, 6, 5)]
    assert receive(decoder, shuffled) == [b"%4d" % at for at in range(1, 8)]
