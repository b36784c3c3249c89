"""How much is done in one pass of the event loop."""

from __future__ import annotations

import asyncio

import pytest

from honeylink.services.load_shedding.turns import Turns


async def begun_in_a_pass(turns: Turns, number: int) -> list[int]:
    """How many of so many begin in each pass of the loop."""
    begun = 0

    async def begin() -> None:
        nonlocal begun
        await turns.begin()
        begun += 1

    tasks = [asyncio.create_task(begin()) for _ in range(number)]
    in_a_pass = []
    while begun < number:
        before = begun
        await asyncio.sleep(0)
        in_a_pass.append(begun - before)
    await asyncio.gather(*tasks)
    return in_a_pass


@pytest.mark.parametrize(("refusing", "most"), [(False, 16), (True, 4)])
def test_fewer_begin_in_a_pass_while_a_refusal_waits(
    *, refusing: bool, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("honeylink.services.load_shedding.turns._REFUSAL_DELAY_SECONDS", 3600.0)

    async def run() -> list[int]:
        turns = Turns(lambda: False)
        if refusing:
            turns.refuse_later(lambda: None)
        return await begun_in_a_pass(turns, 20)

    assert max(asyncio.run(run())) == most


@pytest.mark.parametrize(("refusing", "passes"), [(False, 4), (True, 16)])
def test_a_group_yields_more_often_while_requests_are_refused(*, refusing: bool, passes: int) -> None:
    async def run() -> int:
        turns, passed, done = Turns(lambda: refusing), 0, False

        async def count_passes() -> None:
            nonlocal passed
            while not done:
                passed += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count_passes())
        for index in range(64):
            await turns.yield_after(index)
        done = True
        await counting
        return passed

    assert asyncio.run(run()) == passes


def test_a_refusal_that_fails_takes_none_of_those_after_it() -> None:
    sent: list[int] = []

    async def run() -> None:
        turns, done = Turns(lambda: False), asyncio.Event()

        def fail() -> None:
            raise OSError

        turns.refuse_later(lambda: sent.append(1))
        turns.refuse_later(fail)
        turns.refuse_later(lambda: sent.append(2))
        turns.refuse_later(done.set)
        assert sent == []
        await asyncio.wait_for(done.wait(), 5)

    asyncio.run(run())
    assert sent == [1, 2]
