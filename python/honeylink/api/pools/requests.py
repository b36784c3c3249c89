"""What clients send to change a pool."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field

from honeylink.api.http.models import BodyModel
from honeylink.api.http.values import HoldMs, Kbps, word_of
from honeylink.api.pools import examples
from honeylink.domain.admission import Charge
from honeylink.domain.pools import Force, PoolChange


class PoolBody(BodyModel):
    """What a pool shall be. What is left out is as the default says, not as it was."""

    model_config = ConfigDict(json_schema_extra={"example": examples.POOL_BODY})

    capacity_kbps: Kbps
    charge: Annotated[Charge, BeforeValidator(word_of(Charge))] = Field(
        Charge.PAYLOAD, description="What a stream costs: what it carries, or what it sends, its parity too."
    )
    guaranteed_kbps: Kbps | None = Field(None, description="Its share of its parent pool. Left out: none.")
    borrow_limit_kbps: Kbps | None = Field(
        None, description="How far beyond its share it may go. Left out: as far as its capacity."
    )
    lend_limit_kbps: Kbps | None = Field(
        None, description="How much of its share others may use while it does not. Left out: all of it."
    )
    preemption: bool = Field(False, description="Whether sessions may lose bandwidth here to stronger ones.")
    min_hold_ms: HoldMs = Field(0, description="For how long after its opening a session can't.")
    force: Annotated[Force, BeforeValidator(word_of(Force))] | None = Field(
        None,
        description="How to come down to less than what is given away: `shrink` leaves sessions with less, down to "
        "their minima; `drain` admits nobody until enough have ended. Left out: that is refused.",
    )

    def to_domain(self) -> PoolChange:
        """The change."""
        return PoolChange(**dict(self))
