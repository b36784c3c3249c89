"""Group commit: sessions that are opened at the same moment share one snapshot, one statement and one commit.

A commit costs a write to the disk, whether it holds one session or fifty. So while a group is on its way, those that
come are collected, and leave together when it is back. Nobody waits for company: a request that finds no group on its
way leaves at once, alone. One group at a time is best: a second one would only make both smaller, for their sessions
meet at the same pools, and each costs what a larger one does.

The planner sees what the group has been admitted before, so a group never competes with itself. It may lose to another
process between snapshot and commit; what was lost is decided again with the next group. One that finds no room leaves
the groups: `honeylink.services.negotiation` sees what can be done about it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

import structlog

from honeylink.domain.admission import decide, path_changes
from honeylink.errors import (
    BandwidthExceeded,
    ClientGone,
    DependencyUnavailable,
    NotFound,
    Overloaded,
    ServiceError,
)
from honeylink.services.asking import Asked, OpenedSession, make_keys, new_session, wipe
from honeylink.services.load_limit import LoadLimit
from honeylink.services.snapshots import Snapshot
from honeylink.store import sessions as session_store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from types import TracebackType
    from uuid import UUID

    from honeylink.domain.access import Principal
    from honeylink.domain.admission import Pool
    from honeylink.domain.sessions import SessionRequest, Stream
    from honeylink.keys.keyring import Keyring
    from honeylink.keys.secret import Secret
    from honeylink.services.negotiation import Negotiation
    from honeylink.services.snapshots import KnownDevices
    from honeylink.store.database import Database, UnitOfWork
    from honeylink.store.sessions import NewSession

    Snapshots = dict[tuple[UUID, str], Snapshot]

__all__ = ["Expected", "Opening"]

# What fits a commit's time at full load. A larger group would only make its first member wait for its last.
_GROUP_MAX = 64
# Of a group, in one pass of the event loop: some milliseconds in which nobody else is served, and a quarter of that
# while others wait to be refused.
_AT_ONCE_MAX = 16
_AT_ONCE_MAX_REFUSING = 4

_log = structlog.get_logger(__name__)

_T = TypeVar("_T")

_expected: ContextVar[Expected | None] = ContextVar("expected", default=None)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request that waits to be opened."""

    asked: Asked
    result: asyncio.Future[OpenedSession]


class Expected:
    """One request on its way: what is done inside `with` leads to it, or to nothing.

    It counts while it is the service that it waits for.

    Args:
        count: adds so many to those that count.
    """

    def __init__(self, count: Callable[[int], None]) -> None:
        self._count = count
        self._counts = False

    def __enter__(self) -> Self:
        self._set(counts=True)
        _expected.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.arrive()

    def arrive(self) -> None:
        """It is there, or won't come."""
        self._set(counts=False)

    async def apart(self, client: Awaitable[_T]) -> _T:
        """Wait for what is up to the client, who may take its time."""
        counted = self._counts
        self._set(counts=False)
        try:
            return await client
        finally:
            self._set(counts=counted)

    def _set(self, *, counts: bool) -> None:
        self._count(counts - self._counts)
        self._counts = counts


class Opening:
    """Opens sessions in groups.

    Args:
        database: where sessions go.
        keyring: makes their keys.
        known_devices: what is kept between two sessions of a device.
        negotiation: takes over those that find no room.
        session_endpoint: part of each answer.
        max_streams: how many streams one session may have.
        max_opening: how many requests may be in progress; beyond, or past what can be done in time, one is refused at
            once, for it would only wait to be too late.
    """

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        known_devices: KnownDevices,
        negotiation: Negotiation,
        *,
        session_endpoint: str,
        max_streams: int,
        max_opening: int,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._known_devices = known_devices
        self._negotiation = negotiation
        self._session_endpoint = session_endpoint
        self._max_streams = max_streams
        self._load = LoadLimit(max_opening)
        self._coming = 0
        self._waiting: deque[_Waiting] = deque()
        self._group: asyncio.Task[None] | None = None

    def overloaded(self, coming: int = 0) -> bool:
        """Whether one more request would be one too many, beside those expected and so many more."""
        return self._load.refuses(asyncio.get_running_loop().time(), self._coming + coming)

    def expecting(self) -> Expected:
        """One more request that is on its way here."""
        return Expected(self._count_coming)

    def _count_coming(self, more: int) -> None:
        self._coming += more

    async def open(self, caller: Principal, request: SessionRequest, wanted: Callable[[], bool]) -> OpenedSession:
        """Open a session with the next group.

        Args:
            caller: who asks.
            request: for what.
            wanted: whether somebody still waits for the answer; if not, nothing is committed.

        Raises:
            NotFound: the tenant has no such device.
            StateConflict: the device is not paired.
            TooManyStreams: there are more than one session may have.
            BandwidthExceeded: a pool on the device's path is short, and no room can be made.
            ClientGone: nobody waits for the answer any more.
            Overloaded: there are too many in progress.
            DependencyUnavailable: database or key provider are away or too slow.
        """
        loop = asyncio.get_running_loop()
        entered = loop.time()
        if expected := _expected.get():
            expected.arrive()
        if self._load.refuses(entered):
            raise Overloaded
        asked = Asked.now(caller, request, entered + self._database.remaining_seconds(), wanted)
        waiting = _Waiting(asked, loop.create_future())
        self._waiting.append(waiting)
        self._load.enter(entered)
        self._dispatch()
        opened = None
        try:
            async with asyncio.timeout_at(asked.deadline):
                opened = await waiting.result
                return opened
        except TimeoutError:
            raise DependencyUnavailable("the database") from None
        except BandwidthExceeded as refusal:
            # One that could take from nobody is only told more by it. While many are refused that is not worth a wait.
            if self._negotiation.busy and not (request.setup_priority and refusal.preemption):
                raise
            return await self._negotiation.open(asked)
        finally:
            self._database.spend(loop.time() - entered)
            self._leave(entered, loop.time(), opened is not None)

    def _leave(self, entered: float, now: float, opened: bool) -> None:
        if not opened:
            self._load.give_up()
            return
        reduced = self._load.reduced
        self._load.leave(entered, now)
        if self._load.reduced and not reduced:
            _log.warning("opening.overloaded", limit=self._load.limit)
        elif reduced and not self._load.reduced:
            _log.info("opening.recovered", limit=self._load.limit)

    def _dispatch(self) -> None:
        """Send a group on its way, if none is and there is somebody to go."""
        if self._group is None and self._waiting:
            group = [self._waiting.popleft() for _ in range(min(_GROUP_MAX, len(self._waiting)))]
            # Spans of the group's statements belong to its first member's trace.
            self._group = asyncio.get_running_loop().create_task(
                self._open_group(group), context=group[0].asked.context.copy()
            )
            self._group.add_done_callback(self._finished)

    def _finished(self, _: asyncio.Task[None]) -> None:
        self._group = None
        self._dispatch()

    async def _open_group(self, group: list[_Waiting]) -> None:
        try:
            with self._database.shared_budget():
                again = await self._try_group(group)
        except DependencyUnavailable as error:
            _refuse(group, error)
        except Exception as error:  # noqa: BLE001 - it goes to the request it belongs to
            if len(group) == 1:
                _refuse(group, error)
                return
            # One of them has something that the database can't take. Alone, it fails nobody else.
            _log.exception("opening.group_failed", sessions=len(group))
            for each in group:
                await self._open_group([each])
        else:
            self._waiting.extendleft(reversed(again))

    async def _try_group(self, group: list[_Waiting]) -> list[_Waiting]:
        """Open those that can be opened and refuse those that can't; returns those that need another look."""
        now = asyncio.get_running_loop().time()
        live = [each for each in group if not each.result.done() and each.asked.deadline > now]
        if not live:
            return []
        generation = self._known_devices.generation
        async with self._database.work() as work:
            known, read = await self._snapshots(work, {each.asked.device for each in live}, now)
            admitted, again = await self._admit_group(live, known, read)
            stored = {}
            if admitted:
                stored = await session_store.create_sessions(
                    work, [new for new, _ in admitted.values()], self._session_endpoint
                )
        for index, (each, (new, stream_keys)) in enumerate(admitted.items()):
            await self._breathe(index)
            times = stored.get(each.asked.session_id)
            if times is None or each.result.done():
                wipe(stream_keys)
            if times is None:
                again.append(each)
                continue
            if each.asked.device in read and not any(stream.is_short for stream in new.streams):
                self._known_devices.put(each.asked.device, read[each.asked.device].with_empty_pools(), generation)
            if not each.result.done():
                each.result.set_result(
                    OpenedSession(each.asked.session_id, *times, self._session_endpoint, new.streams, stream_keys)
                )
        for each in again:
            self._known_devices.drop(each.asked.device)
        return again

    async def _admit_group(
        self, live: list[_Waiting], known: Snapshots, read: Snapshots
    ) -> tuple[dict[_Waiting, tuple[NewSession, tuple[Secret, ...]]], list[_Waiting]]:
        """Decide on each after those before it; those that can't be decided on by what is known need another look."""
        admitted, again = {}, []
        taken = _Taken()
        for index, each in enumerate(live):
            await self._breathe(index)
            if not each.asked.wanted():
                _refuse([each], ClientGone())
                continue
            snapshot = known.get(each.asked.device) or read.get(each.asked.device)
            try:
                if snapshot is None:
                    raise NotFound("device", each.asked.request.device_id)
                path = taken.path_after(snapshot.context.path)
                streams = self._decide(each.asked, snapshot, path)
                if each.asked.device in known and any(stream.is_short for stream in streams):
                    again.append(each)
                    continue
                keys = await make_keys(self._keyring, each.asked, snapshot)
                admitted[each] = new_session(each.asked, snapshot, streams, keys.sealed), keys.stream_keys
                taken.add(path, streams)
            except ServiceError as refusal:
                if each.asked.device in known:
                    again.append(each)
                else:
                    _refuse([each], refusal)
        return admitted, again

    async def _breathe(self, index: int) -> None:
        """Let others have their turn, every few of a group."""
        at_once_max = _AT_ONCE_MAX_REFUSING if self._load.refusing else _AT_ONCE_MAX
        if index % at_once_max == at_once_max - 1:
            await asyncio.sleep(0)

    async def _snapshots(
        self, work: UnitOfWork, devices: set[tuple[UUID, str]], now: float
    ) -> tuple[Snapshots, Snapshots]:
        """What is known of some of the devices, and what the database says of the others."""
        found = {device: self._known_devices.get(device) for device in devices}
        known = {device: each for device, each in found.items() if each is not None and not each.too_old(now)}
        unknown = devices - known.keys()
        if not unknown:
            return known, {}
        contexts = await session_store.find_session_contexts(work, unknown)
        read_at = asyncio.get_running_loop().time()
        return known, {device: Snapshot(context, read_at) for device, context in contexts.items()}

    def _decide(self, asked: Asked, snapshot: Snapshot, path: Sequence[Pool]) -> tuple[Stream, ...]:
        status = snapshot.context.device_status
        return decide(asked.request, status, path, asked.stream_ids, self._max_streams).streams


class _Taken:
    """What the sessions of a group have of each pool, and what of that had been withheld for them."""

    def __init__(self) -> None:
        self._changes: dict[str, tuple[int, int]] = {}

    def path_after(self, path: Sequence[Pool]) -> list[Pool]:
        """The pools as they will be for the next of the group."""
        changes = [self._changes.get(pool.key) for pool in path]
        return [
            pool if change is None else pool.with_changes(*change) for pool, change in zip(path, changes, strict=True)
        ]

    def add(self, path: Sequence[Pool], streams: Sequence[Stream]) -> None:
        """Count one more session, whose pools were like that before it."""
        for pool, (reserved_kbps, used_kbps) in zip(path, path_changes(path, streams), strict=True):
            reserved_before_kbps, used_before_kbps = self._changes.get(pool.key, (0, 0))
            self._changes[pool.key] = reserved_before_kbps + reserved_kbps, used_before_kbps + used_kbps


def _refuse(group: list[_Waiting], reason: Exception) -> None:
    for each in group:
        if not each.result.done():
            each.result.set_exception(reason)
