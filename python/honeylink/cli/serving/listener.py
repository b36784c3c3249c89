"""The socket that a fleet connects to."""

from __future__ import annotations

import errno
import socket
import sys
from typing import TYPE_CHECKING, Any

from honeylink.errors import SettingsError

if TYPE_CHECKING:
    from honeylink.settings import Settings

_BACKLOG = 2048
# uvloop accepts one connection from each listening socket in a pass of its loop (libuv pull request 3696): when a fleet
# comes back all at once, its last would wait for hundreds of passes. So one socket listens as so many.
_ACCEPTED_IN_A_PASS_MAX = 16
_DEALS_OUT = sys.platform == "linux"


def listen(settings: Settings) -> socket.socket:
    """The socket that the settings name."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = "taken by another program" if error.errno == errno.EADDRINUSE else error.strerror
        raise SettingsError(
            f"port {settings.port} on {settings.host} is {reason}; "
            "choose another by HONEYLINK_PORT, or HONEYLINK_HOST for the address"
        ) from None


def reserve(settings: Settings) -> socket.socket:
    """What several workers listen by, see `listen_by`: a socket that holds the address, for them and no one else.

    On Linux each worker has a socket of its own (SO_REUSEPORT), and the kernel deals connections out evenly. From one
    that they shared the first to wake takes all that comes together: 32 connections of a fleet went to one of two. A
    worker that is not there has no socket, so nobody waits for it. macOS deals nothing out; there they share one.
    """
    listening = listen(settings)
    if not _DEALS_OUT:
        return listening
    with listening:
        address, family = listening.getsockname(), listening.family
    return _bind(address, family)


def listen_by(reserved: socket.socket) -> socket.socket:
    """The socket of one of the workers; one of its own listens only when it is served."""
    if not _DEALS_OUT:
        return reserved
    with reserved:
        return _bind(reserved.getsockname(), reserved.family)


def _bind(address: tuple[Any, ...], family: int) -> socket.socket:
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as `listen`
    bound.bind(address)
    return bound


def several(listener: socket.socket) -> list[socket.socket]:
    """The listener as often as one process listens on it."""
    return [listener, *(listener.dup() for _ in range(_ACCEPTED_IN_A_PASS_MAX - 1))]
