"""Tenants and paired devices, by the thousand: written straight to the database, with keys that are real.

Ids are made of numbers, so that pgbench can name a device that exists without looking for one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from benches.api.servers import POOL_KBPS, dsn
from honeylink.domain.tokens import SECRET_BYTES, BearerToken
from honeylink.keys.keyring import Keyring
from honeylink.keys.local import LocalKeyProvider

if TYPE_CHECKING:
    from pathlib import Path

ID_PREFIX = "00000000-0000-7000-8000-"
DEVICE_PREFIX = "device-"
_DEVICE_COLUMNS = (
    "tenant_id device_id status public_key firmware_version capabilities metadata pairing_code_mac pairing_expires_at "
    "paired_at dmk_provider dmk_key_id dmk_key_version dmk_ciphertext"
)
_ID_DIGITS, _DEVICE_DIGITS = 12, 5


@dataclass(frozen=True, slots=True)
class Device:
    """A paired device with its token."""

    tenant: int
    device_id: str
    token: str


def numbered_id(number: int) -> UUID:
    """The id of a tenant, and of its data key."""
    return UUID(f"{ID_PREFIX}{number:0{_ID_DIGITS}}")


@dataclass(frozen=True, slots=True)
class Population:
    """Who there is to call the service."""

    devices: list[Device]
    operators: list[str]
    """A token for each tenant."""


async def populate(data_dir: Path, tenants: int, devices_per_tenant: int) -> Population:
    """Make the tenants 1 … `tenants`, each with an operator and the devices 1 … `devices_per_tenant`."""
    keyring = Keyring(LocalKeyProvider.open(data_dir / "kek.key"))
    now = datetime.now(UTC)
    pairing_expires_at = now + timedelta(minutes=10)
    made = Population([], [])
    tenant_rows, key_rows, device_rows, pool_rows = [], [], [], []
    token_rows: list[tuple[object, ...]] = []
    for tenant in range(1, tenants + 1):
        tenant_id = numbered_id(tenant)
        dek = (await keyring.new_data_key(tenant_id, tenant_id)).wrapped
        tenant_rows.append((tenant_id, f"bench-{tenant}"))
        key_rows.append((tenant_id, tenant_id, dek.provider, dek.key_id, dek.key_version, dek.ciphertext))
        pool_rows.append((tenant_id, 1, "tenant", POOL_KBPS, True))
        operator = BearerToken(tenant_id, uuid7(), os.urandom(SECRET_BYTES))
        token_rows.append((tenant_id, operator.token_id, "operator", "operator", None, operator.sha256()))
        made.operators.append(operator.encode())
        for number in range(1, devices_per_tenant + 1):
            device_id = f"{DEVICE_PREFIX}{number:0{_DEVICE_DIGITS}}"
            dmk = await keyring.new_device_master_key(tenant_id, device_id)
            token = BearerToken(tenant_id, uuid7(), os.urandom(SECRET_BYTES))
            told = (os.urandom(32), "1.4.2", ["video", "telemetry"], "{}", os.urandom(32), pairing_expires_at, now)
            key = (dmk.provider, dmk.key_id, dmk.key_version, dmk.ciphertext)
            device_rows.append((tenant_id, device_id, "paired", *told, *key))
            pool_rows.append((tenant_id, 0, device_id, POOL_KBPS, True))
            token_rows.append((tenant_id, token.token_id, f"device {device_id}", "device", device_id, token.sha256()))
            made.devices.append(Device(tenant, device_id, token.encode()))
    connection = await asyncpg.connect(dsn(data_dir))
    try:
        for table, columns, rows in (
            ("tenants", "tenant_id name", tenant_rows),
            ("data_keys", "tenant_id dek_id provider key_id key_version ciphertext", key_rows),
            ("devices", _DEVICE_COLUMNS, device_rows),
            ("pools", "tenant_id level pool_id capacity_kbps accepting", pool_rows),
            ("tokens", "tenant_id token_id name role device_id sha256", token_rows),
        ):
            await connection.copy_records_to_table(table, columns=columns.split(), records=rows)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
    return made
