"""One group of sessions: one snapshot, one statement, one commit.

Sessions are decided on one after the other, each with what those before it in the group take. Whether those are stored,
only the statement says. So a session that gets all it asks for is stored if it has room, and one that gets less only if
all before it in the group are stored; and a refusal for want of room counts only then. What does not count is decided
again with the next group, so no session has less, or nothing, because of one in its group that gets nothing.

What is cached of a device serves to admit its session and never to refuse it, nor to give it less: then it is read.

The keys of all that are admitted are unwrapped in one call to each key provider, between reading and storing: no
connection is held meanwhile. A session whose keys can't be had is not stored.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from honeylink.domain.admission import decide
from honeylink.errors import BandwidthExceeded, ClientGone, NotFound, ServiceError
from honeylink.keys.keyring import SessionKeys
from honeylink.keys.providers import KeyProviderError
from honeylink.services.budget import within_budget
from honeylink.services.pending import OpenedSession, new_session, session_roots, wipe
from honeylink.services.snapshots import Snapshot
from honeylink.store import sessions as session_store
from honeylink.store.database import LOCK_WAIT_MS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from honeylink.domain.admission import Pool
    from honeylink.domain.sessions import Stream
    from honeylink.keys.keyring import Keyring
    from honeylink.keys.secret import Secret
    from honeylink.services.pending import PendingSession
    from honeylink.services.snapshots import KnownDevices
    from honeylink.store.database import Database
    from honeylink.store.sessions import NewSession

    Snapshots = dict[tuple[UUID, str], Snapshot]

Outcomes: TypeAlias = "dict[PendingSession, OpenedSession | ServiceError]"
"""What became of the members of a group. One that is missing has to be decided on again."""


@dataclass(slots=True)
class _Admitted:
    pending: PendingSession
    snapshot: Snapshot
    streams: Sequence[Stream]


@dataclass(slots=True)
class _WithKeys:
    """An admitted session that can be stored."""

    pending: PendingSession
    session: NewSession
    stream_keys: tuple[Secret, ...]


@dataclass(slots=True)
class _Short:
    """A refusal for want of room, and how many were admitted before it."""

    pending: PendingSession
    refusal: BandwidthExceeded
    behind: int


_NOTHING = 0, 0


class _Taken:
    """What the sessions of a group have of each pool, and what of that had been withheld for them."""

    def __init__(self) -> None:
        self._changes: dict[str, tuple[int, int]] = {}

    def of(self, path: Sequence[Pool]) -> list[tuple[int, int]] | None:
        """What they have of the pools of a path; None if they have nothing yet."""
        changes = self._changes
        return [changes.get(pool.key, _NOTHING) for pool in path] if changes else None

    def add(self, path: Sequence[Pool], charges: Sequence[tuple[int, int]]) -> None:
        """Count one more session by what it is charged on its path."""
        for pool, (reserved_kbps, used_kbps) in zip(path, charges, strict=True):
            reserved_before_kbps, used_before_kbps = self._changes.get(pool.key, _NOTHING)
            self._changes[pool.key] = reserved_before_kbps + reserved_kbps, used_before_kbps + used_kbps


@dataclass(slots=True)
class _Round:
    """What a group is decided by, and what was decided. Members are known whose device is cached; others are read."""

    known: dict[PendingSession, Snapshot]
    read: Snapshots
    taken: _Taken = field(default_factory=_Taken)
    admitted: list[_Admitted] = field(default_factory=list)
    with_keys: list[_WithKeys] = field(default_factory=list)
    short: list[_Short] = field(default_factory=list)
    outcomes: Outcomes = field(default_factory=dict)

    def snapshot(self, pending: PendingSession) -> Snapshot:
        snapshot = self.known.get(pending) or self.read.get(pending.device)
        if snapshot is None:
            raise NotFound("device", pending.request.device_id)
        return snapshot

    def refuse(self, pending: PendingSession, refusal: ServiceError) -> None:
        if pending in self.known:
            return
        if isinstance(refusal, BandwidthExceeded):
            self.short.append(_Short(pending, refusal, len(self.admitted)))
        else:
            self.outcomes[pending] = refusal

    def close(self, stored: dict[UUID, tuple[datetime, datetime]], session_endpoint: str) -> None:
        """Conclude what became of each member, by what the statement has stored."""
        is_stored = [each.pending.session_id in stored for each in self.admitted]
        first_out = is_stored.index(False) if False in is_stored else len(is_stored)
        for short in self.short:
            if short.behind <= first_out:
                self.outcomes[short.pending] = short.refusal
        for each in self.with_keys:
            times = stored.get(each.session.session_id)
            if times is None:
                wipe(each.stream_keys)
            else:
                self.outcomes[each.pending] = OpenedSession(
                    each.session.session_id, *times, session_endpoint, each.session.streams, each.stream_keys
                )


class GroupCommit:
    """Opens the sessions of a group together.

    Args:
        database: where sessions go.
        keyring: makes their keys.
        known_devices: what is cached from one session of a device to its next.
        session_endpoint: part of each answer.
        max_streams: how many streams one session may have.
    """

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        known_devices: KnownDevices,
        *,
        session_endpoint: str,
        max_streams: int,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._known_devices = known_devices
        self._session_endpoint = session_endpoint
        self._max_streams = max_streams

    async def open(self, group: Sequence[PendingSession], lock_wait_ms: int = LOCK_WAIT_MS) -> Outcomes:
        """Decide on each member after those before it, and store those that are admitted. The caller wipes all keys.

        Raises:
            RowLocked: a row that one of them needs is locked by another transaction; nothing was stored.
            DependencyUnavailable: the database is away or too slow; nothing was stored, as far as it is known.
        """
        generation = self._known_devices.generation
        current = _Round(*await self._snapshots(group))
        self._admit(current, group)
        made: list[tuple[Secret, ...]] = []
        try:
            await self._make_keys(current, made)
            stored = {}
            if current.with_keys:
                sessions = [each.session for each in current.with_keys]
                async with self._database.work() as work:
                    stored = await session_store.create_sessions(work, sessions, self._session_endpoint, lock_wait_ms)
        except BaseException:  # also while the connection is given back
            for stream_keys in made:
                wipe(stream_keys)
            raise
        current.close(stored, self._session_endpoint)
        self._remember(current, group, generation)
        return current.outcomes

    async def _snapshots(self, group: Sequence[PendingSession]) -> tuple[dict[PendingSession, Snapshot], Snapshots]:
        """What is cached of the devices of some members, and what the database says of those of the others."""
        now = asyncio.get_running_loop().time()
        known = {}
        for pending in group:
            snapshot = self._known_devices.get(pending.device)
            if snapshot is not None and not snapshot.too_old(now):
                known[pending] = snapshot
        if len(known) == len(group):
            return known, {}
        async with self._database.work() as work:
            unknown = {each.device for each in group if each not in known}
            contexts = await session_store.find_session_contexts(work, unknown)
            read_at = asyncio.get_running_loop().time()
        return known, {device: Snapshot(context, read_at) for device, context in contexts.items()}

    def _admit(self, current: _Round, group: Sequence[PendingSession]) -> None:
        """Decide on each."""
        for pending in group:
            if not pending.wanted():
                current.outcomes[pending] = ClientGone()
                continue
            try:
                self._decide(current, pending)
            except ServiceError as refusal:
                current.refuse(pending, refusal)

    def _decide(self, current: _Round, pending: PendingSession) -> None:
        snapshot = current.snapshot(pending)
        path, status = snapshot.context.path, snapshot.context.device_status
        taken = current.taken.of(path)
        admission = decide(pending.request, status, path, pending.stream_ids, self._max_streams, taken=taken)
        streams = admission.streams
        if pending in current.known and any(stream.is_short for stream in streams):
            return
        current.admitted.append(_Admitted(pending, snapshot, streams))
        current.taken.add(path, admission.charges)

    async def _make_keys(self, current: _Round, made: list[tuple[Secret, ...]]) -> None:
        """Make what is stored of each that is admitted; `made` is given the keys as soon as there are any."""
        roots = [session_roots(each.pending, each.snapshot) for each in current.admitted]
        with await within_budget(self._database, self._keyring.unwrap_roots(roots)) as unwrapped:
            answers = unwrapped.session_keys()
        made += (keys.stream_keys for keys in answers if isinstance(keys, SessionKeys))
        for index, (each, keys) in enumerate(zip(current.admitted, answers, strict=True)):
            if not each.pending.wanted():  # any more: the key provider may have taken its time
                current.outcomes[each.pending] = ClientGone()
            elif len(current.with_keys) < index and any(stream.is_short for stream in each.streams):
                pass  # it may have more, as one before it is not stored
            elif isinstance(keys, KeyProviderError):
                current.refuse(each.pending, keys)
            else:
                session = new_session(each.pending, each.snapshot, each.streams, keys.sealed)
                current.with_keys.append(_WithKeys(each.pending, session, keys.stream_keys))
                continue
            if isinstance(keys, SessionKeys):
                wipe(keys.stream_keys)

    def _remember(self, current: _Round, group: Sequence[PendingSession], generation: int) -> None:
        """Cache what was read of devices whose sessions got all they asked for; invalidate what was of no use."""
        for each in current.with_keys if current.read else ():
            device = each.pending.device
            if device in current.read and each.pending in current.outcomes and not each.session.is_short:
                self._known_devices.put(device, current.read[device].with_empty_pools(), generation)
        for pending in group:
            if pending not in current.outcomes:
                self._known_devices.invalidate(pending.device)
