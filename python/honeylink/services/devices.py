"""Registering, pairing and revoking devices."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from uuid_utils.compat import uuid7

from honeylink.domain.access import Permission
from honeylink.domain.audit import Category, Outcome
from honeylink.domain.devices import (
    DeviceStatus,
    check_pairing,
    generate_pairing_code,
    normalize_pairing_code,
)
from honeylink.domain.paging import Cursor, Page
from honeylink.domain.tokens import SECRET_BYTES, BearerToken
from honeylink.errors import DependencyUnavailable, NotFound, PoolConflict, StateConflict
from honeylink.services.audit import event_by
from honeylink.services.budget import within_budget
from honeylink.services.pools import set_capacity
from honeylink.store import audit as audit_store
from honeylink.store import devices as device_store
from honeylink.store import sessions as session_store
from honeylink.store import tenants as tenant_store
from honeylink.store.database import RowLocked
from honeylink.telemetry import SESSIONS

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from honeylink.domain.access import Principal
    from honeylink.domain.audit import AuditEvent
    from honeylink.domain.devices import Device, DeviceRegistration
    from honeylink.domain.keys import WrappedKey
    from honeylink.errors import ServiceError
    from honeylink.keys.keyring import Keyring
    from honeylink.services.access import Access
    from honeylink.services.locked_rows import LockedRows
    from honeylink.store.database import Database, UnitOfWork

_SESSIONS_AT_A_TIME = 200

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RegisteredDevice:
    """What a registration answers. Token and code are shown this once; only a hash and a MAC of them are stored."""

    device_id: str
    device_token: BearerToken
    pairing_code: str = field(repr=False)
    registered_at: datetime
    pairing_expires_at: datetime


class Devices:
    """The devices of a tenant. Each use case raises `Forbidden` if the caller may not do that."""

    def __init__(
        self, database: Database, keyring: Keyring, access: Access, locked_rows: LockedRows, default_pool_kbps: int
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._access = access
        self._locked_rows = locked_rows
        self._default_pool_kbps = default_pool_kbps

    async def register(self, caller: Principal, registration: DeviceRegistration) -> RegisteredDevice:
        """Make a device known, with a token of its own and a code for pairing it.

        A device that is still pending may be registered again: it gets a new token and code in place of the old, and
        its pool another capacity if one is given.

        Raises:
            StateConflict: the id belongs to a paired or revoked device.
            PoolConflict: a pending device's pool can't have that capacity.
        """
        await self._access.require(caller, Permission.REGISTER_DEVICE)
        device_id = registration.device_id
        token = BearerToken(caller.tenant_id, uuid7(), secrets.token_bytes(SECRET_BYTES))
        code = generate_pairing_code(secrets.choice)
        mac = await self._pairing_code_mac(caller, device_id, code)
        registered_at, pairing_expires_at = await self._locked_rows.patiently(
            (caller.tenant_id, device_id), lambda: self._register(caller, registration, mac, token)
        )
        return RegisteredDevice(device_id, token, code, registered_at, pairing_expires_at)

    async def _register(
        self, caller: Principal, registration: DeviceRegistration, mac: bytes, token: BearerToken
    ) -> tuple[datetime, datetime]:
        async with self._database.work() as work:
            try:
                times = None
                while times is None:  # again if somebody else has registered it just now
                    async with work.transaction():
                        times = await self._try_register(work, caller, registration, mac, token)
            except (StateConflict, PoolConflict) as refusal:
                await self._record_refused(work, caller, Category.DEVICE_REGISTRATION, registration.device_id, refusal)
                raise
        return times

    async def _try_register(
        self, work: UnitOfWork, caller: Principal, registration: DeviceRegistration, mac: bytes, token: BearerToken
    ) -> tuple[datetime, datetime] | None:
        device_id, pool_kbps = registration.device_id, registration.pool_kbps
        status = await device_store.lock_device(work, caller.tenant_id, device_id)
        if status not in {None, DeviceStatus.PENDING}:
            raise StateConflict(
                f"expected a new or pending device, found {device_id!r} {status}; choose another device_id"
            )
        if status is None and pool_kbps is None:
            pool_kbps = self._default_pool_kbps
        if status is not None and pool_kbps is not None:
            await set_capacity(work, caller, device_id, pool_kbps)
        details: dict[str, object] = {"firmware_version": registration.firmware_version}
        if pool_kbps is not None:
            details["pool_kbps"] = pool_kbps
        event = event_by(caller, Category.DEVICE_REGISTRATION, device_id, details)
        return await device_store.register_device(
            work, registration, pool_kbps or 0, mac, token, event, locked=status is not None
        )

    async def pair(self, caller: Principal, device_id: str, code: str) -> datetime:
        """Pair the caller's device by the code that its registration gave, and make its master key; returns when.

        Raises:
            Forbidden: the code is wrong.
            StateConflict: the device is not pending, or the code has expired or been tried too often.
        """
        await self._access.require(caller, Permission.PAIR_DEVICE, device_id)
        mac = await self._pairing_code_mac(caller, device_id, normalize_pairing_code(code))
        master_key = await within_budget(
            self._database, self._keyring.new_device_master_key(caller.tenant_id, device_id)
        )
        device = caller.tenant_id, device_id
        return await self._locked_rows.patiently(device, lambda: self._pair(caller, device_id, mac, master_key))

    async def _pair(self, caller: Principal, device_id: str, mac: bytes, master_key: WrappedKey) -> datetime:
        async with self._database.work() as work:
            event = event_by(caller, Category.DEVICE_PAIRING, device_id, {})
            attempt = None
            async with work.transaction():
                status = await device_store.lock_device(work, caller.tenant_id, device_id)
                if status is DeviceStatus.PENDING:
                    attempt = await device_store.attempt_pairing(
                        work, caller.tenant_id, device_id, mac, master_key, event
                    )
            if attempt is None:
                refusal = StateConflict(f"expected device {device_id!r} to be pending, found it {status}")
                await self._record_refused(work, caller, Category.DEVICE_PAIRING, device_id, refusal)
                raise refusal
        check_pairing(device_id, attempt)
        assert attempt.paired_at is not None  # noqa: S101 - the table's own constraint
        return attempt.paired_at

    async def revoke(self, caller: Principal, device_id: str, reason: str) -> Device:
        """Revoke a device for good: its token dies and its live sessions end. Doing so again changes nothing.

        Raises:
            NotFound: the tenant has no such device.
        """
        await self._access.require(caller, Permission.REVOKE_DEVICE)
        event = event_by(caller, Category.DEVICE_REVOCATION, device_id, {"reason": reason})
        device, revoked = await self._locked_rows.patiently(
            (caller.tenant_id, device_id), lambda: self._revoke(caller, device_id, reason, event)
        )
        if device is None:
            await self._access.record_denied(caller, Permission.REVOKE_DEVICE, device_id, NotFound("device", device_id))
        elif revoked:
            try:
                await end_sessions_of(self._database, caller.tenant_id, device_id, caller.actor, event.trace_id)
            except DependencyUnavailable as error:
                # The device is revoked, and that is what was asked for. The sweep ends what is left.
                _log.warning("device.drain_left_to_sweep", device_id=device_id, reason=str(error))
        return _found(device, device_id)

    async def _revoke(
        self, caller: Principal, device_id: str, reason: str, event: AuditEvent
    ) -> tuple[Device | None, bool]:
        """The device as it is after it, and whether it was revoked just now."""
        async with self._database.work() as work, work.transaction():
            status = await device_store.lock_device(work, caller.tenant_id, device_id)
            if status is None:  # one whose registration is not committed yet does not exist, and is not read then
                return None, False
            if status is not DeviceStatus.REVOKED:
                await device_store.revoke_device(work, caller.tenant_id, device_id, reason, event)
            device = await device_store.find_device(work, caller.tenant_id, device_id)
            return device, status is not DeviceStatus.REVOKED

    async def get(self, caller: Principal, device_id: str) -> Device:
        """One device.

        Raises:
            NotFound: the tenant has no such device.
        """
        await self._access.require(caller, Permission.READ_DEVICE, device_id)
        async with self._database.work() as work:
            return _found(await device_store.find_device(work, caller.tenant_id, device_id), device_id)

    async def list(self, caller: Principal, cursor: str | None, limit: int) -> Page[Device]:
        """A page of devices, newest first.

        Raises:
            ValidationFailed: the cursor is none of this list.
        """
        await self._access.require(caller, Permission.LIST_DEVICES)
        before = Cursor.decode(cursor) if cursor is not None else None
        async with self._database.work() as work:
            devices, has_more = await device_store.list_devices(work, caller.tenant_id, before, limit)
        return Page(devices, [Cursor(device.registered_at, device.device_id) for device in devices], has_more)

    async def _pairing_code_mac(self, caller: Principal, device_id: str, code: str) -> bytes:
        async with self._database.work() as work:
            data_key = await tenant_store.find_data_key(work, caller.tenant_id)
        assert data_key is not None  # noqa: S101 - a tenant is made with its data key
        mac = self._keyring.pairing_code_mac(data_key, caller.tenant_id, device_id, code)
        return await within_budget(self._database, mac)

    async def _record_refused(
        self, work: UnitOfWork, caller: Principal, category: Category, device_id: str, refusal: ServiceError
    ) -> None:
        details = {"message": str(refusal)}
        await audit_store.record_event(work, event_by(caller, category, device_id, details, Outcome.REFUSED))


async def end_sessions_of(database: Database, tenant_id: UUID, device_id: str, actor: str, trace_id: str) -> None:
    """End all sessions of a revoked device, some at a time: nobody knows how many there are.

    `RowLocked` if somebody holds a row of one that is left, or of the pools.
    """
    while True:
        async with database.work() as work:
            live = await session_store.list_live_session_ids(work, tenant_id, device_id, _SESSIONS_AT_A_TIME)
            if not live:
                await device_store.mark_device_drained(work, tenant_id, device_id)
                return
            ended = await session_store.end_sessions(
                work,
                [session_store.EndingSession(tenant_id, session_id, uuid7()) for session_id in live],
                reason="device revoked",
                actor=actor,
                trace_id=trace_id,
            )
        if not ended:
            raise RowLocked
        for status in ended:
            SESSIONS.labels(status.value).inc()


def _found(device: Device | None, device_id: str) -> Device:
    if device is None:
        raise NotFound("device", device_id)
    return device
