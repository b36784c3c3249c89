"""Puts the service together from its settings, and takes it apart again."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from honeylink.domain.access import SYSTEM_TENANT_ID
from honeylink.domain.admission import Charge
from honeylink.domain.pools import Force, PoolChange
from honeylink.errors import Conflict, SettingsError
from honeylink.keys.registry import open_keyring
from honeylink.services.access import Access
from honeylink.services.audit import Audit
from honeylink.services.devices import Devices
from honeylink.services.expiry import Expiry
from honeylink.services.fresh_cache import FreshCache
from honeylink.services.invalidation import invalidate
from honeylink.services.load_shedding.gate import AdmissionGate
from honeylink.services.locked_rows import LockedRows
from honeylink.services.negotiation import Negotiation
from honeylink.services.opening import Opening
from honeylink.services.operations import Operations
from honeylink.services.pools import Pools, set_node_pool
from honeylink.services.rate_limit import RateLimiter
from honeylink.services.sessions import Sessions
from honeylink.services.tenants import Tenants
from honeylink.store.changes import Changes
from honeylink.store.database import Database
from honeylink.store.embedded import EmbeddedPostgres
from honeylink.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from honeylink.services.snapshots import KnownDevices
    from honeylink.settings import Settings
    from honeylink.store.tokens import StoredToken

# Of each tenant, in its audit trail: enough to see an attack by, too few to fill a disk.
_REFUSED_TOKENS_PER_SECOND = 10
# Kept at most: of tokens half a kilobyte each, of devices a whole one.
_MAX_TOKENS = 100_000
_MAX_DEVICES = 20_000


@dataclass(frozen=True, slots=True)
class Services:
    """All use cases over one database and the key providers that are open."""

    changes: Changes
    database: Database
    access: Access
    gate: AdmissionGate
    audit: Audit
    devices: Devices
    sessions: Sessions
    tenants: Tenants
    expiry: Expiry
    operations: Operations
    pools: Pools


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """The service as `settings` describe it.

    The embedded database is started, and brought up to date, on the way in; another one may still be away.

    Raises:
        SettingsError: a setting does not fit what it names.
    """
    keyring = open_keyring(settings)
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(_up_to_date(settings))
        database = Database(
            dsn,
            role=settings.database_role,
            pool_size=settings.database_pool_size,
            timeout_seconds=settings.database_timeout_seconds,
        )
        await database.open()
        stack.push_async_callback(database.close)
        tokens: FreshCache[UUID, StoredToken] = FreshCache(lambda: changes.is_current(), _MAX_TOKENS)  # noqa: PLW0108 - changes comes later
        known_devices: KnownDevices = FreshCache(lambda: changes.is_current(), _MAX_DEVICES)  # noqa: PLW0108 - changes comes later
        changes = Changes(database, dsn, lambda change: invalidate(change, tokens, known_devices))
        negotiation = Negotiation(
            database, keyring, session_endpoint=settings.session_endpoint, max_streams=settings.max_streams
        )
        locked_rows = LockedRows(database, settings.max_opening_sessions)
        gate = AdmissionGate(settings.max_opening_sessions)
        opening = Opening(
            database,
            keyring,
            known_devices,
            negotiation,
            locked_rows,
            gate,
            session_endpoint=settings.session_endpoint,
            max_streams=settings.max_streams,
        )
        access = Access(
            database,
            RateLimiter(settings.rate_limit_per_second, monotonic),
            RateLimiter(_REFUSED_TOKENS_PER_SECOND, monotonic),
            tokens,
        )
        yield Services(
            changes=changes,
            database=database,
            access=access,
            gate=gate,
            audit=Audit(database, access),
            devices=Devices(database, keyring, access, locked_rows, settings.device_pool_kbps),
            sessions=Sessions(
                database,
                access,
                opening,
                negotiation,
                locked_rows,
                device_priority_max=settings.device_priority_max,
            ),
            tenants=Tenants(database, keyring, settings.tenant_pool_kbps),
            expiry=Expiry(database, locked_rows, settings.expiry_interval_seconds),
            operations=Operations(database, keyring),
            pools=Pools(database, access, locked_rows),
        )


async def migrate_database(settings: Settings) -> tuple[str | None, str]:
    """Bring the database's schema up to this version; returns the revisions before and after."""
    async with _database_dsn(settings) as dsn:
        return await migrate(dsn)


@asynccontextmanager
async def prepared_database(settings: Settings) -> AsyncIterator[str]:
    """The database's DSN, with all done that one process does for those that serve: see `open_services` for the rest.

    The embedded database runs until the block ends.
    """
    async with _up_to_date(settings) as dsn:
        async with open_services(settings.on_database(dsn)) as services:
            await set_up_node_pool(services, settings)
        yield dsn


@asynccontextmanager
async def _up_to_date(settings: Settings) -> AsyncIterator[str]:
    async with _database_dsn(settings) as dsn:
        if settings.database_dsn is None:
            await migrate(dsn)
        yield dsn


@asynccontextmanager
async def _database_dsn(settings: Settings) -> AsyncIterator[str]:
    if settings.database_dsn is not None:
        yield settings.database_dsn.get_secret_value()
        return
    async with EmbeddedPostgres(settings.data_dir, stop_seconds=settings.database_stop_seconds) as postgres:
        yield postgres.dsn()


async def set_up_node_pool(services: Services, settings: Settings) -> None:
    """Make the node's pool what the settings say, if they do.

    One that becomes too small admits no session until enough have ended.

    Raises:
        SettingsError: other pools have been promised what it would have to give up.
    """
    if settings.node_pool_kbps is None:
        return
    change = PoolChange(
        capacity_kbps=settings.node_pool_kbps,
        charge=Charge(settings.node_pool_charge),
        guaranteed_kbps=None,
        borrow_limit_kbps=None,
        lend_limit_kbps=None,
        preemption=settings.node_pool_preemption,
        min_hold_ms=settings.node_pool_min_hold_ms,
        force=Force.DRAIN,
    )
    try:
        no_device = SYSTEM_TENANT_ID, ""
        locked_rows = LockedRows(services.database, 1)
        await locked_rows.patiently(no_device, lambda: set_node_pool(services.database, change))
    except Conflict as error:
        raise SettingsError(f"HONEYLINK_NODE_POOL_KBPS: {error}") from None
