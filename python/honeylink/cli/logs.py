"""Structured logs: one JSON object a line on stderr, from our own code and from libraries alike."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys

import structlog


class _Stderr:
    """Where our own lines go: straight to stderr, since each request has one and the way through `logging` is long."""

    def __init__(self, name: str = "honeylink") -> None:
        self.name = name

    def _write(self, line: str) -> None:
        # A line that can't be written is lost, but not the request that it tells of.
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(line + "\n")

    debug = info = warning = error = critical = _write


def _of_worker(worker: int) -> structlog.types.Processor:
    pid = os.getpid()

    def add(_: object, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        event["worker"], event["pid"] = worker, pid
        return event

    return add


def configure_logging(level: str, *, worker: int | None = None) -> None:
    """Log what is at least as severe as `level`; each line of a worker carries its number and process id."""
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        # Tracebacks as text, without local variables: those could hold keys.
        structlog.processors.format_exc_info,
    ]
    if worker is not None:
        shared.insert(0, _of_worker(worker))
    # Made once, and told how to write all else: with an argument, `json.dumps` would make an encoder for each line.
    encoder = json.JSONEncoder(default=repr)
    render = structlog.processors.JSONRenderer(lambda event, **_: encoder.encode(event))
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Stderr,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
