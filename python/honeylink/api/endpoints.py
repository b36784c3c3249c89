"""The one list of endpoints: routes, the OpenAPI document and tests are made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeylink.api.audit import endpoints as audit
from honeylink.api.devices import endpoints as devices
from honeylink.api.operations import endpoints as operations
from honeylink.api.pools import endpoints as pools
from honeylink.api.sessions import endpoints as sessions

if TYPE_CHECKING:
    from honeylink.api.http.endpoint import Endpoints

ENDPOINTS: Endpoints = (
    *devices.ENDPOINTS,
    *sessions.ENDPOINTS,
    *pools.ENDPOINTS,
    *audit.ENDPOINTS,
    *operations.ENDPOINTS,
)
"""In the order of the documentation."""
