"""Counts of all workers over real channels: however many ask at once, they are counted and added up once."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING

from honeylink.cli.serving import supervisor, worker
from honeylink.cli.serving.channel import Channel, Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from honeylink.settings import Settings

COUNTS = "# HELP a_total Of a.\n# TYPE a_total counter\na_total {}.0\n"


def test_scrapes_of_one_worker_at_once_share_an_answer(make_settings: Callable[..., Settings]) -> None:
    async def run() -> None:
        ours, theirs = socket.socketpair()
        channel, peer = await Channel.over(ours), await Channel.over(theirs)
        scraped = worker._Worker(Task(1, make_settings(), address=-1, channel=-1))
        scraped._channel = channel
        obeying = asyncio.create_task(scraped._obey(None))  # type: ignore[arg-type]
        assert await peer.receive() == {"kind": "ready"}
        for number in (1, 2):
            scrapes = [asyncio.create_task(scraped._exposition()) for _ in range(20)]
            assert (await peer.receive() or {})["kind"] == "sum"
            peer.send("totals", exposition=str(number))
            assert await asyncio.gather(*scrapes) == [b"%d" % number] * 20
        peer.send("count")
        assert (await peer.receive() or {})["kind"] == "counted"  # so there was no other "sum"
        await peer.close()
        await obeying
        await channel.close()

    asyncio.run(run())


def test_workers_that_are_scraped_at_once_share_a_sum(make_settings: Callable[..., Settings]) -> None:
    async def run() -> None:
        with socket.socket() as address:
            supervising = supervisor._Supervisor(make_settings(), make_settings(), address)
            peers, attending = [], []
            for number in (1, 2):
                ours, theirs = socket.socketpair()
                process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
                attended = supervisor._Worker(number, process, await Channel.over(ours))
                supervising._workers.add(attended)
                attending.append(asyncio.create_task(supervising._attend(attended)))
                peers.append(await Channel.over(theirs))
            for number, peer in enumerate(peers, 1):
                for _ in range(10):
                    peer.send("sum", exposition=COUNTS.format(number))
            first, second = [await asyncio.create_task(received(peer)) for peer in peers]
            assert (first + second).count("totals 3.0") == 2
            assert len(first + second) <= 3  # one of them may have been asked to count
            for peer in peers:
                await peer.close()
            await asyncio.gather(*attending)

    asyncio.run(run())


async def received(peer: Channel) -> list[str]:
    """What a worker is told, up to the totals."""
    kinds: list[str] = []
    while not kinds or not kinds[-1].startswith("totals"):
        message = await peer.receive()
        assert message is not None
        kinds.append(message["kind"] + message.get("exposition", "")[-5:].rstrip().rjust(4))
    return kinds
