"""All keys of a device's life, from a key file on disk."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from honeylink.keys import derivation, envelope
from honeylink.keys.keyring import Keyring
from honeylink.keys.local import LocalKeyProvider
from honeylink.keys.providers import KeyProviderError, data_key_context, device_master_key_context

if TYPE_CHECKING:
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


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys") / "kek.key")


def mac(keys: Keys, tenant_id: UUID = TENANT, device_id: str = "device-1", code: str = "2345-6789-ABCD") -> bytes:
    return asyncio.run(keys.ring.pairing_code_mac(keys.data, tenant_id, device_id, code))


def test_the_keys_of_a_session_come_from_the_device_and_are_sealed_for_its_row(keys: Keys) -> None:
    made = asyncio.run(keys.ring.session_keys(keys.master, keys.data, TENANT, "device-1", SESSION, STREAMS))
    master = asyncio.run(keys.provider.unwrap(keys.master, device_master_key_context(TENANT, "device-1")))
    data = asyncio.run(keys.provider.unwrap(keys.data.wrapped, data_key_context(TENANT, DEK)))
    opened = envelope.open_session_key(envelope.DataKey(DEK, data), made.sealed, TENANT, "device-1", SESSION)
    assert opened.matches(derivation.session_key(master, TENANT, "device-1", SESSION))
    assert [key.reveal() for key in made.stream_keys] == [
        derivation.stream_key(opened, SESSION, stream_id).reveal() for stream_id in STREAMS
    ]
    assert len({key.reveal() for key in made.stream_keys}) == len(STREAMS)


def test_another_devices_master_key_derives_nothing(keys: Keys) -> None:
    with pytest.raises(KeyProviderError):
        asyncio.run(keys.ring.session_keys(keys.master, keys.data, TENANT, "device-2", SESSION, STREAMS))


def test_another_tenants_data_key_seals_nothing(keys: Keys) -> None:
    foreign = replace(keys.data, dek_id=UUID(int=99))
    with pytest.raises(KeyProviderError):
        asyncio.run(keys.ring.session_keys(keys.master, foreign, TENANT, "device-1", SESSION, STREAMS))


def test_the_mac_of_a_code_is_of_one_device(keys: Keys) -> None:
    assert mac(keys) == mac(keys)
    assert len({mac(keys), mac(keys, device_id="device-2"), mac(keys, code="ABCD-2345-6789")}) == 3
    assert len(mac(keys)) == 32
    with pytest.raises(KeyProviderError):
        mac(keys, OTHER_TENANT)


def test_fresh_keys_differ(keys: Keys) -> None:
    contexts = [device_master_key_context(TENANT, "device-1"), data_key_context(TENANT, DEK)]
    wrapped = [keys.master, keys.data.wrapped]
    values = [
        asyncio.run(keys.provider.unwrap(each, context)).reveal()
        for each, context in zip(wrapped, contexts, strict=True)
    ]
    assert values[0] != values[1]
    assert {len(value) for value in values} == {32}


def test_a_check_unwraps_a_stored_key(keys: Keys) -> None:
    asyncio.run(keys.ring.check(keys.data, TENANT))
    with pytest.raises(KeyProviderError):
        asyncio.run(keys.ring.check(keys.data, OTHER_TENANT))
