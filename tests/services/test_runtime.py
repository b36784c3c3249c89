"""Opening the service by its settings: the database, the key file and the pool that all tenants share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from honeylink.domain.access import Role
from honeylink.errors import SettingsError
from honeylink.services.runtime import migrate_database, open_services, set_up_node_pool
from honeylink.settings import Settings
from honeylink.store.migrate import HEAD_REVISION
from tests.conftest import run_service, session_body

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import LoopThread


async def open_and_close(settings: Settings) -> dict[str, str]:
    async with open_services(settings) as services:
        return await services.operations.readiness()


async def start(settings: Settings) -> None:
    async with open_services(settings) as services:
        await set_up_node_pool(services, settings)


def test_the_embedded_database_is_brought_up_to_date_on_the_way_in(loop: LoopThread, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)

    async def first_start() -> tuple[dict[str, str], int]:
        async with open_services(settings) as services:
            await services.tenants.create_token("acme", Role.ADMIN, "first")
            return await services.operations.readiness(), len(await services.operations.check_pools())

    readiness, pools = loop.run(first_start())
    assert readiness == {"database": "ok", "migrations": "ok", "key_provider": "ok"}
    assert pools == 1
    assert loop.run(migrate_database(settings)) == (HEAD_REVISION, HEAD_REVISION)


def test_a_database_of_ones_own_is_left_as_it_is(loop: LoopThread, make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    assert loop.run(migrate_database(settings)) == (HEAD_REVISION, HEAD_REVISION)
    assert loop.run(open_and_close(settings))["migrations"] == "ok"


def test_a_key_file_that_others_can_read_stops_the_start(
    loop: LoopThread, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings()
    settings.kek_file.write_bytes(bytes(32))
    settings.kek_file.chmod(0o644)
    with pytest.raises(SettingsError, match="expected mode 0600, found 0644"):
        loop.run(open_and_close(settings))


def test_the_node_pool_follows_its_setting(loop: LoopThread, make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(node_pool_kbps=1000)
    with run_service(settings) as service:
        device = service.new_device()
        with service.client(device.token) as client:
            assert client.post("/sessions", json=session_body(device, 800)).status_code == 201
    smaller = settings.model_copy(update={"node_pool_kbps": 900})
    with run_service(smaller) as service, service.client(device.token) as client:
        problem = client.post("/sessions", json=session_body(device, 101)).json()
    assert (problem["limiting_pool"], problem["available_kbps"]) == ("node:node", 100)

    # Less than is given away: nobody comes in until enough have ended. And a command leaves the pool as it is.
    lowered = settings.model_copy(update={"node_pool_kbps": 799})
    loop.run(open_and_close(settings.model_copy(update={"node_pool_kbps": 5000})))
    with run_service(lowered) as service, service.client(device.token) as client:
        assert client.post("/sessions", json=session_body(device, 1)).json()["limiting_pool"] == "node:node"
        [session] = client.get("/sessions").json()["items"]
        client.delete(f"/sessions/{session['session_id']}")
        assert client.post("/sessions", json=session_body(device, 799)).status_code == 201
    by_wire = settings.model_copy(update={"node_pool_charge": "wire"})
    with pytest.raises(SettingsError, match="HONEYLINK_NODE_POOL_KBPS: pool node:node: expected no sessions in it"):
        loop.run(start(by_wire))
