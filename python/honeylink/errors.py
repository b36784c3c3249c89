"""Every exception HoneyLink raises on purpose.

::

    HoneyLinkError
    ├── FecError                     the codec; usable without the service
    │   ├── CodeParameterError       k or m outside what GF(2^8) allows (also a ValueError)
    │   ├── UnknownMatrix            no generator matrix of that name (also a ValueError)
    │   ├── UnknownEngine            no engine of that name runs here (also a ValueError)
    │   ├── ShardShapeError          shards of the wrong number, length or layout (also a ValueError)
    │   ├── TooFewShards             fewer than k shards are left (also a ValueError)
    │   ├── Incomplete               a progressive encoder that lacks data shards (also a ValueError)
    │   ├── OutputError              an output that can't be written to (also a ValueError)
    │   ├── PacketParameterError     a code, tag or window that a packet codec can't have (also a ValueError)
    │   ├── PacketTooLong            a packet that no datagram can hold (also a ValueError)
    │   ├── PlanParameterError       a loss, burst or target that no link can have (also a ValueError)
    │   └── PlanUnreachable          no parity is enough (also a ValueError)
    ├── SchedulerError               the scheduler; usable without the service
    │   ├── PlannerError             an argument of the planner that can't be (also a ValueError)
    │   └── LinkError                an argument that no link, class, stream or call can have (also a ValueError)
    │       ├── UnknownHandle        a handle that was never given, or is that of a removed one (also a ValueError)
    │       ├── TimeBackwards        a time before that of an earlier call (also a ValueError)
    │       ├── OverCommitted        guarantees that are more than a ceiling, or than the link (also a ValueError)
    │       └── DelayOutOfReach      a delay that can't be kept (also a ValueError)
    ├── CodecFailed                  a codec that can't be measured (in honeylink.cli.bench.cases)
    ├── ScenarioError                a scenario that can't be simulated (in honeylink.cli.link.scenario)
    ├── CorruptState                 an object on which an internal error ended an earlier call
    ├── SettingsError                a setting with a wrong value
    ├── DatabaseStartError           the embedded database did not start (in honeylink.store.embedded)
    ├── MigrationError               the schema could not be brought up to date (in honeylink.store.migrate)
    ├── UnsealError                  a sealed key in another's row (in honeylink.keys.envelope)
    └── ServiceError                 what the API answers with; `code` is its `error_code`
        ├── ValidationFailed         ERR_VALIDATION
        ├── Unauthenticated          ERR_AUTH
        ├── Forbidden                ERR_AUTHZ
        ├── NotFound                 ERR_NOT_FOUND
        ├── StateConflict            ERR_STATE
        ├── Conflict                 ERR_CONFLICT
        │   ├── BandwidthExceeded
        │   ├── PoolConflict
        │   │   └── GuaranteeExceeded
        │   └── TooManyStreams
        ├── TooSlow                  ERR_TIMEOUT
        ├── ClientGone               ERR_TIMEOUT
        ├── TooLarge                 ERR_TOO_LARGE
        ├── RateLimited              ERR_RATE_LIMITED
        └── DependencyUnavailable    ERR_DEPENDENCY
            ├── Overloaded
            ├── KeyProviderError     (in honeylink.keys.providers)
            ├── DatabaseUnprepared   (in honeylink.store.database)
            └── RowLocked            (in honeylink.store.database)

Each error carries its facts as attributes and builds its message from them: what was expected, what was found.
The status of an answer is the API's business and stands in `honeylink.api.http.problems`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

__all__ = [
    "BandwidthExceeded",
    "ClientGone",
    "CodeParameterError",
    "Conflict",
    "CorruptState",
    "DelayOutOfReach",
    "DependencyUnavailable",
    "FecError",
    "Forbidden",
    "GuaranteeExceeded",
    "HoneyLinkError",
    "Incomplete",
    "LinkError",
    "NotFound",
    "OutputError",
    "OverCommitted",
    "Overloaded",
    "PacketParameterError",
    "PacketTooLong",
    "PlanParameterError",
    "PlanUnreachable",
    "PlannerError",
    "PoolConflict",
    "RateLimited",
    "SchedulerError",
    "ServiceError",
    "SettingsError",
    "ShardShapeError",
    "StateConflict",
    "TimeBackwards",
    "TooFewShards",
    "TooLarge",
    "TooManyStreams",
    "TooSlow",
    "Unauthenticated",
    "UnknownEngine",
    "UnknownHandle",
    "UnknownMatrix",
    "ValidationFailed",
]


class HoneyLinkError(Exception):
    """Root of all errors of this package. Each can be pickled and copied, facts and all."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...], dict[str, object]]:
        """Rebuild it without `__init__`, whose arguments are the facts and not the message."""
        return _rebuild, (type(self), *self.args), self.__dict__


def _rebuild(cls: type[HoneyLinkError], *args: object) -> HoneyLinkError:
    return cls.__new__(cls, *args)


class FecError(HoneyLinkError):
    """Root of the codec's errors. After one, nothing was written."""


class CodeParameterError(FecError, ValueError):
    """A code needs 1 <= k, 0 <= m and k + m <= 256."""

    def __init__(self, data_shards: int, parity_shards: int) -> None:
        super().__init__(
            f"expected data_shards >= 1, parity_shards >= 0 and at most 256 shards together, "
            f"found data_shards={data_shards}, parity_shards={parity_shards}"
        )
        self.data_shards = data_shards
        self.parity_shards = parity_shards


class UnknownMatrix(FecError, ValueError):
    """No generator matrix has that name."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"expected one of {', '.join(known)} as matrix, found {name!r}")
        self.name = name
        self.known = known


class UnknownEngine(FecError, ValueError):
    """This CPU runs no engine of that name."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"expected one of {', '.join(known)} as HONEYLINK_FEC_ENGINE, found {name!r}")
        self.name = name
        self.known = known


class ShardShapeError(FecError, ValueError):
    """Shards whose number, length or memory layout does not fit the code."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.expected = expected
        self.found = found


class TooFewShards(FecError, ValueError):
    """Fewer shards are present than the group has data shards, so it can't be recovered."""

    def __init__(self, have: int, need: int, group: int | None = None) -> None:
        where = "" if group is None else f" in group {group}"
        super().__init__(f"expected at least {need} shards present{where}, found {have}")
        self.have = have
        self.need = need
        self.group = group


class Incomplete(FecError, ValueError):
    """A progressive encoder was asked for parity before it had all data shards."""

    def __init__(self, missing: list[int]) -> None:
        super().__init__(f"expected all data shards to be added, found these missing: {', '.join(map(str, missing))}")
        self.missing = missing


class OutputError(FecError, ValueError):
    """An output array that is read-only, or shares memory with another one."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"expected a writable output apart from all other arrays, found {reason}")
        self.reason = reason


class PacketParameterError(FecError, ValueError):
    """A code, stream tag or window that a packet codec can't have."""

    def __init__(self, field: str, expected: str, found: str) -> None:
        super().__init__(f"{field}: expected {expected}, found {found}")
        self.field = field
        self.expected = expected
        self.found = found


class PacketTooLong(FecError, ValueError):
    """A packet that no datagram can hold.

    Attributes:
        expected: bytes of the longest packet that one can.
        found: bytes of this one.
    """

    def __init__(self, expected: int, found: int) -> None:
        super().__init__(f"expected a packet of at most {expected} bytes, found {found}: send it in parts")
        self.expected = expected
        self.found = found


class PlanParameterError(FecError, ValueError):
    """A loss, burst or target that no link can have."""

    def __init__(self, field: str, expected: str, found: float) -> None:
        super().__init__(f"{field}: expected {expected}, found {found}")
        self.field = field
        self.expected = expected
        self.found = found


class PlanUnreachable(FecError, ValueError):
    """Not even the most parity that a group can have makes it recover as often as wanted.

    Attributes:
        best: the highest probability that can be had, with 256 shards.
        target: the one that was asked for.
    """

    def __init__(self, best: float, target: float) -> None:
        super().__init__(f"expected a target of at most {best}, the best at this loss, found {target}")
        self.best = best
        self.target = target


class SchedulerError(HoneyLinkError):
    """Root of the scheduler's errors."""


class PlannerError(SchedulerError, ValueError):
    """An argument of the admission planner that no pool, stream or session can have."""

    def __init__(self, field: str, expected: str, found: str) -> None:
        super().__init__(f"{field}: expected {expected}, found {found}")
        self.field = field
        self.expected = expected
        self.found = found


class LinkError(SchedulerError, ValueError):
    """An argument that no link, class, stream or call can have. After one, the link is as it was.

    Attributes:
        field: the argument, as `streams[3]`.
        expected: what would have been right.
        found: what was given.
    """

    def __init__(self, field: str, expected: str, found: str) -> None:
        super().__init__(f"{field}: expected {expected}, found {found}")
        self.field = field
        self.expected = expected
        self.found = found


class UnknownHandle(LinkError):
    """A handle that was never given, or whose class or stream was removed."""

    def __init__(self, field: str, expected: str, found: str, handle: int) -> None:
        super().__init__(field, expected, found)
        self.handle = handle


class TimeBackwards(LinkError):
    """A time before that of an earlier call.

    Attributes:
        last_ns: the latest time so far.
        found_ns: the time that was given.
    """

    def __init__(self, field: str, expected: str, found: str, last_ns: int, found_ns: int) -> None:
        super().__init__(field, expected, found)
        self.last_ns = last_ns
        self.found_ns = found_ns


class OverCommitted(LinkError):
    """Guarantees that together are more than a ceiling, or than the link.

    Attributes:
        handle: the class whose ceiling it is, or the root.
        capacity_kbps: what there is.
        guaranteed_kbps: what would be guaranteed.
    """

    def __init__(
        self, field: str, expected: str, found: str, handle: int, capacity_kbps: int, guaranteed_kbps: int
    ) -> None:
        super().__init__(field, expected, found)
        self.handle = handle
        self.capacity_kbps = capacity_kbps
        self.guaranteed_kbps = guaranteed_kbps


class DelayOutOfReach(LinkError):
    """A delay that can't be kept with what is guaranteed to others, or under a ceiling.

    Attributes:
        handle: the class whose ceiling is in the way, or the root for the link; None if it is the stream's own ceiling.
        least_us: the shortest delay that could be kept there; None if none could.
    """

    def __init__(self, field: str, expected: str, found: str, handle: int | None, least_us: int | None) -> None:
        super().__init__(field, expected, found)
        self.handle = handle
        self.least_us = least_us


class CorruptState(HoneyLinkError):
    """An object whose state is unknown, as an internal error ended an earlier call on it. Make a new one."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"expected {name} to be as its last call left it, found that an internal error ended that call: "
            "its state is unknown; make a new one"
        )
        self.name = name


class SettingsError(HoneyLinkError):
    """A setting has a wrong value; the message names every such setting."""


class ServiceError(HoneyLinkError):
    """Root of what the session service refuses. `code` is the `error_code` of the answer."""

    code: ClassVar[str]


class ValidationFailed(ServiceError):
    """A request that does not fit its schema.

    Attributes:
        faults: pairs of a JSON pointer (RFC 6901) and what is wrong there.
    """

    code = "ERR_VALIDATION"

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(message for _, message in faults))
        self.faults = faults


class Unauthenticated(ServiceError):
    """No token, or one that is malformed, unknown, revoked or expired."""

    code = "ERR_AUTH"


class Forbidden(ServiceError):
    """A good token that may not do this."""

    code = "ERR_AUTHZ"


class NotFound(ServiceError):
    """Nothing of that name in the caller's tenant."""

    code = "ERR_NOT_FOUND"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} {name!r} not found")
        self.kind = kind
        self.name = name


class StateConflict(ServiceError):
    """The thing exists but is in the wrong state for this."""

    code = "ERR_STATE"


class Conflict(ServiceError):
    """The request collides with what is there already."""

    code = "ERR_CONFLICT"


class BandwidthExceeded(Conflict):
    """A pool on the device's path is short.

    Attributes:
        requested_kbps: what the whole session asks for, as the limiting pool charges it.
        available_kbps: what the limiting pool has left.
        limiting_pool: the first short pool from the device up, as `level:id`.
        admissible_kbps: the largest stream without parity that every pool of the path would take now.
        counter_offer: the most that the streams could have now, by name; None if not even their minima fit.
        free_at: when enough will have expired; None if that is not known.
        preemption: whether the limiting pool lets stronger sessions take from weaker ones.
    """

    def __init__(
        self,
        requested_kbps: int,
        available_kbps: int,
        limiting_pool: str,
        admissible_kbps: int,
        counter_offer: dict[str, int] | None = None,
        free_at: datetime | None = None,
        *,
        preemption: bool = False,
    ) -> None:
        if counter_offer:
            fits = ", ".join(f"{name} {kbps} kbps" for name, kbps in counter_offer.items())
            advice = f"what would fit: {fits}"
        else:
            advice = "nothing more fits now"
            if admissible_kbps:
                advice = f"the minima don't fit; one stream of at most {admissible_kbps} kbps would"
        super().__init__(
            f"requested {requested_kbps} kbps, pool {limiting_pool} has {available_kbps} kbps left; {advice}"
        )
        self.requested_kbps = requested_kbps
        self.available_kbps = available_kbps
        self.limiting_pool = limiting_pool
        self.admissible_kbps = admissible_kbps
        self.counter_offer = counter_offer
        self.free_at = free_at
        self.preemption = preemption


class PoolConflict(Conflict):
    """A pool can't be so and keep what it or another has promised."""

    def __init__(self, pool: str, expected: str, found: str) -> None:
        super().__init__(f"pool {pool}: expected {expected}, found {found}")
        self.pool = pool
        self.expected = expected
        self.found = found


class GuaranteeExceeded(PoolConflict):
    """More would be guaranteed of a pool than it can give.

    Attributes:
        requested_kbps: what would be guaranteed, to the pool or, if that is the limiting one, to its children.
        available_kbps: what the limiting pool has for that.
        limiting_pool: the first that is short, as `level:id`.
    """

    def __init__(self, pool: str, requested_kbps: int, available_kbps: int, limiting_pool: str) -> None:
        if limiting_pool == pool:
            expected = f"a ceiling of at least {requested_kbps} kbps, which are guaranteed to its children"
            found_kbps = available_kbps
        else:
            expected = f"a share of at most {available_kbps} kbps of pool {limiting_pool}, since others have theirs"
            found_kbps = requested_kbps
        super().__init__(pool, expected, f"{found_kbps} kbps")
        self.requested_kbps = requested_kbps
        self.available_kbps = available_kbps
        self.limiting_pool = limiting_pool


class TooManyStreams(Conflict):
    """More streams than one session may have."""

    def __init__(self, requested_streams: int, max_streams: int) -> None:
        super().__init__(f"expected at most {max_streams} streams, found {requested_streams}")
        self.requested_streams = requested_streams
        self.max_streams = max_streams


class TooLarge(ServiceError):
    """A request above a limit of size."""

    code = "ERR_TOO_LARGE"

    def __init__(self, part: str, max_bytes: int) -> None:
        super().__init__(f"expected a {part} of at most {max_bytes} bytes, found a longer one")
        self.max_bytes = max_bytes


class TooSlow(ServiceError):
    """A request that took too long to arrive."""

    code = "ERR_TIMEOUT"

    def __init__(self, part: str, timeout_seconds: float) -> None:
        super().__init__(f"expected the whole {part} within {timeout_seconds:g} s")
        self.timeout_seconds = timeout_seconds


class ClientGone(ServiceError):
    """The client gave up before its request was carried out, so it was not. Nobody reads this answer but the log."""

    code = "ERR_TIMEOUT"

    def __init__(self) -> None:
        super().__init__("expected the client to wait for the answer, found it gone; nothing was done")


class RateLimited(ServiceError):
    """The caller is over its rate."""

    code = "ERR_RATE_LIMITED"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"over the rate; retry in {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


class DependencyUnavailable(ServiceError):
    """The database or the key provider is away or too slow."""

    code = "ERR_DEPENDENCY"

    def __init__(self, dependency: str, retry_after_seconds: int = 1) -> None:
        super().__init__(f"{dependency} is not available now; retry in {retry_after_seconds} s")
        self.dependency = dependency
        self.retry_after_seconds = retry_after_seconds


class Overloaded(DependencyUnavailable):
    """There is more to do than can be done in time, so what came last is not begun."""

    def __init__(self) -> None:
        super().__init__("room for one more session to open")
