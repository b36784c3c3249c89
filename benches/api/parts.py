"""Which part of the service a sampled stack belongs to.

A stack belongs to the innermost of its frames that a rule names; so what a part calls in libraries counts as its own.
Functions are named where a module serves two parts. What no rule names was found in the event loop itself: its own
bookkeeping, reading from sockets, and what C code of the database driver does there, which py-spy does not see into.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Shares = dict[str, float]
"""What each part took of all samples; together 1."""

LOOP = "event loop and sockets"
# By part, in the order of the table: a frame as py-spy writes it is `function (path/to/module.py:line)`.
RULES = {
    "parse": (
        r"honeylink/api/(http/body|http/models|\w+/requests)\.py",
        r"honeylink/domain/sessions\.py",
        r"model_validate.* \(pydantic/",
        r"starlette/requests\.py",
    ),
    "auth": (
        r"honeylink/services/(access|rate_limit)\.py",
        r"honeylink/store/tokens\.py",
        r"honeylink/domain/(access|tokens)\.py",
    ),
    "snapshot": (r"find_session_contexts\b", r"honeylink/services/snapshots\.py", r"_snapshots\b"),
    "decide": (r"honeylink/domain/admission\.py",),
    "keys": (r"honeylink/keys/", r"cryptography/"),
    "commit": (r"create_sessions\b", r"honeylink/store/database\.py", r"honeylink/services/audit\.py"),
    "grouping": (r"honeylink/services/",),
    "render": (
        r"honeylink/api/(\w+/answers|http/problems)\.py",
        r"model_dump_json .*\(pydantic/",
        r"starlette/responses\.py",
    ),
    "observing": (
        r"honeylink/(api/http/observability|telemetry)\.py",
        r"\((structlog|logging|prometheus_client|opentelemetry)/",
        r"\((trace|context|propagate|propagators)/",  # of opentelemetry, a namespace package that py-spy cuts off
    ),
    "HTTP server and framework": (r"\((uvicorn|starlette|httptools|h11)/", r"honeylink/api/"),
}
_PATTERNS = {part: re.compile("|".join(rules)) for part, rules in RULES.items()}
# Threads that wait for work; py-spy takes some of them for busy.
_IDLE = re.compile(r"^(_worker \(concurrent/futures/thread\.py|(wait|_wait_for_tstate_lock) \(threading\.py)")


def part_of(stack: str) -> str | None:
    """The part that a stack belongs to, outermost frame first; None if its thread only waited."""
    frames = stack.split(";")
    if _IDLE.match(frames[-1]):
        return None
    for frame in reversed(frames):
        for part, pattern in _PATTERNS.items():
            if pattern.search(frame):
                return part
    return LOOP


def shares(raw: Iterable[str]) -> Shares:
    """What each part took, from py-spy's raw format: a stack and how often it was seen, a line each."""
    seen: Counter[str] = Counter()
    for line in raw:
        stack, _, count = line.rpartition(" ")
        part = part_of(stack)
        if part is not None:
            seen[part] += int(count)
    return {part: seen[part] / seen.total() for part in (*RULES, LOOP)} if seen else {}
