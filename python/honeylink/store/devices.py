"""Devices in the database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from honeylink.domain.devices import (
    PAIRING_MAX_TRIES,
    PAIRING_TTL_SECONDS,
    Device,
    DeviceStatus,
    PairingAttempt,
)
from honeylink.domain.paging import PAGE_MAX_BYTES
from honeylink.store.audit import event_parameters
from honeylink.store.database import LOCK_WAIT_MS

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    from asyncpg import Record

    from honeylink.domain.audit import AuditEvent
    from honeylink.domain.devices import DeviceRegistration
    from honeylink.domain.keys import WrappedKey
    from honeylink.domain.paging import Cursor
    from honeylink.domain.tokens import BearerToken
    from honeylink.store.database import UnitOfWork


async def lock_device(work: UnitOfWork, tenant_id: UUID, device_id: str) -> DeviceStatus | None:
    """Lock a device for the rest of the transaction; where it stands, or None if there is none."""
    row = await work.fetchrow("lock_device", tenant_id=tenant_id, device_id=device_id)
    return None if row is None else DeviceStatus(row["status"])


async def register_device(
    work: UnitOfWork,
    registration: DeviceRegistration,
    pool_kbps: int,
    pairing_code_mac: bytes,
    token: BearerToken,
    event: AuditEvent,
    *,
    locked: bool,
) -> tuple[datetime, datetime] | None:
    """Store a device, or if its lock is held and it is pending, store it anew but for its pool.

    Returns:
        When it was registered, and when its pairing code expires. None if it was there but not locked.
    """
    row = await work.fetchrow(
        "register_device",
        tenant_id=token.tenant_id,
        device_id=registration.device_id,
        public_key=registration.public_key,
        firmware_version=registration.firmware_version,
        capabilities=list(registration.capabilities),
        metadata=json.dumps(registration.metadata),
        pairing_code_mac=pairing_code_mac,
        pairing_ttl_seconds=PAIRING_TTL_SECONDS,
        pool_kbps=pool_kbps,
        token_id=token.token_id,
        token_sha256=token.sha256(),
        locked=locked,
        **event_parameters(event),
    )
    return None if row is None else (row["registered_at"], row["pairing_expires_at"])


async def attempt_pairing(
    work: UnitOfWork,
    tenant_id: UUID,
    device_id: str,
    pairing_code_mac: bytes,
    device_master_key: WrappedKey,
    event: AuditEvent,
) -> PairingAttempt:
    """Count a try of a pending device whose lock is held, and pair it if it holds; the event says which."""
    parameters = event_parameters(event)
    del parameters["outcome"], parameters["details"]
    row = await work.fetchrow(
        "attempt_pairing",
        tenant_id=tenant_id,
        device_id=device_id,
        pairing_code_mac=pairing_code_mac,
        max_tries=PAIRING_MAX_TRIES,
        dmk_provider=device_master_key.provider,
        dmk_key_id=device_master_key.key_id,
        dmk_key_version=device_master_key.key_version,
        dmk_ciphertext=device_master_key.ciphertext,
        **parameters,
    )
    assert row is not None, "expected a pending device, locked"  # noqa: S101 - a bug, not an input
    return PairingAttempt(
        status=DeviceStatus(row["status"]),
        in_time=row["in_time"],
        tries=row["pairing_tries"],
        paired_at=row["paired_at"],
    )


async def revoke_device(work: UnitOfWork, tenant_id: UUID, device_id: str, reason: str, event: AuditEvent) -> None:
    """Revoke a device whose lock is held, and its token, and close its pool."""
    await work.fetchrow(
        "revoke_device", tenant_id=tenant_id, device_id=device_id, reason=reason, **event_parameters(event)
    )


async def list_draining_devices(
    work: UnitOfWork,
    limit: int,
    *,
    without_tenants: Collection[UUID] = (),
    without_devices: Collection[tuple[UUID, str]] = (),
) -> list[tuple[UUID, str]]:
    """Tenant and id of at most `limit` revoked devices whose sessions have not all been ended, without some."""
    rows = await work.fetch(
        "list_draining_devices",
        limit=limit,
        without_tenants=list(without_tenants),
        without_device_tenants=[tenant_id for tenant_id, _ in without_devices],
        without_devices=[device_id for _, device_id in without_devices],
    )
    return [(row["tenant_id"], row["device_id"]) for row in rows]


async def mark_device_drained(work: UnitOfWork, tenant_id: UUID, device_id: str) -> None:
    """Note that no session of a revoked device is live any more."""
    await work.execute("mark_device_drained", tenant_id=tenant_id, device_id=device_id, lock_wait=f"{LOCK_WAIT_MS}ms")


async def find_device(work: UnitOfWork, tenant_id: UUID, device_id: str) -> Device | None:
    """One device, or None."""
    row = await work.fetchrow("find_device", tenant_id=tenant_id, device_id=device_id)
    return None if row is None else _device(row)


async def list_devices(
    work: UnitOfWork, tenant_id: UUID, before: Cursor | None, limit: int
) -> tuple[list[Device], bool]:
    """At most `limit` devices, newest first, that come after the cursor.

    Returns:
        As many as stay within a page's bytes, but one at least; and whether there are more.
    """
    rows = await work.fetch(
        "list_devices",
        tenant_id=tenant_id,
        before_at=before.at if before else None,
        before_id=before.row_id if before else None,
        limit=limit + 1,
        max_bytes=PAGE_MAX_BYTES,
    )
    is_full = len(rows) > limit or (len(rows) > 1 and rows[-1]["bytes"] >= PAGE_MAX_BYTES)
    return [_device(row) for row in (rows[:-1] if is_full else rows)], is_full


def _device(row: Record) -> Device:
    return Device(
        device_id=row["device_id"],
        status=DeviceStatus(row["status"]),
        public_key=row["public_key"],
        firmware_version=row["firmware_version"],
        capabilities=tuple(row["capabilities"]),
        metadata=json.loads(row["metadata"]),
        registered_at=row["registered_at"],
        paired_at=row["paired_at"],
        pool_kbps=row["pool_kbps"],
    )
