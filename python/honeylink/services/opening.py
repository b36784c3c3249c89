"""Group commit: sessions that are opened at the same moment share one snapshot, one statement and one commit.

A commit costs a write to the disk, whether it holds one session or fifty. So while a group is being committed, pending
sessions are collected, and form the next group when it is done. Nobody waits for company: a session that finds no group
being committed goes at once, alone. One group at a time is best: their sessions need the same pools. The next one goes
before the members of the last are answered, and none is larger than half of what is being opened: so database and
service always have one to do, and neither waits for the other.

What became of the members of a group, `honeylink.services.group_commit` says. Those on which nothing could be decided
are the first members of the next group. A session that finds no room leaves the groups, and
`honeylink.services.negotiation` sees what can be done about it. One that needs a row which another transaction holds
locked leaves them too, and returns when the row is free. A group that has waited for a lock which can't be found out is
tried again apart from the others, which don't wait for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import structlog

from honeylink.errors import BandwidthExceeded, DependencyUnavailable
from honeylink.services.deadlines import Deadlines
from honeylink.services.group_commit import GroupCommit
from honeylink.services.load_shedding.states import Event
from honeylink.services.pending import OpenedSession, PendingSession
from honeylink.store.database import LOCK_WAIT_MS, RowLocked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from honeylink.domain.access import Principal
    from honeylink.domain.sessions import SessionRequest
    from honeylink.errors import ServiceError
    from honeylink.keys.keyring import Keyring
    from honeylink.services.load_shedding.gate import AdmissionGate
    from honeylink.services.load_shedding.in_flight import InFlight
    from honeylink.services.locked_rows import LockedRows
    from honeylink.services.negotiation import Negotiation
    from honeylink.services.snapshots import KnownDevices
    from honeylink.store.database import Database

# As many as are decided on within a commit's time at full load. A larger one would make its first member wait for its
# last.
_GROUP_MAX = 64
# Fewer are not split: what two groups cost more than one is then more than what is won.
_GROUP_UNSPLIT = 4
# If no transaction holds what a group has waited for, the database is slow, and short timeouts make it slower.
_LOCK_WAIT_PATIENT_MS = 4 * LOCK_WAIT_MS

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A pending session, and where its answer goes."""

    pending: PendingSession
    result: asyncio.Future[OpenedSession]

    def settle(self, outcome: OpenedSession | Exception) -> None:
        """Answer, unless nobody waits any more."""
        if isinstance(outcome, OpenedSession):
            if self.result.done():
                outcome.wipe_keys()
            else:
                self.result.set_result(outcome)
        elif not self.result.done():
            self.result.set_exception(outcome)

    def abandon(self) -> None:
        """Nobody takes the answer, which may have come at the last moment."""
        if not self.result.cancel() and not self.result.cancelled() and self.result.exception() is None:
            self.result.result().wipe_keys()


_Answers: TypeAlias = "dict[_Waiting, OpenedSession | ServiceError]"


class Opening:
    """Opens sessions in groups.

    Args:
        database: where sessions go.
        keyring: makes their keys.
        known_devices: what is kept between two sessions of a device.
        negotiation: takes over sessions that find no room.
        locked_rows: where sessions wait that need a locked row.
        gate: says how many requests may be in progress; one more is refused at once, for it would only wait to be too
            late.
        session_endpoint: part of each answer.
        max_streams: how many streams one session may have.
    """

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        known_devices: KnownDevices,
        negotiation: Negotiation,
        locked_rows: LockedRows,
        gate: AdmissionGate,
        *,
        session_endpoint: str,
        max_streams: int,
    ) -> None:
        self._database = database
        self._negotiation = negotiation
        self._locked_rows = locked_rows
        self._groups = GroupCommit(
            database,
            keyring,
            known_devices,
            session_endpoint=session_endpoint,
            max_streams=max_streams,
        )
        self._gate = gate
        self._deadlines = Deadlines(lambda: DependencyUnavailable("the database"))
        self._waiting: deque[_Waiting] = deque()
        self._group: asyncio.Task[None] | None = None
        self._slow: deque[list[_Waiting]] = deque()
        self._slow_group: asyncio.Task[None] | None = None

    async def open(
        self, caller: Principal, request: SessionRequest, wanted: Callable[[], bool], in_flight: InFlight | None
    ) -> OpenedSession:
        """Open a session with the next group.

        Args:
            caller: who asks.
            request: for what.
            wanted: whether somebody still waits for the answer; if not, nothing is committed.
            in_flight: the request, if it has passed the admission gate.

        Raises:
            NotFound: the tenant has no such device.
            StateConflict: the device is not paired.
            TooManyStreams: there are more than one session may have.
            BandwidthExceeded: a pool on the device's path is short, and no room can be made.
            ClientGone: nobody waits for the answer any more.
            Overloaded: there are too many in progress.
            DependencyUnavailable: database or key provider are away or too slow.
        """
        now = asyncio.get_running_loop().time()
        in_flight = in_flight or self._gate.arrive()
        in_flight.move(Event.COMPLETE)
        pending = PendingSession.now(caller, request, now + self._database.remaining_seconds(), wanted)
        return await self._locked_rows.patiently(pending.device, lambda: self._open(pending, in_flight))

    async def _open(self, pending: PendingSession, in_flight: InFlight) -> OpenedSession:
        loop = asyncio.get_running_loop()
        started = loop.time()
        self._gate.open(in_flight, started)
        waiting = _Waiting(pending, loop.create_future())
        self._waiting.append(waiting)
        self._deadlines.add(waiting.result, pending.deadline)
        self._dispatch()
        opened = None
        try:
            opened = await waiting.result
        except BandwidthExceeded as refusal:
            # A session that may preempt none is only told more by it. While many are refused that is not worth a wait.
            if self._negotiation.busy and not (pending.request.setup_priority and refusal.preemption):
                raise
            return await self._negotiation.open(pending)
        else:
            return opened
        finally:
            self._deadlines.remove(waiting.result)
            if opened is None:
                waiting.abandon()
            self._database.spend(loop.time() - started)
            if opened is None:
                in_flight.move(Event.ABANDON)
            else:
                self._gate.opened(in_flight, started, loop.time())

    def _dispatch(self) -> None:
        """Begin with the next group, unless one is being committed or none is pending."""
        if self._group is None and self._waiting:
            group = [self._waiting.popleft() for _ in range(min(self._group_max(), len(self._waiting)))]
            # Spans of the group's statements belong to its first member's trace.
            self._group = asyncio.get_running_loop().create_task(
                self._send(group), context=group[0].pending.context.copy()
            )
            self._group.add_done_callback(self._finished)

    def _group_max(self) -> int:
        """Half of those that are being opened: so there is a group for the database while the other one is answered."""
        half = -(-self._gate.opening // 2)
        return max(_GROUP_UNSPLIT, min(_GROUP_MAX, half))

    def _finished(self, group: asyncio.Task[None]) -> None:
        if self._group is group:
            self._group = None
            self._dispatch()

    async def _send(self, group: list[_Waiting]) -> None:
        answers, again = await self._open_group(group)
        self._waiting.extendleft(reversed(again))
        # The database has the next group to do while the members of this one are answered.
        self._group = None
        self._dispatch()
        await self._settle(answers)

    def _set_apart(self, *groups: list[_Waiting]) -> None:
        """Try groups that may take long one after the other, apart from all others, which don't wait for them."""
        self._slow.extend(groups)
        if self._slow_group is None and self._slow:
            group = self._slow.popleft()
            self._slow_group = asyncio.get_running_loop().create_task(
                self._send_slowly(group), context=group[0].pending.context.copy()
            )
            self._slow_group.add_done_callback(self._slow_finished)

    def _slow_finished(self, _: asyncio.Task[None]) -> None:
        self._slow_group = None
        self._set_apart()
        self._dispatch()

    async def _send_slowly(self, group: list[_Waiting]) -> None:
        answers, again = await self._open_group(group, _LOCK_WAIT_PATIENT_MS)
        self._waiting.extendleft(reversed(again))
        await self._settle(answers)

    async def _open_group(
        self, group: list[_Waiting], lock_wait_ms: int = LOCK_WAIT_MS
    ) -> tuple[_Answers, list[_Waiting]]:
        """Open those that can be opened; returns the answers, and those to be decided on again."""
        now = asyncio.get_running_loop().time()
        live = [each for each in group if not each.result.done() and each.pending.deadline > now]
        live = self._free_of(live)
        if not live:
            return {}, []
        try:
            with self._database.shared_budget():
                outcomes = await self._groups.open([each.pending for each in live], lock_wait_ms)
        except RowLocked as error:
            return {}, await self._without_locked(live, lock_wait_ms, error)
        except DependencyUnavailable as error:
            _refuse(live, error)
            return {}, []
        except Exception as error:  # noqa: BLE001 - it goes to the request it belongs to
            self._one_by_one(live, error)
            return {}, []
        answers = {each: outcomes[each.pending] for each in live if each.pending in outcomes}
        return answers, [each for each in live if each not in answers]

    async def _settle(self, answers: _Answers) -> None:
        try:
            for index, each in enumerate(list(answers)):
                await self._gate.turns.yield_after(index)
                each.settle(answers.pop(each))
        finally:
            for outcome in answers.values():
                if isinstance(outcome, OpenedSession):
                    outcome.wipe_keys()

    async def _without_locked(self, group: list[_Waiting], lock_wait_ms: int, error: RowLocked) -> list[_Waiting]:
        """Take out those that need a locked row, to return when it is free; returns the others."""
        try:
            with self._database.shared_budget():
                found = await self._locked_rows.look({each.pending.device for each in group}, error)
        except DependencyUnavailable as unavailable:
            _refuse(group, unavailable)
            return []
        if found:
            return self._free_of(group)
        if lock_wait_ms < _LOCK_WAIT_PATIENT_MS:
            self._set_apart(group)
        else:
            self._one_by_one(group, error)
        return []

    def _free_of(self, group: list[_Waiting]) -> list[_Waiting]:
        """Those that need no row which is known to be locked; the others leave the group."""
        free = []
        for each in group:
            if self._locked_rows.blocks(each.pending.device):
                each.settle(RowLocked())
            else:
                free.append(each)
        return free

    def _one_by_one(self, group: list[_Waiting], error: Exception) -> None:
        """One of them has something that the database can't take. Alone, it fails no other."""
        if len(group) == 1:
            _refuse(group, error)
            return
        _log.error("opening.group_failed", sessions=len(group), exc_info=error)
        self._set_apart(*([alone] for alone in group))


def _refuse(group: Sequence[_Waiting], error: Exception) -> None:
    """Refuse each with an exception of its own, since raising one writes a traceback into it."""
    for each in group:
        if isinstance(error, DependencyUnavailable):
            own: Exception = DependencyUnavailable(error.dependency, error.retry_after_seconds)
            own.__cause__ = error
        else:
            own = error
        each.settle(own)
