"""What crosses to another process: every error, and every public value; what can't says why."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import honeylink.fec
import honeylink.scheduler
from honeylink import errors
from honeylink.errors import HoneyLinkError, TooFewShards
from honeylink.fec import PacketDecoder, PacketEncoder, Plan, ReedSolomon
from honeylink.scheduler import ActiveSession, Admitted, LinkScheduler, Pool, Rejected, Request, StreamAsk, plan
from tests.test_errors import error_classes

if TYPE_CHECKING:
    from collections.abc import Callable

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

# An argument of each type that an error takes. A new error with another type needs one more.
ARGUMENTS: dict[str, object] = {
    "str": "vidéo 'one'\n",
    "int": 7,
    "float": 0.5,
    "bool": True,
    "int | None": 3,
    "list[int]": [1, 2],
    "list[str]": ["cauchy", "rfc5510"],
    "list[tuple[str, str]]": [("/a", "one"), ("/b", "two")],
    "dict[str, int] | None": {"video": 5},
    "datetime | None": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    "Path": Path("scenario.toml"),
}


def made(cls: type[Exception]) -> Exception:
    """One of that class, with all of its arguments."""
    if cls.__init__ is Exception.__init__:
        return cls("what is wrong", 5)
    given, named = [], {}
    for each in list(inspect.signature(cls.__init__).parameters.values())[1:]:
        if each.kind is each.KEYWORD_ONLY:
            named[each.name] = ARGUMENTS[each.annotation]
        else:
            given.append(ARGUMENTS[each.annotation])
    return cls(*given, **named)


def copies(value: Any) -> list[Any]:
    return [copy.copy(value), copy.deepcopy(value), *(pickle.loads(pickle.dumps(value, each)) for each in PROTOCOLS)]


def check_copies(error: BaseException) -> None:
    for other in copies(error):
        assert type(other) is type(error)
        assert (str(other), other.args, vars(other)) == (str(error), error.args, vars(error))


@pytest.mark.parametrize("name", sorted(error_classes()))
def test_every_error_is_the_same_in_another_process(name: str) -> None:
    error = made(error_classes()[name])
    error.add_note("said by a test")
    check_copies(error)
    assert error.__notes__ == ["said by a test"]


CODE = ReedSolomon(2, 1)
LINK = LinkScheduler(10_000)
FEW = np.zeros((3, 4), np.uint8), np.array([True, False, False])
ASK = StreamAsk("video", "burst", 5)
POOL = Pool("acme", "tenant", 9, 1)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: ReedSolomon(0, 1), errors.CodeParameterError),
        (lambda: ReedSolomon(1, 1, "x"), errors.UnknownMatrix),
        (lambda: CODE.encode([b"a"]), errors.ShardShapeError),
        (lambda: CODE.reconstruct(*FEW), errors.TooFewShards),
        (lambda: CODE.reconstruct_groups(FEW[0][None], FEW[1][None]), errors.TooFewShards),
        (lambda: CODE.encoder().parity, errors.Incomplete),
        (lambda: CODE.encode(FEW[0][:2], out=FEW[0][:1]), errors.OutputError),
        (lambda: PacketDecoder(-1), errors.PacketParameterError),
        (lambda: PacketEncoder(CODE).add(bytes(2**16)), errors.PacketTooLong),
        (lambda: honeylink.fec.plan(2, 0.5), errors.PlanParameterError),
        (lambda: honeylink.fec.plan(1, 0.5), errors.PlanUnreachable),
        (lambda: StreamAsk("a", "burst", -1), errors.PlannerError),
        (lambda: LinkScheduler(0), errors.LinkError),
        (lambda: LINK.stats(99), errors.UnknownHandle),
        (lambda: LINK.add_class(rate_kbps=10_001), errors.OverCommitted),
        (lambda: LINK.add_stream(LINK.root, rate_kbps=1, max_delay_us=1), errors.DelayOutOfReach),
        (lambda: (LINK.dequeue(9, 1), LINK.dequeue(8, 1)), errors.TimeBackwards),
    ],
)
def test_an_error_of_the_native_module_is_too(call: Callable[[], object], error: type[HoneyLinkError]) -> None:
    with pytest.raises(HoneyLinkError) as caught:
        call()
    assert type(caught.value) is error
    check_copies(caught.value)


def test_an_error_comes_back_from_a_process_and_the_pool_goes_on() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        with pytest.raises(TooFewShards, match="expected at least 2 shards present, found 1") as caught:
            pool.submit(CODE.reconstruct, *FEW).result()
        assert (caught.value.have, caught.value.need, caught.value.group) == (1, 2, None)
        assert pool.submit(repr, CODE).result() == repr(CODE)


VALUES = [
    ReedSolomon(10, 5, "rfc5510"),
    Plan(10, 4, 0.5),
    POOL,
    ASK,
    Request([ASK], 3),
    ActiveSession("s-1", ["acme"], [ASK], 1, 2, 3),
    Admitted([1], [0], [("s-1", [5])], ["s-2"]),
    Rejected(POOL, 4, 3, [2], 1, 1),
]
BATCH = LINK.dequeue(0, 1)
LIVE = [
    CODE.encoder(),
    PacketEncoder(CODE),
    PacketDecoder(),
    PacketDecoder().stats(),
    LinkScheduler(1),
    LINK.stats(),
    BATCH,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_are_the_same_in_another_process(value: Any) -> None:
    for other in copies(value):
        assert type(other) is type(value)
        assert (other, repr(other), hash(other)) == (value, repr(value), hash(value))


@pytest.mark.parametrize("live", LIVE, ids=lambda live: type(live).__name__)
def test_what_can_not_be_copied_says_why(live: Any) -> None:
    ways: list[Callable[[], object]] = [lambda: copy.copy(live), lambda: copy.deepcopy(live)]
    for way in ways + [lambda each=each: pickle.dumps(live, each) for each in PROTOCOLS]:
        with pytest.raises(TypeError, match=f"{type(live).__name__} can't be copied or pickled: "):
            way()


def test_every_public_class_is_one_or_the_other() -> None:
    public = {
        value
        for module in (honeylink.fec, honeylink.scheduler)
        for value in (getattr(module, name) for name in module.__all__)
        if inspect.isclass(value) and value.__module__ == module.__name__
    }
    assert public - {honeylink.scheduler.Drop} == {type(value) for value in VALUES + LIVE}
    assert plan([POOL], Request([ASK])) in pickle.loads(pickle.dumps([plan([POOL], Request([ASK]))]))
