"""What the connection takes from uvicorn beside its documented server: this fails when a new release has changed it."""

from __future__ import annotations

import asyncio
import inspect
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from honeylink.api.connection.protocol import Connection


def test_the_server_makes_protocols_as_ours_is_made() -> None:
    given = inspect.signature(HttpToolsProtocol).parameters
    taken = inspect.signature(Connection).parameters
    assert list(given) == [name for name in taken if name not in {"settings", "load_shedding"}]


MOVED = (
    f"uvicorn {version('uvicorn')} has other private parts than those that the connection is made for: "
    "adapt exchange.py, and only then raise the upper bound of uvicorn in pyproject.toml"
)


def test_the_server_waits_for_what_ours_tells_it() -> None:
    state = vars(ServerState())
    assert {"connections", "tasks", "default_headers", "total_requests"} <= set(state), MOVED
    source = inspect.getsource(uvicorn.Server.shutdown)
    assert "connection.shutdown()" in source, MOVED


def test_the_small_parts_are_there() -> None:
    assert STATUS_LINE[503] == b"HTTP/1.1 503 Service Unavailable\r\n"
    assert HIGH_WATER_LIMIT == 65_536
    assert asyncio.iscoroutinefunction(FlowControl.drain)
    assert {"pause_reading", "resume_reading", "pause_writing", "resume_writing"} <= set(vars(FlowControl)), MOVED
    assert callable(get_local_addr)
    assert callable(get_remote_addr)


def test_a_release_that_has_not_been_tried_is_not_installed() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    [requirement] = [each for each in project["optional-dependencies"]["server"] if each.startswith("uvicorn")]
    bound = re.search(r"<0\.(\d+)", requirement)
    assert bound is not None
    assert int(version("uvicorn").split(".")[1]) == int(bound[1]) - 1, (
        "the newest release below the bound is the tried one"
    )
