"""Snapshots: what is read to decide on a session, cached from one session of a device to its next.

How full its pools are and whether it is revoked is not trusted later: the statement that stores a session checks both
by itself, so an outdated snapshot costs a second read and no more. The statement locks every pool of the path too, also
one that is new there; that each process is notified of changed pools only saves second reads. Keys don't change, and
are cached as the database has them, wrapped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

from honeylink.domain.admission import path_emptied

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from honeylink.services.fresh_cache import FreshCache
    from honeylink.store.sessions import SessionContext

# Clocks drift apart by less than a tenth of a second in this time.
_MAX_AGE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A context, and when it was read by the clock of this process."""

    context: SessionContext
    read_at: float

    def too_old(self, now: float) -> bool:
        """Whether the two clocks may have drifted apart since."""
        return now - self.read_at > _MAX_AGE_SECONDS

    def database_time(self, at: float) -> datetime:
        """What the database's clock shows when this process's clock shows `at`, or a little less."""
        return self.context.now + timedelta(seconds=at - self.read_at)

    def with_empty_pools(self) -> Snapshot:
        """The same with no reservations: how full pools are changes all the time, and the statement checks it."""
        return replace(self, context=replace(self.context, path=path_emptied(self.context.path)))


KnownDevices: TypeAlias = "FreshCache[tuple[UUID, str], Snapshot]"
"""The snapshots of devices, by tenant and device id."""
