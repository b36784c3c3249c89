"""All keys of a device's life, from key files on disk."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from honeylink.keys import envelope
from honeylink.keys.contexts import data_key_context, device_master_key_context
from honeylink.keys.keyring import Keyring, SessionKeys, SessionRoots
from honeylink.keys.local import LocalKeyProvider
from honeylink.keys.providers import KeyProviderError
from honeylink.keys.secret import Secret
from tests.keys import reference

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from honeylink.domain.keys import WrappedDataKey, WrappedKey

TENANT, OTHER_TENANT, DEK, SESSION = (UUID(int=number) for number in range(1, 5))
STREAMS = [UUID(int=number) for number in range(10, 13)]


class Keys:
    """A provider, a keyring over it, a tenant's data key and a device's master key."""

    def __init__(self, path: Path) -> None:
        self.provider = LocalKeyProvider.open(path)
        self.ring = Keyring(self.provider)
        self.data: WrappedDataKey = asyncio.run(self.ring.new_data_key(TENANT, DEK))
        self.master: WrappedKey = asyncio.run(self.ring.new_device_master_key(TENANT, "device-1"))
        self.session = SessionRoots(self.master, self.data, TENANT, "device-1", SESSION, STREAMS)

    def unwrap(self, wrapped: WrappedKey, context: bytes) -> Secret:
        [answer] = asyncio.run(self.provider.unwrap([(wrapped, context)]))
        assert isinstance(answer, Secret)
        return answer


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys") / "kek.key")


def session_keys(ring: Keyring, sessions: Sequence[SessionRoots]) -> list[SessionKeys | str]:
    """The keys of each session, or why it has none."""

    async def make() -> list[SessionKeys | str]:
        with await ring.unwrap_roots(sessions) as roots:
            return [each.reason if isinstance(each, KeyProviderError) else each for each in roots.session_keys()]

    return asyncio.run(make())


def mac(keys: Keys, tenant_id: UUID = TENANT, device_id: str = "device-1", code: str = "2345-6789-ABCD") -> bytes:
    return asyncio.run(keys.ring.pairing_code_mac(keys.data, tenant_id, device_id, code))


def test_the_keys_of_a_session_come_from_the_device_and_are_sealed_for_its_row(keys: Keys) -> None:
    [made] = session_keys(keys.ring, [keys.session])
    assert isinstance(made, SessionKeys)
    master = keys.unwrap(keys.master, device_master_key_context(TENANT, "device-1"))
    data = keys.unwrap(keys.data.wrapped, data_key_context(TENANT, DEK))
    opened = envelope.open_session_key(envelope.DataKey(DEK, data), made.sealed, TENANT, "device-1", SESSION)
    assert opened.matches(reference.session_key(master, TENANT, "device-1", SESSION))
    assert [key.reveal() for key in made.stream_keys] == [
        reference.stream_key(opened, SESSION, stream_id).reveal() for stream_id in STREAMS
    ]
    assert len({key.reveal() for key in made.stream_keys}) == len(STREAMS)


def test_no_nonce_comes_twice(keys: Keys) -> None:
    made = session_keys(keys.ring, [keys.session] * 100)
    assert len({each.sealed.nonce for each in made if isinstance(each, SessionKeys)}) == 100


def test_keys_that_can_not_be_unwrapped_fail_their_own_session_alone(keys: Keys) -> None:
    another_devices_master_key = replace(keys.session, device_id="device-2")
    another_data_key = replace(keys.session, data_key=replace(keys.data, dek_id=UUID(int=99)))
    first, no_master, no_data, last = session_keys(
        keys.ring, [keys.session, another_devices_master_key, another_data_key, keys.session]
    )
    assert isinstance(first, SessionKeys)
    assert isinstance(last, SessionKeys)
    assert no_master == no_data == "a wrapped key does not belong to its row, or was altered"
    assert [key.reveal() for key in first.stream_keys] == [key.reveal() for key in last.stream_keys]


def test_each_failure_of_a_shared_key_is_an_error_of_its_own(keys: Keys) -> None:
    damaged = replace(keys.data, dek_id=UUID(int=99))
    sessions = [replace(keys.session, data_key=damaged, session_id=UUID(int=number)) for number in (5, 6)]

    async def errors() -> list[KeyProviderError]:
        with await keys.ring.unwrap_roots(sessions) as roots:
            return [each for each in roots.session_keys() if isinstance(each, KeyProviderError)]

    one, other = asyncio.run(errors())
    assert one is not other


def test_the_mac_of_a_code_is_of_one_device(keys: Keys) -> None:
    assert mac(keys) == mac(keys)
    assert len({mac(keys), mac(keys, device_id="device-2"), mac(keys, code="ABCD-2345-6789")}) == 3
    assert len(mac(keys)) == 32
    with pytest.raises(KeyProviderError):
        mac(keys, OTHER_TENANT)


def test_fresh_keys_differ(keys: Keys) -> None:
    contexts = [device_master_key_context(TENANT, "device-1"), data_key_context(TENANT, DEK)]
    wrapped = [keys.master, keys.data.wrapped]
    values = [keys.unwrap(each, context).reveal() for each, context in zip(wrapped, contexts, strict=True)]
    assert values[0] != values[1]
    assert {len(value) for value in values} == {32}


def test_a_check_unwraps_stored_keys(keys: Keys) -> None:
    asyncio.run(keys.ring.check([]))
    asyncio.run(keys.ring.check([(TENANT, keys.data)]))
    with pytest.raises(KeyProviderError):
        asyncio.run(keys.ring.check([(TENANT, keys.data), (OTHER_TENANT, keys.data)]))


def test_a_check_gives_all_reasons_each_once(keys: Keys) -> None:
    elsewhere = [replace(keys.data, wrapped=replace(keys.data.wrapped, provider=name)) for name in ("one", "other")]
    with pytest.raises(KeyProviderError) as caught:
        asyncio.run(keys.ring.check([(TENANT, keys.data), *((TENANT, each) for each in elsewhere * 2)]))
    assert caught.value.reason.count("one/") == caught.value.reason.count("other/") == 1
