"""What deciding on a session takes, as it was read, to be kept from one session of a device to its next.

How full its pools are and whether it is revoked is not trusted later: the statement that stores a session checks both
by itself, so what is out of date costs a second look and no more. It locks every pool of the path too, one that is new
there as well; that each process is told of changed pools only saves second looks. Keys don't change, and are kept as
the database has them, wrapped.
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

__all__ = ["KnownDevices", "Snapshot"]

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
        """The same as if nobody held anything: how full pools are changes all the time, and the statement looks."""
        return replace(self, context=replace(self.context, path=path_emptied(self.context.path)))


KnownDevices: TypeAlias = "FreshCache[tuple[UUID, str], Snapshot]"
"""The snapshots of devices, by tenant and device id."""
