"""The one list of endpoints: all that is served is documented, and the rooms that it is made of stand by themselves."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.routing import Router

import honeylink.api
from honeylink.api.app import create_app
from honeylink.api.endpoints import ENDPOINTS
from honeylink.api.http.observability import Observability
from honeylink.api.http.routes import PathRoute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Service

API = Path(honeylink.api.__file__).parent
ROOMS = sorted(each.parent.name for each in API.glob("*/endpoints.py"))
FOLDERS = sorted(each.name for each in API.iterdir() if (each / "__init__.py").exists())


def served(service: Service) -> set[tuple[str, str]]:
    """Methods and paths, as the application routes them."""
    app = create_app(service.settings, service.services)
    assert isinstance(app, Observability)
    router = app._app
    assert isinstance(router, Router)
    routes = [route for route in router.routes if isinstance(route, PathRoute)]
    assert len(routes) == len(router.routes)
    return {(endpoint.method, route.path) for route in routes for endpoint in route.endpoints}


def documented(service: Service) -> set[tuple[str, str]]:
    """Methods and paths, as the document tells them."""
    with service.client("") as client:
        document = client.get("/openapi.json").json()
    return {
        (method.upper(), server["url"].rstrip("/") + path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for server in operation.get("servers", document["servers"])
    }


def test_what_is_served_is_documented_and_the_reverse(service: Service) -> None:
    assert served(service) == documented(service)


def test_every_room_is_in_the_list() -> None:
    assert sorted({each.handler.__module__.split(".")[2] for each in ENDPOINTS}) == ROOMS


def imported(folder: str) -> Iterator[str]:
    """The modules of the API that a folder's modules name."""
    for path in (API / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_folder_knows_the_room_of_another(folder: str) -> None:
    others = [f"honeylink.api.{room}." for room in ROOMS if room != folder]
    assert [name for name in imported(folder) if f"{name}.".startswith(tuple(others))] == []
