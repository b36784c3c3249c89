"""What clients get of pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field

from honeylink.api.http.models import AnswerModel, is_none
from honeylink.api.pools import examples
from honeylink.domain.admission import Charge, PoolLevel
from honeylink.domain.pools import settings_of

if TYPE_CHECKING:
    from honeylink.domain.admission import Pool


class PoolAnswer(AnswerModel):
    """A pool: what it is, and what of it is in use. Of the node's that is null: others use it too."""

    model_config = ConfigDict(json_schema_extra={"example": examples.POOL})

    pool: str = Field(description="As refusals name it: `level:id`.")
    level: Literal["device", "tenant", "node"]
    tenant_id: UUID | None = Field(None, exclude_if=is_none, description="Of a tenant's pool: the tenant's id.")
    capacity_kbps: int
    charge: Charge
    guaranteed_kbps: int | None
    borrow_limit_kbps: int | None
    lend_limit_kbps: int | None
    preemption: bool
    min_hold_ms: int
    reserved_kbps: int | None = Field(description="What live sessions hold.")
    withheld_kbps: int | None = Field(description="What is kept free for its child pools.")
    available_kbps: int | None = Field(description="What is left for anybody.")
    draining_kbps: int | None = Field(description="What has yet to end before anybody is admitted.")

    @classmethod
    def of(cls, pool: Pool) -> Self:
        """As an answer shows it."""
        own = pool.level is not PoolLevel.NODE
        return cls(
            pool=pool.name,
            level=pool.level.label,
            tenant_id=pool.tenant_id if pool.level is PoolLevel.TENANT else None,
            **settings_of(pool),
            reserved_kbps=pool.reserved_kbps if own else None,
            withheld_kbps=pool.withheld_kbps if own else None,
            available_kbps=pool.free_kbps if own else None,
            draining_kbps=pool.draining_kbps if own else None,
        )


class PoolPage(AnswerModel):
    """Some pools, newest first."""

    items: list[PoolAnswer]
    next_cursor: str | None
