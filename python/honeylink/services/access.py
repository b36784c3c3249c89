"""Who is calling, and whether they may do what they ask."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from honeylink.domain.access import Principal, authorize
from honeylink.domain.audit import AuditEvent, Category, Outcome
from honeylink.domain.tokens import BearerToken
from honeylink.errors import DependencyUnavailable, Forbidden, RateLimited, Unauthenticated
from honeylink.store import audit as audit_store
from honeylink.store import tokens as token_store
from honeylink.telemetry import current_trace_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from uuid import UUID

    from honeylink.domain.access import Permission
    from honeylink.errors import ServiceError
    from honeylink.services.fresh_cache import FreshCache
    from honeylink.services.rate_limit import RateLimiter
    from honeylink.store.database import Database
    from honeylink.store.tokens import StoredToken

# Tokens that are looked up at the same time: fewer than there are connections to the database, so that a flood of
# unknown ones leaves some to those whose tokens are known.
_READS_MAX = 4


class Access:
    """Verifies tokens, and records who was turned away.

    Args:
        database: where tokens and events are.
        limiter: how often a token may be used.
        refusals: how many refused tokens of a tenant are written down.
        tokens: those that were found live.
    """

    def __init__(
        self,
        database: Database,
        limiter: RateLimiter,
        refusals: RateLimiter,
        tokens: FreshCache[UUID, StoredToken],
    ) -> None:
        self._database = database
        self._limiter = limiter
        self._refusals = refusals
        self._tokens = tokens
        self._reads = asyncio.Semaphore(_READS_MAX)

    async def authenticate(self, authorization: str, recognized: BearerToken | None = None) -> Principal:
        """The principal behind an `Authorization` header, or the token that was recognized in it.

        A refused token that names a real tenant is recorded in that tenant's audit trail. One that names none has no
        trail to go to, and an anonymous request has nothing to record.

        Raises:
            Unauthenticated: there is no header, or no live token in it.
            RateLimited: this token comes too often.
        """
        token = recognized or _decode(authorization)
        stored = self._known(token)
        tenant_exists = True
        if stored is None:
            tenant_exists, stored = await self._find(token)
        if stored is None or not token.matches(stored.sha256) or stored.revoked:
            if tenant_exists:
                await self._record_refused_token(token.tenant_id, token.token_id)
            raise Unauthenticated("expected a live token, found one that is unknown or revoked")
        self._limiter.admit(token.token_id)
        return Principal(token.tenant_id, token.token_id, stored.name, stored.role, stored.device_id)

    def recognize(self, authorization: str) -> BearerToken | None:
        """The token in an `Authorization` header, if it is known to be live; the database is not asked."""
        try:
            token = _decode(authorization)
        except Unauthenticated:
            return None
        stored = self._known(token)
        return token if stored is not None and token.matches(stored.sha256) else None

    def _known(self, token: BearerToken) -> StoredToken | None:
        stored = self._tokens.get(token.token_id)
        return stored if stored is not None and stored.tenant_id == token.tenant_id else None

    async def _find(self, token: BearerToken) -> tuple[bool, StoredToken | None]:
        """Whether the token's tenant exists, and what is stored of the token."""
        generation = self._tokens.generation
        async with self._turn_to_read(), self._database.work() as work:
            tenant_exists, stored = await token_store.find_token(work, token.tenant_id, token.token_id)
        if stored is not None and not stored.revoked:
            self._tokens.put(token.token_id, stored, generation)
        return tenant_exists, stored

    @asynccontextmanager
    async def _turn_to_read(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self._database.remaining_seconds()):
                await self._reads.acquire()
        except TimeoutError:
            raise DependencyUnavailable("the database") from None
        finally:
            self._database.spend(loop.time() - started)
        try:
            yield
        finally:
            self._reads.release()

    async def require(self, caller: Principal, permission: Permission, device_id: str | None = None) -> None:
        """Let `caller` use `permission`, or record the attempt and refuse.

        Raises:
            Forbidden: the caller may not; see `honeylink.domain.access.authorize`.
        """
        try:
            authorize(caller, permission, device_id)
        except Forbidden as refusal:
            await self.record_denied(caller, permission, device_id, refusal)
            raise

    async def record_denied(
        self, caller: Principal, permission: Permission, device_id: str | None, refusal: ServiceError
    ) -> None:
        """Write down that `caller` was refused; `device_id` is the device it reached for, where there is one."""
        details = {"permission": permission.value, "message": str(refusal)}
        device_id = caller.device_id if device_id is None else device_id
        await self._record(caller.tenant_id, caller.actor, device_id, details)

    async def _record_refused_token(self, tenant_id: UUID, token_id: UUID) -> None:
        try:
            self._refusals.admit(tenant_id)
        except RateLimited:
            # Guessing must not fill the trail; the metrics count every refusal.
            return
        await self._record(tenant_id, "unauthenticated", None, {"token_id": str(token_id)})

    async def _record(self, tenant_id: UUID, actor: str, device_id: str | None, details: Mapping[str, object]) -> None:
        event = AuditEvent(
            event_id=uuid7(),
            tenant_id=tenant_id,
            category=Category.ACCESS_DENIED,
            actor=actor,
            device_id=device_id,
            outcome=Outcome.REFUSED,
            details=details,
            trace_id=current_trace_id(),
        )
        async with self._database.work() as work:
            await audit_store.record_event(work, event)


def _decode(authorization: str) -> BearerToken:
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise Unauthenticated("expected a header `Authorization: Bearer <token>`")
    token = BearerToken.decode(text.strip())
    if token is None:
        raise Unauthenticated("expected a token as HoneyLink gave it out, found other text")
    return token
