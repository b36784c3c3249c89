"""How often somebody may call: the generic cell rate algorithm (ITU-T I.371), one number a caller."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING

from honeylink.errors import RateLimited

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

# Bounds the memory, whatever callers come up with. The longest idle goes first, and an idle one has a full burst again.
_MAX_CALLERS = 100_000


class RateLimiter:
    """Lets each caller through `per_second` times a second, with bursts of as many; 0 lets everybody through.

    Example:
        >>> limiter = RateLimiter(per_second=1, clock=lambda: 0.0)
        >>> limiter.admit("token-1")
        >>> limiter.admit("token-1")
        Traceback (most recent call last):
        honeylink.errors.RateLimited: over the rate; retry in 1 s
    """

    def __init__(self, per_second: int, clock: Callable[[], float]) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._clock = clock
        self._next: OrderedDict[Hashable, float] = OrderedDict()

    def admit(self, caller: Hashable) -> None:
        """Count one call.

        Raises:
            RateLimited: the caller has used up its burst.
        """
        if not self._interval:
            return
        now = self._clock()
        theoretical = max(self._next.get(caller, now), now) + self._interval
        excess = theoretical - (now + 1)
        if excess > 1e-9:
            raise RateLimited(max(1, math.ceil(excess)))
        self._next[caller] = theoretical
        self._next.move_to_end(caller)
        if len(self._next) > _MAX_CALLERS:
            self._next.popitem(last=False)
