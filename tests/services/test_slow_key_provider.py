"""A key provider that takes its time: no connection is held meanwhile, and what changed meanwhile counts."""

from __future__ import annotations

import asyncio
import queue
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from honeylink.domain.access import Role
from honeylink.errors import ClientGone
from honeylink.keys import registry
from honeylink.keys.local import LocalKeyProvider
from honeylink.keys.registry import Kind
from tests.conftest import PUBLIC_KEY, run_service, session_body
from tests.services.test_opening import principal, request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import httpx

    from honeylink.domain.keys import WrappedKey
    from honeylink.domain.tokens import BearerToken
    from honeylink.keys.providers import KeyProviderError
    from honeylink.keys.secret import Secret
    from honeylink.settings import Settings
    from tests.conftest import Device, Service

# Far longer than it takes; for what never comes.
PATIENCE_SECONDS = 30


class SlowProvider(LocalKeyProvider):
    """The local provider, whose calls wait until somebody lets them go, if `slow`."""

    slow = False

    def __init__(self, key: Secret) -> None:
        super().__init__(key)
        self.calls: queue.Queue[tuple[str, int, asyncio.Future[None]] | None] = queue.Queue()

    async def wrap(self, keys: Sequence[tuple[Secret, bytes]]) -> list[WrappedKey]:
        await self._wait("wrap", len(keys))
        return await super().wrap(keys)

    async def unwrap(self, keys: Sequence[tuple[WrappedKey, bytes]]) -> list[Secret | KeyProviderError]:
        await self._wait("unwrap", len(keys))
        return await super().unwrap(keys)

    async def _wait(self, call: str, keys: int) -> None:
        if self.slow:
            let_go = asyncio.get_running_loop().create_future()
            self.calls.put((call, keys, let_go))
            await let_go


class Slow:
    """A service whose key provider is slow while `run` runs something."""

    def __init__(self, service: Service) -> None:
        self.service = service
        provider = service.services.devices._keyring._providers._current
        assert isinstance(provider, SlowProvider)
        self.provider = provider

    def run(
        self, *calls: Callable[[], Any], meanwhile: Callable[[], object] = lambda: None
    ) -> tuple[list[Any], list[tuple[str, int]]]:
        """Run some calls at once, each in a thread.

        Args:
            calls: what is run.
            meanwhile: what happens while the provider is asked for the first time.

        Returns:
            The answers, and of each call of the provider what it was and of how many keys.
        """
        seen: list[tuple[str, int]] = []
        self.provider.slow = True
        with ThreadPoolExecutor(len(calls)) as threads:
            answers = [threads.submit(call) for call in calls]
            for answer in answers:
                answer.add_done_callback(lambda _: self.provider.calls.put(None))
            try:
                left = len(answers)
                while left:
                    waiting = self.provider.calls.get(timeout=PATIENCE_SECONDS)
                    if waiting is None:
                        left -= 1
                        continue
                    self.check_that_nothing_is_held()
                    if not seen:
                        self.provider.slow = False
                        meanwhile()
                        self.provider.slow = True
                    seen.append(waiting[:2])
                    self.service.loop._loop.call_soon_threadsafe(waiting[2].set_result, None)
            finally:
                self.provider.slow = False
        return [answer.result() for answer in answers], seen

    def check_that_nothing_is_held(self) -> None:
        """All connections come free, those that the background's statements have for a moment too."""
        connections = self.service.services.database._connections
        assert connections is not None
        pool = connections.pool

        async def wait() -> None:
            async with asyncio.timeout(PATIENCE_SECONDS / 3):
                while pool.get_idle_size() + (connections.kept is not None) < pool.get_size():  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0)

        self.service.loop.run(wait())
        busy = self.service.fetch(
            "SELECT query FROM pg_stat_activity"
            " WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
        )
        assert not busy

    def register(self, device_id: str) -> httpx.Response:
        body = {"device_id": device_id, "public_key": PUBLIC_KEY, "firmware_version": "1.0.0"}
        with self.service.client() as client:
            return client.post("/devices", json=body)

    def pair(self, registered: dict[str, Any]) -> httpx.Response:
        with self.service.client(registered["device_token"]) as client:
            return client.post(
                f"/devices/{registered['device_id']}/pair", json={"pairing_code": registered["pairing_code"]}
            )

    def revoke(self, device_id: str) -> None:
        with self.service.client() as client:
            assert client.post(f"/devices/{device_id}/revoke", json={"reason": "lost"}).status_code == 200

    def open(self, device: Device, kbps: int = 1, **fields: object) -> httpx.Response:
        with self.service.client() as client:
            return client.post("/sessions", json=session_body(device, kbps, **fields))

    def reserved_kbps(self, device: Device) -> int:
        [pool] = self.service.fetch(
            "SELECT reserved_kbps FROM pools WHERE level = 0 AND pool_id = $1", device.device_id
        )
        reserved: int = pool["reserved_kbps"]
        return reserved


@pytest.fixture(scope="module")
def slow(make_settings: Callable[..., Settings]) -> Iterator[Slow]:
    kind = Kind(lambda settings: SlowProvider.open(settings.kek_file), frozenset())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "KINDS", {"local": kind})
        with run_service(make_settings(expiry_interval_seconds=3600)) as service:
            yield Slow(service)


def test_registering_holds_no_connection(slow: Slow) -> None:
    [answer], calls = slow.run(lambda: slow.register("slow-register"))
    assert (answer.status_code, calls) == (201, [("unwrap", 1)])


def test_pairing_holds_no_connection(slow: Slow) -> None:
    registered = slow.register("slow-pair").json()
    [answer], calls = slow.run(lambda: slow.pair(registered))
    assert (answer.status_code, calls) == (200, [("unwrap", 1), ("wrap", 1)])


def test_making_a_tenant_holds_no_connection(slow: Slow) -> None:
    [token], calls = slow.run(lambda: slow.service.token(Role.AUDITOR, "slow-tenant"))
    assert token
    assert calls == [("wrap", 1)]


def test_readiness_holds_no_connection(slow: Slow) -> None:
    with slow.service.client() as client:
        [answer], calls = slow.run(lambda: client.get("/readyz"))
    assert answer.status_code == 200
    assert calls == [("unwrap", 1)]


def test_opening_holds_no_connection(slow: Slow) -> None:
    """The first session of a device, which is read, and its next one, which is known."""
    device = slow.service.new_device()
    for _ in range(2):
        [answer], calls = slow.run(lambda: slow.open(device))
        assert (answer.status_code, calls) == (201, [("unwrap", 2)])


def test_taking_from_a_weaker_session_holds_no_connection_and_no_lock(slow: Slow) -> None:
    device = slow.service.new_device(pool_kbps=100)
    slow.service.fetch("UPDATE pools SET preemption = true WHERE level = 0 AND pool_id = $1", device.device_id)
    assert slow.open(device, 100).status_code == 201
    [answer], calls = slow.run(lambda: slow.open(device, 80, setup_priority=2))
    # As one of a group, by what is known of the device, and then by itself.
    assert (answer.status_code, calls) == (201, [("unwrap", 2)] * 2)
    assert slow.reserved_kbps(device) == 80


def test_a_group_asks_once_for_all_its_keys(slow: Slow) -> None:
    """Those that come while the first one waits leave together: their devices' keys, and their tenant's once."""
    service, provider = slow.service, slow.provider
    first, *others = [service.new_device() for _ in range(5)]
    caller, sessions = principal(service), service.services.sessions

    async def next_call() -> tuple[str, int]:
        while provider.calls.empty():  # noqa: ASYNC110 - no event
            await asyncio.sleep(0)
        call = provider.calls.get()
        assert call is not None
        call[2].set_result(None)
        return call[:2]

    async def run() -> list[tuple[str, int]]:
        opening = [asyncio.create_task(sessions.open(caller, request(first, 1)))]
        while provider.calls.empty():  # noqa: ASYNC110 - no event
            await asyncio.sleep(0)
        opening += [asyncio.create_task(sessions.open(caller, request(each, 1))) for each in others]
        while len(sessions._opening._waiting) < len(others):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0)
        calls = [await next_call(), await next_call()]
        for opened in await asyncio.gather(*opening):
            opened.wipe_keys()
        return calls

    provider.slow = True
    try:
        assert service.loop.run(run()) == [("unwrap", 2), ("unwrap", len(others) + 1)]
    finally:
        provider.slow = False


# What changes while the provider is waited for.


def test_a_device_that_is_registered_again_while_it_is_paired(slow: Slow) -> None:
    """The code that counts is the new one."""
    registered = slow.register("slow-twice").json()
    again: list[dict[str, Any]] = []
    [answer], _ = slow.run(
        lambda: slow.pair(registered), meanwhile=lambda: again.append(slow.register("slow-twice").json())
    )
    assert (answer.status_code, answer.json()["error_code"]) == (403, "ERR_AUTHZ")
    assert slow.pair(again[0]).status_code == 200


def test_a_device_that_is_revoked_while_it_is_paired(slow: Slow) -> None:
    registered = slow.register("slow-revoked").json()
    [answer], _ = slow.run(lambda: slow.pair(registered), meanwhile=lambda: slow.revoke("slow-revoked"))
    assert (answer.status_code, answer.json()["error_code"]) == (409, "ERR_STATE")
    [row] = slow.service.fetch("SELECT status, dmk_ciphertext FROM devices WHERE device_id = 'slow-revoked'")
    assert tuple(row) == ("revoked", None)


@pytest.mark.parametrize("known", [False, True])
def test_a_device_that_is_revoked_while_a_session_is_opened(slow: Slow, known: bool) -> None:
    device = slow.service.new_device()
    if known:
        assert slow.open(device).status_code == 201
    [answer], _ = slow.run(lambda: slow.open(device), meanwhile=lambda: slow.revoke(device.device_id))
    assert (answer.status_code, answer.json()["error_code"]) == (409, "ERR_STATE")
    assert slow.reserved_kbps(device) == 0


def test_room_that_is_taken_while_a_session_is_opened(slow: Slow) -> None:
    device = slow.service.new_device(pool_kbps=100)

    def shrink() -> None:
        slow.service.fetch("UPDATE pools SET capacity_kbps = 50 WHERE level = 0 AND pool_id = $1", device.device_id)

    [answer], _ = slow.run(lambda: slow.open(device, 80), meanwhile=shrink)
    assert (answer.status_code, answer.json()["available_kbps"]) == (409, 50)
    assert slow.reserved_kbps(device) == 0


def test_a_tenant_that_is_made_twice_at_once_is_made_once(slow: Slow) -> None:
    def token(name: str) -> BearerToken:
        tenants = slow.service.services.tenants
        return slow.service.loop.run(tenants.create_token("slow-race", Role.AUDITOR, name))

    (one, other), calls = slow.run(lambda: token("one"), lambda: token("other"))
    assert one.tenant_id == other.tenant_id
    assert calls == [("wrap", 1)] * 2
    assert len(slow.service.fetch("SELECT FROM data_keys WHERE tenant_id = $1", one.tenant_id)) == 1


def test_a_client_that_hangs_up_meanwhile_costs_no_commit(slow: Slow) -> None:
    service = slow.service
    device = service.new_device()
    gone: list[bool] = []
    opening = service.services.sessions.open(principal(service), request(device, 1), lambda: not gone)

    def open_session() -> type[BaseException]:
        with pytest.raises(ClientGone) as caught:
            service.loop.run(opening)
        return caught.type

    slow.run(open_session, meanwhile=lambda: gone.append(True))
    assert slow.reserved_kbps(device) == 0


# A provider that never answers.


def test_a_request_does_not_wait_longer_than_it_may_take(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    service = slow.service
    device, registered = service.new_device(), slow.register("slow-never").json()
    with service.client() as client, monkeypatch.context() as patch:
        patch.setattr(service.services.database, "_timeout_seconds", 0.2)
        patch.setattr(slow.provider, "slow", True)
        answers = [slow.open(device), slow.pair(registered), slow.register("slow-never-too")]
        ready = client.get("/readyz")
    assert [(each.status_code, each.json()["error_code"]) for each in answers] == [(503, "ERR_DEPENDENCY")] * 3
    assert ready.status_code == 503
    assert "found none" in ready.json()["checks"]["key_provider"]
    assert ready.json()["checks"]["database"] == "ok"
    slow.check_that_nothing_is_held()
    while not slow.provider.calls.empty():
        slow.provider.calls.get()
    assert slow.open(device).status_code == 201
    assert slow.pair(registered).status_code == 200


def test_readiness_tells_of_a_provider_that_is_not_open(slow: Slow) -> None:
    token = slow.service.loop.run(slow.service.services.tenants.create_token("elsewhere", Role.AUDITOR, "one"))
    slow.service.fetch("UPDATE data_keys SET provider = 'archive' WHERE tenant_id = $1", token.tenant_id)
    try:
        with slow.service.client() as client:
            ready = client.get("/readyz")
    finally:
        slow.service.fetch("UPDATE data_keys SET provider = 'local' WHERE tenant_id = $1", token.tenant_id)
    assert ready.status_code == 503
    reason = ready.json()["checks"]["key_provider"]
    assert reason.startswith("expected a key wrapped by a provider that is open (local), found one wrapped by archive/")
