"""What clients send to `/audit/events`."""

from __future__ import annotations

from pydantic import Field

from honeylink.api.http.pages import PageQuery
from honeylink.api.http.values import DeviceId, TimeBound
from honeylink.domain.audit import AuditFilter, Category


class AuditQuery(PageQuery):
    """Which events to list."""

    device_id: DeviceId | None = None
    category: Category | None = None
    since: TimeBound | None = Field(None, description="From this moment on.")
    until: TimeBound | None = Field(None, description="Before this moment.")

    def to_domain(self) -> AuditFilter:
        """The filter."""
        return AuditFilter(self.device_id, self.category, self.since, self.until)
