"""What a probe and a scraper see."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from honeylink.services.runtime import open_services
from tests.conftest import Service, run_service, session_body
from tests.operations.processes import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from honeylink.settings import Settings
    from tests.conftest import LoopThread
    from tests.operations.postgres import OwnPostgres


class Metrics:
    """One scrape."""

    def __init__(self, service: Service) -> None:
        with service.client("") as client:
            answer = client.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        self._samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """A sample; 0 before it was first counted."""
        return next((each.value for each in self._samples if (each.name, each.labels) == (name, labels)), 0.0)

    def labels(self, label: str) -> set[str]:
        """Every value of a label."""
        return {each.labels[label] for each in self._samples if label in each.labels}


def test_healthy(service: Service) -> None:
    with service.client("") as client:
        health, ready = client.get("/healthz"), client.get("/readyz")
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ready",
        "checks": {"database": "ok", "migrations": "ok", "key_provider": "ok"},
    }


def test_empty_database_is_not_ready(
    make_settings: Callable[..., Settings], postgres_dsn: Callable[[str], str], loop: LoopThread
) -> None:
    async def make() -> None:
        connection = await asyncpg.connect(postgres_dsn("postgres"))
        try:
            await connection.execute("DROP DATABASE IF EXISTS honeylink_unmigrated")
            await connection.execute("CREATE DATABASE honeylink_unmigrated")
        finally:
            await connection.close()

    loop.run(make())
    check_unmigrated(make_settings(database_dsn=postgres_dsn("honeylink_unmigrated")))


def test_new_server_is_not_ready(make_settings: Callable[..., Settings], own_postgres: OwnPostgres) -> None:
    """One on which no database of HoneyLink's has ever been: it does not even know the role."""
    check_unmigrated(make_settings(database_dsn=own_postgres.dsn), migrate=own_postgres.migrate)


def check_unmigrated(settings: Settings, migrate: Callable[[], None] | None = None) -> None:
    # Not by `run_service`: it makes a token, which needs the schema.
    async def readiness() -> dict[str, str]:
        async with open_services(settings) as services:
            checks = await services.operations.readiness()
            if migrate is not None:
                await asyncio.to_thread(migrate)
                assert set((await services.operations.readiness()).values()) == {"ok"}
            return checks

    checks = asyncio.run(readiness())
    assert "honeylink migrate" in checks["migrations"], checks


def test_no_database_is_not_ready(make_settings: Callable[..., Settings]) -> None:
    async def readiness() -> dict[str, str]:
        settings = make_settings(database_dsn="postgresql://nobody@127.0.0.1:1/nowhere")
        async with open_services(settings) as services:
            return await services.operations.readiness()

    checks = asyncio.run(readiness())
    assert checks["database"] != "ok"
    assert checks["migrations"] != "ok"


def test_requests_are_counted_by_route(service: Service) -> None:
    before = Metrics(service)
    with service.client() as client:
        for _ in range(3):
            client.get("/sessions/00000000-0000-0000-0000-000000000000")
        client.get("/api/v1/sessions/anything")
        client.get("/nowhere/anything")
        client.request("BREW", "/sessions")
    after = Metrics(service)

    def counted(method: str, route: str, status: str) -> float:
        name, labels = "honeylink_http_requests_total", {"method": method, "route": route, "status": status}
        return after.value(name, **labels) - before.value(name, **labels)

    assert counted("GET", "/sessions/{session_id}", "404") == 4
    assert counted("GET", "unmatched", "404") == 1
    seconds = "honeylink_http_request_seconds_count"
    labels = {"method": "GET", "route": "/sessions/{session_id}"}
    assert after.value(seconds, **labels) - before.value(seconds, **labels) == 4
    assert not any("anything" in route for route in after.labels("route"))


def test_sessions_are_counted_by_outcome(service: Service) -> None:
    device = service.new_device(pool_kbps=100)
    before = Metrics(service)
    with service.client() as client:
        ended = client.post("/sessions", json=session_body(device, 60)).json()["session_id"]
        assert client.post("/sessions", json=session_body(device, 60)).status_code == 409
        assert client.delete(f"/sessions/{ended}").status_code == 200
        assert client.delete(f"/sessions/{ended}").status_code == 200
        assert client.post("/sessions", json=session_body(device, 60, ttl_seconds=1)).status_code == 201

    def counted(outcome: str) -> float:
        name = "honeylink_sessions_total"
        return Metrics(service).value(name, outcome=outcome) - before.value(name, outcome=outcome)

    eventually(lambda: counted("expired") == 1, "the second session to expire")
    assert (counted("opened"), counted("refused"), counted("terminated")) == (2, 1, 1)


@pytest.mark.parametrize("level", ["device", "tenant"])
def test_refusals_are_counted_by_level(make_settings: Callable[..., Settings], level: str) -> None:
    with run_service(make_settings(tenant_pool_kbps=1000)) as service:
        device = service.new_device(pool_kbps=500 if level == "device" else 5000)
        name = "honeylink_admission_refusals_total"
        before = {each: Metrics(service).value(name, level=each) for each in ("device", "tenant", "node")}
        with service.client() as client:
            assert client.post("/sessions", json=session_body(device, 2000)).status_code == 409
        after = {each: Metrics(service).value(name, level=each) for each in before}
    assert after == {**before, level: before[level] + 1}


def test_utilisation_of_pools(make_settings: Callable[..., Settings]) -> None:
    with run_service(make_settings(tenant_pool_kbps=5000, node_pool_kbps=9000)) as service:
        device = service.new_device(pool_kbps=700)
        with service.client() as client:
            opened = client.post("/sessions", json=session_body(device, 100, 150))
            during = Metrics(service)
            client.delete(opened.headers["location"])
        after = Metrics(service)
    for level, capacity in (("device", 700), ("tenant", 5000), ("node", 9000)):
        assert during.value("honeylink_pool_capacity_kbps", level=level) == capacity
        assert during.value("honeylink_pool_reserved_kbps", level=level) == 250
        assert after.value("honeylink_pool_reserved_kbps", level=level) == 0
