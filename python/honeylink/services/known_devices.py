"""What deciding on a session takes, kept from the last time that the device opened one.

Nothing kept here is trusted: the statement that stores a session checks pools and revocation by itself, so what is out
of date costs a second look and no more. Only of a pool that is new on the path the statement can't know; of that every
process is told. Keys are kept as the database has them, wrapped.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from honeylink.store.sessions import SessionContext

__all__ = ["KnownDevices", "Snapshot"]

# About a kilobyte each. The one that was not used for longest goes first.
_MAX_DEVICES = 20_000
# Clocks drift apart by less than a tenth of a second in this time.
_MAX_AGE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A context, and when it was read by the clock of this process."""

    context: SessionContext
    read_at: float

    def database_time(self, at: float) -> datetime:
        """What the database's clock shows when this process's clock shows `at`, or a little less."""
        return self.context.now + timedelta(seconds=at - self.read_at)


class KnownDevices:
    """The snapshots of devices, by tenant and device id, as if their pools were empty: how full they are changes.

    Args:
        fresh: whether all news but the latest has been heard; see `honeylink.store.changes`.
        max_devices: how many are kept.
    """

    def __init__(self, fresh: Callable[[], bool], max_devices: int = _MAX_DEVICES) -> None:
        self._fresh = fresh
        self._max_devices = max_devices
        self._snapshots: OrderedDict[tuple[UUID, str], Snapshot] = OrderedDict()
        self.generation = 0
        """Grows with each change. What was read before one may not be put in after it."""

    def get(self, device: tuple[UUID, str], now: float) -> Snapshot | None:
        """What is known of a device."""
        snapshot = self._snapshots.get(device)
        if snapshot is None or now - snapshot.read_at > _MAX_AGE_SECONDS or not self._fresh():
            return None
        self._snapshots.move_to_end(device)
        return snapshot

    def put(self, device: tuple[UUID, str], snapshot: Snapshot, generation: int) -> None:
        """Keep what was read of a device when there was news up to `generation`."""
        if generation != self.generation:
            return
        path = tuple(replace(pool, reserved_kbps=0) for pool in snapshot.context.path)
        self._snapshots[device] = replace(snapshot, context=replace(snapshot.context, path=path))
        if len(self._snapshots) > self._max_devices:
            self._snapshots.popitem(last=False)

    def drop(self, device: tuple[UUID, str]) -> None:
        """Forget a device, since something of it has turned out to be otherwise."""
        self._snapshots.pop(device, None)

    def clear(self) -> None:
        """Forget all, since there is a new pool, or news may have been missed."""
        self.generation += 1
        self._snapshots.clear()
