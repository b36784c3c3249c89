"""A pending session: what was requested, with the ids that it will have; and an opened one, with its keys."""

from __future__ import annotations

import contextvars
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from uuid_utils.compat import uuid7

from honeylink.domain.admission import PoolLevel
from honeylink.domain.audit import Category
from honeylink.keys.keyring import SessionRoots
from honeylink.services.audit import event_by
from honeylink.store.sessions import NewSession

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from honeylink.domain.access import Principal
    from honeylink.domain.keys import SealedKey
    from honeylink.domain.sessions import SessionRequest, Stream
    from honeylink.keys.secret import Secret
    from honeylink.services.snapshots import Snapshot


class OpenedSession(NamedTuple):
    """A session that has just been opened, with the keys of its streams; they are shown this once."""

    session_id: UUID
    created_at: datetime
    expires_at: datetime
    session_endpoint: str
    streams: tuple[Stream, ...]
    stream_keys: tuple[Secret, ...]

    def wipe_keys(self) -> None:
        """Overwrite the keys, once they have been shown."""
        wipe(self.stream_keys)


@dataclass(frozen=True, slots=True, eq=False)
class PendingSession:
    """A request for a session, by the tenant and the device it is for.

    `deadline` is by the loop's clock; `wanted` says whether its client still waits.
    """

    caller: Principal
    request: SessionRequest
    device: tuple[UUID, str]
    deadline: float
    wanted: Callable[[], bool]
    session_id: UUID
    stream_ids: tuple[UUID, ...]
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    @classmethod
    def now(
        cls, caller: Principal, request: SessionRequest, deadline: float, wanted: Callable[[], bool]
    ) -> PendingSession:
        """One that is requested now, and belongs to the current trace."""
        device = caller.tenant_id, request.device_id
        return cls(caller, request, device, deadline, wanted, uuid7(), tuple([uuid7() for _ in request.streams]))


def wipe(keys: Sequence[Secret]) -> None:
    """Overwrite keys."""
    for key in keys:
        key.wipe()


def session_roots(pending: PendingSession, snapshot: Snapshot) -> SessionRoots:
    """What the keys of a pending session are derived from."""
    context = snapshot.context
    assert context.device_master_key is not None  # noqa: S101 - a paired device has one, by constraint
    return SessionRoots(
        context.device_master_key,
        context.data_key,
        pending.caller.tenant_id,
        pending.request.device_id,
        pending.session_id,
        pending.stream_ids,
    )


def new_session(
    pending: PendingSession, snapshot: Snapshot, streams: Sequence[Stream], sealed: SealedKey
) -> NewSession:
    """An admitted session, to be stored with its key and its audit event."""
    request, context = pending.request, snapshot.context
    event = pending.context.run(event_by, pending.caller, Category.SESSION_CREATION, request.device_id, details={})
    return NewSession(
        session_id=pending.session_id,
        request=request,
        streams=tuple(streams),
        tenant_pool_id=context.path[PoolLevel.TENANT].pool_id,
        sealed=sealed,
        deadline=snapshot.database_time(pending.deadline),
        event=event,  # its details are written by the statement, which has them
    )
