"""The routes of a list of endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Match, Route

from honeylink.api.http.endpoint import PREFIXES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Scope

    from honeylink.api.http.endpoint import Endpoints


def routes_of(endpoints: Endpoints) -> list[Route]:
    """The endpoints under all of their prefixes."""
    by_path: dict[str, Endpoints] = {}
    for prefix in reversed(PREFIXES):  # the short one is what most clients use, and routes are tried in order
        for endpoint in endpoints:
            if prefix in endpoint.prefixes:
                path = prefix + endpoint.path
                by_path[path] = (*by_path.get(path, ()), endpoint)
    return [_route(path, same_path) for path, same_path in by_path.items()]


def _route(path: str, endpoints: Endpoints) -> Route:
    """One route for all methods of a path, so that a wrong method is told all the right ones."""
    by_method = {endpoint.method: endpoint for endpoint in endpoints}

    async def serve(request: Request) -> Response:
        return await by_method[request.method.replace("HEAD", "GET")].serve(request)

    return _WholePath(path, serve, list(by_method))


class _WholePath(Route):
    """A route that has its path to itself, so that a wrong method there is not another path's with a parameter."""

    def __init__(self, path: str, serve: Callable[[Request], Awaitable[Response]], methods: list[str]) -> None:
        super().__init__(path, serve, methods=methods)
        self._fixed_part = path.partition("{")[0]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        # Most routes are ruled out by this alone, at a fraction of the time that their pattern takes.
        if not scope["path"].startswith(self._fixed_part):
            return Match.NONE, {}
        match, child_scope = super().matches(scope)
        return (Match.NONE if match is Match.NONE else Match.FULL), child_scope
