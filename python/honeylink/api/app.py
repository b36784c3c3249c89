"""The ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeylink.api.endpoints import ENDPOINTS
from honeylink.api.http.endpoint import Application
from honeylink.api.http.observability import Observability
from honeylink.api.http.routes import router_of
from honeylink.api.operations.exposition import own_exposition

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from honeylink.api.operations.exposition import Exposition
    from honeylink.services.runtime import Services
    from honeylink.settings import Settings


def create_app(settings: Settings, services: Services, exposition: Exposition | None = None) -> ASGIApp:
    """The open services as an ASGI application.

    Args:
        settings: how they are served.
        services: what is served.
        exposition: what `/metrics` answers; without it, what this process counts.
    """
    return Observability(router_of(Application(services, settings, ENDPOINTS, exposition or own_exposition)))
