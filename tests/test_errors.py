"""The tree of exceptions as it is drawn, and the public names of every module."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from typing import TYPE_CHECKING

import pytest

import honeylink
from honeylink import errors
from honeylink.api.http.problems import PROBLEMS

if TYPE_CHECKING:
    from types import ModuleType

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(honeylink.__path__, "honeylink.")
    if not module.name.startswith("honeylink.store.migrations")
    and not any(part.startswith("_") for part in module.name.split("."))
)


def public(module: ModuleType) -> list[str]:
    """The names that a module defines itself and does not keep to itself."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    ]


def drawn() -> dict[str, tuple[str, str | None, bool]]:
    """What the module's docstring draws: by name its parent, its code and whether it is a ValueError."""
    assert errors.__doc__ is not None
    path: list[str] = []
    tree: dict[str, tuple[str, str | None, bool]] = {}
    for line in errors.__doc__.splitlines():
        match = re.fullmatch(r"    ([│├└─ ]*)(\w+)(?: {2,}(.*))?", line)
        if match is None:
            continue
        indent, name, text = match[1], match[2], match[3] or ""
        depth = len(indent) // 4
        path[depth:] = [name]
        code = re.match(r"ERR_\w+", text)
        tree[name] = (path[depth - 1] if depth else "Exception", code and code[0], "also a ValueError" in text)
    return tree


def error_classes() -> dict[str, type[Exception]]:
    for name in MODULES:
        importlib.import_module(name)
    found: dict[str, type[Exception]] = {}
    waiting: list[type[Exception]] = [errors.HoneyLinkError]
    while waiting:
        each = waiting.pop()
        found[each.__name__] = each
        waiting += each.__subclasses__()
    return found


def test_there_are_modules_to_look_at() -> None:
    assert {"honeylink.errors", "honeylink.fec", "honeylink.domain.access", "honeylink.api.server"} <= set(MODULES)


@pytest.mark.parametrize("name", [name for name in MODULES if hasattr(importlib.import_module(name), "__all__")])
def test_all_is_true(name: str) -> None:
    module = importlib.import_module(name)
    exported = module.__all__
    assert [each for each in exported if not hasattr(module, each)] == []
    assert len(exported) == len(set(exported))
    constants, classes, functions = (
        sorted(filter(kind, exported))
        for kind in (str.isupper, lambda each: each[0].isupper() and not each.isupper(), lambda each: each[0].islower())
    )
    dunders = [each for each in exported if each.startswith("_")]
    assert exported == [*constants, *classes, *dunders, *functions]


@pytest.mark.parametrize("name", ["honeylink.errors", "honeylink.fec", "honeylink.scheduler"])
def test_all_of_what_users_import_is_whole(name: str) -> None:
    """Elsewhere a leading underscore says what is private, and mypy that nothing is passed on by accident."""
    module = importlib.import_module(name)
    assert sorted(set(public(module)) - set(module.__all__)) == []


def test_the_tree_is_as_drawn() -> None:
    tree = drawn()
    assert len(tree) > 20
    found = error_classes()
    for name, (parent, _, is_value_error) in tree.items():
        assert found[name].__bases__[0].__name__ == parent, name
        assert issubclass(found[name], ValueError) == is_value_error, name
    # What is not drawn is a closer word for a dependency that is away.
    assert all(issubclass(found[name], errors.DependencyUnavailable) for name in set(found) - set(tree))
    assert set(errors.__all__) <= set(tree)


def test_the_codes_are_as_drawn_and_each_has_a_status() -> None:
    found = error_classes()
    codes = {name: code for name, (_, code, _) in drawn().items() if code}
    assert codes
    for name, code in codes.items():
        service_error = found[name]
        assert issubclass(service_error, errors.ServiceError)
        assert service_error.code == code
        assert code in PROBLEMS
    assert set(PROBLEMS) - set(codes.values()) == {"ERR_METHOD", "ERR_INTERNAL"}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.NotFound("device", "device-1"), "device 'device-1' not found"),
        (errors.TooManyStreams(17, 16), "expected at most 16 streams, found 17"),
        (
            errors.BandwidthExceeded(9, 5, "device:d", 5),
            "requested 9 kbps, pool device:d has 5 kbps left; the minima don't fit; one stream of at most 5 kbps would",
        ),
        (
            errors.BandwidthExceeded(9, 5, "device:d", 0),
            "requested 9 kbps, pool device:d has 5 kbps left; nothing more fits now",
        ),
        (errors.TooLarge("body", 10), "expected a body of at most 10 bytes, found a longer one"),
        (errors.TooSlow("body", 1.5), "expected the whole body within 1.5 s"),
        (errors.RateLimited(2), "over the rate; retry in 2 s"),
        (errors.DependencyUnavailable("the database"), "the database is not available now; retry in 1 s"),
        (errors.PlanParameterError("loss", "a probability", 2.0), "loss: expected a probability, found 2.0"),
        (errors.PlanUnreachable(0.5, 0.9), "expected a target of at most 0.5, the best at this loss, found 0.9"),
        (errors.ValidationFailed([("/a", "one"), ("/b", "two")]), "one; two"),
    ],
)
def test_messages_are_built_from_the_facts(error: errors.HoneyLinkError, message: str) -> None:
    assert str(error) == message
