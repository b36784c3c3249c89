"""The socket that a fleet connects to."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from honeylink.errors import SettingsError

if TYPE_CHECKING:
    from honeylink.settings import Settings

__all__ = ["listen", "several"]

_BACKLOG = 2048
# uvloop accepts one connection from each listening socket in a pass of its loop (libuv pull request 3696): when a fleet
# comes back all at once, its last would wait for hundreds of passes. So one socket listens as so many.
_ACCEPTED_IN_A_PASS_MAX = 16


def listen(settings: Settings) -> socket.socket:
    """The socket that the settings name.

    Raises:
        SettingsError: it can't be had; says why and what to do.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = "taken by another program" if error.errno == errno.EADDRINUSE else error.strerror
        raise SettingsError(
            f"port {settings.port} on {settings.host} is {reason}; "
            "choose another by HONEYLINK_PORT, or HONEYLINK_HOST for the address"
        ) from None


def several(listener: socket.socket, workers: int) -> list[socket.socket]:
    """The listener as what one of so many workers listens on."""
    return [listener, *(listener.dup() for _ in range(_ACCEPTED_IN_A_PASS_MAX // workers - 1))]
