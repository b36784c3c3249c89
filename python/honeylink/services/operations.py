"""What an operator asks of a running service: is it ready, and do the reservations reconcile?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeylink.errors import DependencyUnavailable
from honeylink.keys.providers import KeyProviderError
from honeylink.services.budget import within_budget
from honeylink.store import pools as pool_store
from honeylink.store import schema as schema_store
from honeylink.store import tenants as tenant_store
from honeylink.store.database import DatabaseUnprepared
from honeylink.store.migrate import HEAD_REVISION, OLDEST_REVISION
from honeylink.telemetry import POOL_CAPACITY_KBPS, POOL_RESERVED_KBPS

if TYPE_CHECKING:
    from honeylink.keys.keyring import Keyring
    from honeylink.store.database import Database, UnitOfWork
    from honeylink.store.pools import PoolReconciliation


class Operations:
    """Readiness, pool reconciliation and the metrics that are read from the database."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    async def readiness(self) -> dict[str, str]:
        """For each thing that a request needs: `ok`, or what is wrong with it."""
        checks = {"database": "ok", "migrations": "ok", "key_provider": "ok"}
        try:
            with self._database.shared_budget():
                async with self._database.work() as work:
                    revision = await schema_store.find_revision(work)
                    checks["migrations"] = await _schema_fault(work, revision) or "ok"
                    samples = await tenant_store.list_sample_data_keys(work) if revision is not None else []
                # A stored key of each wrapping key: the providers work, and hold all that the stored keys need.
                await within_budget(self._database, self._keyring.check(samples))
        except DatabaseUnprepared as error:
            checks["migrations"] = f"{error.reason}; run: honeylink migrate, and serve as a member of that role"
        except KeyProviderError as error:
            checks["key_provider"] = error.reason
        except DependencyUnavailable as error:
            checks["database"] = str(error)
            checks["migrations"] = checks["key_provider"] = "unknown without the database"
        return checks

    async def check_pools(self) -> list[PoolReconciliation]:
        """Each pool with what live sessions hold of it."""
        async with self._database.work() as work:
            return await pool_store.check_pools(work)

    async def refresh_metrics(self) -> None:
        """Read the pools' utilisation; keep the last one known while the database is away."""
        try:
            async with self._database.work() as work:
                totals = await pool_store.sum_pools(work)
        except DependencyUnavailable:
            return
        for level, (capacity_kbps, reserved_kbps) in totals.items():
            POOL_CAPACITY_KBPS.labels(level.label).set(capacity_kbps)
            POOL_RESERVED_KBPS.labels(level.label).set(reserved_kbps)


async def _schema_fault(work: UnitOfWork, revision: str | None) -> str | None:
    """What is wrong with the schema for this code; None if they work together."""
    if revision is None or revision < OLDEST_REVISION:
        return f"expected schema {OLDEST_REVISION} or newer, found {revision or 'none'}; run: honeylink migrate"
    if revision > HEAD_REVISION:
        oldest = await schema_store.find_oldest_code(work)
        if oldest > HEAD_REVISION:
            return (
                f"expected a schema that versions of revision {HEAD_REVISION} can work with, found {revision}, which"
                f" takes those from {oldest} on; run a newer version"
            )
    return None
