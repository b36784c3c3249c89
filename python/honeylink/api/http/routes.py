"""The routes of a list of endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Match, Route, Router

from honeylink.api.http.endpoint import PREFIXES
from honeylink.api.http.problems import problem_body, render_problem
from honeylink.telemetry import current_trace_id

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from honeylink.api.http.endpoint import Application, Endpoint, Endpoints, PublicEndpoint


def router_of(application: Application) -> Router:
    """The application's endpoints under all of their prefixes."""
    by_path: dict[str, Endpoints] = {}
    for prefix in reversed(PREFIXES):  # the short one is what most clients use, and routes are tried in order
        for endpoint in application.endpoints:
            if prefix in endpoint.prefixes:
                path = prefix + endpoint.path
                by_path[path] = (*by_path.get(path, ()), endpoint)
    routes = [PathRoute(path, application, endpoints) for path, endpoints in by_path.items()]
    # A path with one slash too many is another path, not a redirect that loses the body.
    return Router(routes, redirect_slashes=False, default=_not_found)


class PathRoute(Route):
    """The one route for all methods of a path: a wrong method is told all the right ones, and is no other path's."""

    def __init__(self, path: str, application: Application, endpoints: Endpoints) -> None:
        super().__init__(path, _Path(application, endpoints), name=path)
        self.endpoints = endpoints
        self._fixed_part, brace, _ = path.partition("{")
        self._is_fixed = not brace
        self._match: tuple[Match, Scope] = Match.FULL, {"path_params": {}}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it is this path. Most are told by a fixed part, at a fraction of the time that a pattern takes."""
        if self._is_fixed:
            return self._match if scope["path"] == self.path else (Match.NONE, {})
        return super().matches(scope) if scope["path"].startswith(self._fixed_part) else (Match.NONE, {})


class _Path:
    """The endpoints of a path as an ASGI application."""

    def __init__(self, application: Application, endpoints: Endpoints) -> None:
        self._application = application
        self._by_method: dict[str, Endpoint | PublicEndpoint] = {each.method: each for each in endpoints}
        if "GET" in self._by_method:
            self._by_method["HEAD"] = self._by_method["GET"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._by_method.get(scope["method"])
        if endpoint is None:
            allowed = ", ".join(self._by_method)
            message = f"expected one of {allowed}, found {scope['method']}"
            problem = render_problem(problem_body("ERR_METHOD", message, current_trace_id()), {"Allow": allowed})
            await problem(scope, receive, send)
        else:
            scope["honeylink.route"] = endpoint.path
            await endpoint.serve(self._application, scope, receive, send)


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    body = problem_body("ERR_NOT_FOUND", "expected a path of /openapi.json, found another", current_trace_id())
    await render_problem(body, {})(scope, receive, send)
