"""A group is as good as its members one after the other: whoever comes in, and whoever does not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from honeylink.domain.access import Principal, Role
from honeylink.domain.admission import Pool, PoolLevel, decide
from honeylink.domain.devices import DeviceStatus
from honeylink.domain.sessions import Mode, Priority, SessionRequest, StreamRequest
from honeylink.errors import BandwidthExceeded, ServiceError, StateConflict
from honeylink.keys.keyring import Keyring
from honeylink.keys.local import LocalKeyProvider
from honeylink.keys.providers import KeyProviderError
from honeylink.services.fresh_cache import FreshCache
from honeylink.services.group_commit import GroupCommit
from honeylink.services.pending import OpenedSession, PendingSession
from honeylink.services.snapshots import Snapshot
from honeylink.store.sessions import find_session_contexts
from tests.conftest import run_service

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from honeylink.domain.keys import WrappedKey
    from honeylink.keys.secret import Secret
    from honeylink.settings import Settings
    from tests.conftest import Service

DEVICES = 6
DEVICE_KBPS = 300
# One look at what is known of a device, one at what the database says, and one after what others did in between.
ROUNDS_MAX = 3


@dataclass(frozen=True)
class Ask:
    device: int
    kbps: int
    min_kbps: int | None


asks = st.builds(
    lambda device, kbps, minimum: Ask(device, kbps, None if minimum is None else min(minimum, kbps)),
    st.integers(0, DEVICES - 1),
    st.integers(1, 400),
    st.none() | st.integers(1, 400),
)
groups = st.lists(asks, min_size=1, max_size=12)


class Interrupted(LocalKeyProvider):
    """A key provider that others are faster than, once."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def unwrap(self, keys: Sequence[tuple[WrappedKey, bytes]]) -> list[Secret | KeyProviderError]:
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return await super().unwrap(keys)


class Process:
    """What one process of the service opens groups with."""

    def __init__(self, service: Service) -> None:
        self._provider = Interrupted.open(service.settings.kek_file)
        known: FreshCache[tuple[UUID, str], Snapshot] = FreshCache(lambda: True, 1000)
        self.known = known
        self.groups = GroupCommit(
            service.services.database,
            Keyring(self._provider),
            known,
            session_endpoint="quic://127.0.0.1:1",
            max_streams=16,
        )

    def interrupt(self, meanwhile: Callable[[], Awaitable[object]]) -> None:
        """Say what others do between the first snapshot and its statement."""
        self._provider.meanwhile = meanwhile

    async def open(self, group: Sequence[PendingSession]) -> list[tuple[PendingSession, OpenedSession | ServiceError]]:
        """Open the group, and those again on which nothing was said, as often as it takes; in the order of answers."""
        answers: list[tuple[PendingSession, OpenedSession | ServiceError]] = []
        waiting = list(group)
        for done in count(1):
            outcomes = await self.groups.open(waiting)
            answers += [(pending, outcomes[pending]) for pending in waiting if pending in outcomes]
            waiting = [pending for pending in waiting if pending not in outcomes]
            if not waiting:
                return answers
            assert done < ROUNDS_MAX
        raise AssertionError


class Fleet:
    """Devices of one tenant in a database of their own."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._connection = service.loop.run(asyncpg.connect(service.dsn))
        [row] = service.fetch("SELECT tenant_id FROM tenants WHERE name = 'acme'")
        self.tenant_id: UUID = row["tenant_id"]
        self.devices = [service.new_device(pool_kbps=DEVICE_KBPS).device_id for _ in range(DEVICES)]

    def pending(self, ask: Ask) -> PendingSession:
        caller = Principal(self.tenant_id, uuid4(), "test", Role.OPERATOR)
        stream = StreamRequest("video", Mode.UNRELIABLE, Priority.BURST, ask.kbps, min_bandwidth_kbps=ask.min_kbps)
        deadline = self.service.loop.run(_now()) + 1000
        return PendingSession.now(
            caller, SessionRequest(self.devices[ask.device], (stream,), 60), deadline, lambda: True
        )

    def empty(self, tenant_kbps: int, kept_kbps: int = 0) -> None:
        """End everything, and make the pools what they are at first."""
        self.execute(
            f"""
            DELETE FROM reservations;
            UPDATE sessions SET status = 'terminated', ended_at = now() WHERE ended_at IS NULL;
            UPDATE devices SET status = 'paired', revoked_at = NULL, revoke_reason = NULL, drained_at = NULL;
            UPDATE pools SET reserved_kbps = 0, withheld_kbps = 0, accepting = true,
                guaranteed_kbps = NULL, lend_limit_kbps = NULL;
            UPDATE pools SET guaranteed_kbps = {kept_kbps}, lend_limit_kbps = 0
            WHERE pool_id = '{self.devices[0]}' AND {kept_kbps} > 0;
            UPDATE pools SET capacity_kbps = {tenant_kbps}, withheld_kbps = {kept_kbps} WHERE level = 1
            """
        )

    def execute(self, statements: str) -> None:
        self.service.loop.run(self._connection.execute(statements))

    async def revoke(self, numbers: AbstractSet[int]) -> None:
        """As another process does it."""
        devices = [self.devices[number] for number in numbers]
        await self._connection.execute(
            "UPDATE devices SET status = 'revoked', revoked_at = now(), revoke_reason = 'lost'"
            " WHERE device_id = ANY ($1)",
            devices,
        )
        await self._connection.execute(
            "UPDATE pools SET accepting = false WHERE level = 0 AND pool_id = ANY ($1)", devices
        )

    def paths(self) -> dict[str, list[Pool]]:
        rows = self.service.loop.run(
            self._connection.fetch(
                "SELECT tenant_id, level, pool_id, capacity_kbps, reserved_kbps, guaranteed_kbps, lend_limit_kbps,"
                " withheld_kbps FROM pools WHERE tenant_id = $1 ORDER BY level",
                self.tenant_id,
            )
        )
        pools = [Pool(**{**row, "level": PoolLevel(row["level"])}) for row in rows]
        [tenant] = [pool for pool in pools if pool.level is PoolLevel.TENANT]
        return {pool.pool_id: [pool, tenant] for pool in pools if pool.level is PoolLevel.DEVICE}

    def close(self) -> None:
        self.service.loop.run(self._connection.close())

    def check_reconciled(self) -> None:
        assert all(each.reconciles for each in self.service.loop.run(self.service.services.operations.check_pools()))


async def _now() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture(scope="module")
def fleet(make_settings: Callable[..., Settings]) -> Iterator[Fleet]:
    with run_service(make_settings(expiry_interval_seconds=3600)) as service:
        fleet = Fleet(service)
        yield fleet
        fleet.close()


class Model:
    """The pools, when sessions are opened one after the other."""

    def __init__(self, fleet: Fleet) -> None:
        self._paths = fleet.paths()

    def open(self, pending: PendingSession) -> list[int]:
        """What its streams get."""
        path = self._paths[pending.request.device_id]
        admission = decide(pending.request, DeviceStatus.PAIRED, path, pending.stream_ids, 16)
        changed = {pool.key: pool.with_charge(*charge) for pool, charge in zip(path, admission.charges, strict=True)}
        for device_id, other in self._paths.items():
            self._paths[device_id] = [changed.get(pool.key, pool) for pool in other]
        return [stream.bandwidth_kbps for stream in admission.streams]


@settings(max_examples=60)
@given(known=st.sets(st.integers(0, DEVICES - 1)), held=groups, group=groups, tenant_kbps=st.integers(1, 1200))
def test_each_gets_what_it_would_get_after_those_that_came_in_before_it(
    fleet: Fleet, known: set[int], held: list[Ask], group: list[Ask], tenant_kbps: int
) -> None:
    fleet.empty(tenant_kbps)
    check_exact(fleet, known, held, group)


@settings(max_examples=60)
@given(
    known=st.sets(st.integers(0, DEVICES - 1)),
    revoked=st.sets(st.integers(0, DEVICES - 1), min_size=1),
    held=groups,
    group=groups,
    tenant_kbps=st.integers(1, 1200),
)
def test_so_it_is_when_some_are_revoked_after_the_snapshot(
    fleet: Fleet, known: set[int], revoked: set[int], held: list[Ask], group: list[Ask], tenant_kbps: int
) -> None:
    fleet.empty(tenant_kbps)
    check_exact(fleet, known, held, group, revoked)


@settings(max_examples=30)
@given(
    known=st.sets(st.integers(0, DEVICES - 1)),
    held=groups,
    group=groups,
    tenant_kbps=st.integers(200, 1200),
    kept_kbps=st.integers(1, 200),
)
def test_so_it_is_where_a_sibling_keeps_its_share(
    fleet: Fleet, known: set[int], held: list[Ask], group: list[Ask], tenant_kbps: int, kept_kbps: int
) -> None:
    fleet.empty(tenant_kbps, kept_kbps)
    check_exact(fleet, known, held, group)


def check_exact(
    fleet: Fleet, known: set[int], held: list[Ask], group: list[Ask], revoked: AbstractSet[int] = frozenset()
) -> None:
    process = Process(fleet.service)
    loop = fleet.service.loop
    remember(fleet, process, known)
    for _, answer in loop.run(process.open([fleet.pending(ask) for ask in held])):
        wipe(answer)
    remember(fleet, process, known)
    model = Model(fleet)
    process.interrupt(lambda: fleet.revoke(revoked))
    answers = loop.run(process.open([fleet.pending(ask) for ask in group]))
    assert len(answers) == len(group)
    for pending, answer in answers:
        if isinstance(answer, OpenedSession):
            assert [stream.bandwidth_kbps for stream in answer.streams] == model.open(pending)
            wipe(answer)
        elif isinstance(answer, StateConflict):
            assert pending.request.device_id in {fleet.devices[number] for number in revoked}
        else:
            with pytest.raises(BandwidthExceeded) as refusal:
                model.open(pending)
            assert isinstance(answer, BandwidthExceeded)
            assert (answer.limiting_pool, answer.available_kbps, answer.admissible_kbps) == (
                refusal.value.limiting_pool,
                refusal.value.available_kbps,
                refusal.value.admissible_kbps,
            )
    fleet.check_reconciled()


def remember(fleet: Fleet, process: Process, known: set[int]) -> None:
    """As if sessions of these devices, and of no others, had been opened not long ago."""
    process.known.invalidate_all()

    async def read() -> None:
        devices = [(fleet.tenant_id, fleet.devices[number]) for number in known]
        async with fleet.service.services.database.work() as work:
            contexts = await find_session_contexts(work, devices)
        for device, context in contexts.items():
            process.known.put(device, Snapshot(context, await _now()).with_empty_pools(), process.known.generation)

    if known:
        fleet.service.loop.run(read())


def wipe(answer: OpenedSession | ServiceError) -> None:
    if isinstance(answer, OpenedSession):
        answer.wipe_keys()


def open_with_one_without_keys(fleet: Fleet, known: set[int], group: list[Ask]) -> list[int | str]:
    """Open a group in which no key of the first device can be had: what each gets, or what is left."""
    fleet.empty(100)
    [row] = fleet.service.fetch("SELECT dmk_ciphertext FROM devices WHERE device_id = $1", fleet.devices[0])
    change = "UPDATE devices SET dmk_ciphertext = $2 WHERE device_id = $1"
    fleet.service.fetch(change, fleet.devices[0], bytes(len(row["dmk_ciphertext"])))
    try:
        process = Process(fleet.service)
        remember(fleet, process, known)
        pending = [fleet.pending(ask) for ask in group]
        answers = dict(fleet.service.loop.run(process.open(pending)))
    finally:
        fleet.service.fetch(change, fleet.devices[0], row["dmk_ciphertext"])
    found: list[int | str] = []
    for answer in (answers[each] for each in pending):
        wipe(answer)
        if isinstance(answer, OpenedSession):
            found += [stream.bandwidth_kbps for stream in answer.streams]
        elif isinstance(answer, BandwidthExceeded):
            found.append(f"{answer.available_kbps} left")
        else:
            assert isinstance(answer, KeyProviderError)
            found.append("no key")
    fleet.check_reconciled()
    return found


@pytest.mark.parametrize("known", [set(), {0, 1, 2, 3}])
@pytest.mark.parametrize(
    ("group", "found"),
    [
        ([Ask(0, 60, None), Ask(1, 100, 10), Ask(2, 70, None)], ["no key", 100, "0 left"]),
        ([Ask(3, 10, None), Ask(0, 60, None), Ask(1, 70, None), Ask(2, 10, None)], [10, "no key", 70, 10]),
    ],
)
def test_one_whose_keys_can_not_be_had_takes_nothing_from_those_after_it(
    fleet: Fleet, known: set[int], group: list[Ask], found: list[int | str], secrets: list[Secret]
) -> None:
    assert open_with_one_without_keys(fleet, known, group) == found
    assert secrets
    assert not [secret for secret in secrets if any(secret.reveal())]
