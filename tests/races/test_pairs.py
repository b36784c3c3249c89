"""Every operation against every other, at the lock where they meet: the first is held just before it commits.

The second then runs until it is done or waits for the first. What either sees of the other is told by no chance, and
what they leave behind must hold together: pools that reconcile, promises that can be kept, a revoked device without
token and session, events in the order of changes.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import pytest

from honeylink.store.database import UnitOfWork
from honeylink.store.statements import TEXT
from tests.races import operations as ops
from tests.races.arena import check, interruptible, outcome_of, set_scene
from tests.races.operations import OPERATIONS, Operation, State

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

    from tests.conftest import LoopThread
    from tests.races.arena import Arena

METHODS = ("fetch", "fetchrow", "execute")
# Which meet in rows that are still to come. Between the statements of the others it is looked with the long tests.
MEETING = {ops.register, ops.pair, ops.revoke, ops.make_node_pool, ops.change_tenant_pool}


def pairs(*, sparing: bool) -> list[ParameterSet]:
    """Every pair of operations in each state that suits both; where sparing, most of them are marked as long."""
    return [
        pytest.param(
            first,
            second,
            state,
            id=f"{first.name}-{second.name}-{state.value}",
            marks=[pytest.mark.long]
            if sparing and (state is State.PAIRED or not {first.act, second.act} <= MEETING)
            else [],
        )
        for first, second in itertools.product(OPERATIONS, repeat=2)
        for state in sorted(first.states & second.states, key=lambda state: state.value)
    ]


@pytest.mark.parametrize(("first", "second", "state"), pairs(sparing=False))
def test_of_two_at_once_both_are_whole(
    loop: LoopThread, arena: Arena, first: Operation, second: Operation, state: State
) -> None:
    async def run() -> None:
        makes_node = ops.make_node_pool in {first.act, second.act}
        scene = await set_scene(arena, state, node=not makes_node)
        outcomes = await arena.race(first.act(arena.first, scene, 1), second.act(arena.second, scene, 2))
        await check(arena, scene, {first.act: outcomes[0], second.act: outcomes[1]})

    loop.run(run())


@pytest.mark.parametrize(("first", "second", "state"), pairs(sparing=True))
def test_one_between_any_two_statements_of_the_other(
    loop: LoopThread,
    arena: Arena,
    monkeypatch: pytest.MonkeyPatch,
    first: Operation,
    second: Operation,
    state: State,
) -> None:
    for method in METHODS:
        monkeypatch.setattr(UnitOfWork, method, interruptible(getattr(UnitOfWork, method)))

    async def run(after: int) -> bool:
        makes_node = ops.make_node_pool in {first.act, second.act}
        scene = await set_scene(arena, state, node=not makes_node)
        outcomes = await arena.interrupt(
            lambda: second.act(arena.second, scene, 2), lambda: first.act(arena.first, scene, 1), after
        )
        if outcomes is not None:
            await check(arena, scene, {first.act: outcomes[0], second.act: outcomes[1]})
        return outcomes is not None

    after = 1
    while loop.run(run(after)):
        after += 1
    assert after > 1


def test_the_operations_run_every_statement_that_writes_or_locks(
    loop: LoopThread, arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: set[str] = set()
    for method in METHODS:
        monkeypatch.setattr(UnitOfWork, method, _noting(getattr(UnitOfWork, method), ran))

    async def run() -> None:
        for operation, node in itertools.product(OPERATIONS, (False, True)):
            for state in operation.states:
                scene = await set_scene(arena, state, node=node)
                await outcome_of(operation.act(arena.second, scene, 1))

    loop.run(run())
    _, *parts = re.split(r"^-- name: (\w+)[\^!]?$", TEXT, flags=re.MULTILINE)
    idle = r"--.*|FOR [A-Z ]+ OF \w+ SKIP LOCKED"  # waits for nobody
    bodies = {name: re.sub(idle, "", body) for name, body in zip(parts[::2], parts[1::2], strict=True)}
    writing = {name for name, body in bodies.items() if re.search(r"\b(INSERT|UPDATE|DELETE|LOCK|_lock)\b", body)}
    assert len(writing) > 15
    assert writing - ran == set()


def _noting(method: Any, ran: set[str]) -> Any:
    def call(self: UnitOfWork, statement: str, **parameters: object) -> Any:
        ran.add(statement)
        return method(self, statement, **parameters)

    return call
