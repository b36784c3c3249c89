"""Paths, methods and queries that nobody should send: each gets its problem, and the service stays well."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from honeylink.domain.access import Role
from tests.api.peer import (
    Peer,
    check_alive,
    check_problem,
    faults_of,
    head,
)
from tests.conftest import session_body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Device, Service


@pytest.fixture(scope="module")
def device(service: Service) -> Device:
    return service.new_device()


@pytest.fixture(autouse=True)
def _well_afterwards(service: Service) -> Iterator[None]:
    yield
    check_alive(service)


class TestRoutes:
    @pytest.mark.parametrize(
        "path",
        ["/", "//", "/nowhere", "/sessions/", "/api/v2/sessions", "/api/v1", "/sessions/a/b", "/%2e%2e/etc/passwd"],
    )
    def test_unknown_path(self, service: Service, path: str) -> None:
        with service.client() as client:
            check_problem(client.get(path), 404, "ERR_NOT_FOUND")

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("PUT", "/sessions", {"GET", "HEAD", "POST"}),
            ("TRACE", "/api/v1/sessions", {"GET", "HEAD", "POST"}),
            ("OPTIONS", "/sessions", {"GET", "HEAD", "POST"}),
            ("PATCH", "/sessions/x", {"DELETE", "GET", "HEAD"}),
            ("GET", "/devices/x/revoke", {"POST"}),
            ("HEAD", "/devices/x/pair", {"POST"}),
            ("DELETE", "/audit/events", {"GET", "HEAD"}),
            ("POST", "/healthz", {"GET", "HEAD"}),
        ],
    )
    def test_wrong_method(self, service: Service, method: str, path: str, allowed: set[str]) -> None:
        with service.client() as client:
            answer = client.request(method, path)
        assert {word.strip() for word in answer.headers["allow"].split(",")} == allowed
        if method == "HEAD":
            assert (answer.status_code, answer.content) == (405, b"")
        else:
            check_problem(answer, 405, "ERR_METHOD")

    @pytest.mark.parametrize("path", ["/sessions", "/healthz", "/audit/events", "/openapi.json"])
    def test_head_is_get_without_a_body(self, service: Service, path: str) -> None:
        token = service.token(Role.AUDITOR)
        with service.client(token) as client:
            answer = client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("/sessions/%00", 400),
            ("/sessions/%0a%1b[31m", 400),
            ("/devices/%00", 400),
            ("/devices/dev%C2%85ice", 400),
            ("/devices/dev%E2%80%AEeci", 400),
            ("/sessions/%E2%80%8B", 400),
            ("/tenants/ac%E2%81%A6me/pool", 400),
            ("/tenants/" + "a" * 65 + "/pool", 404),
            ("/devices/%ff%fe", 404),
            ("/devices/%ed%a0%80", 404),
            ("/devices/%zz", 404),
            ("/devices/ger%C3%A4t", 404),
            ("/sessions/%F0%9F%90%9D", 404),
            ("/sessions/00000000-0000-0000-0000-000000000000", 404),
            ("/sessions/{00000000-0000-0000-0000-000000000000}", 404),
            ("/sessions/" + "9" * 5000, 404),
        ],
    )
    @pytest.mark.parametrize("prefix", ["", "/api/v1"])
    def test_strange_ids(self, service: Service, prefix: str, path: str, status: int) -> None:
        with Peer(service) as peer:
            peer.send(head(service, method="GET", path=prefix + path))
            check_problem(peer.answer(), status, {400: "ERR_VALIDATION", 404: "ERR_NOT_FOUND"}[status])

    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    def test_a_session_id_has_one_form(self, service: Service, device: Device, method: str) -> None:
        with service.client() as client:
            session_id = client.post("/sessions", json=session_body(device, 1)).json()["session_id"]
            value = UUID(session_id)
            for other in (session_id.upper(), value.hex, value.urn, f"{{{session_id}}}", f"%20{session_id}"):
                check_problem(client.request(method, f"/sessions/{other}"), 404, "ERR_NOT_FOUND")
            assert client.get(f"/sessions/{session_id}").json()["status"] == "active"

    def test_a_tenant_that_no_path_can_name_has_its_id(self, service: Service) -> None:
        token = service.token(Role.ADMIN, tenant="umbrella")
        service.fetch("UPDATE tenants SET name = 'a/b' WHERE name = 'umbrella'")
        service.fetch("UPDATE pools SET pool_id = 'a/b' WHERE pool_id = 'umbrella'")
        with service.client(token) as client:
            [pool] = [each for each in client.get("/pools").json()["items"] if each["level"] == "tenant"]
            assert pool["pool"] == "tenant:a/b"
            assert client.get(f"/tenants/{pool['tenant_id']}/pool").json() == pool
            for name in ("a/b", "a%2Fb"):
                assert client.get(f"/tenants/{name}/pool").status_code == 404
            assert client.get(f"/tenants/{pool['tenant_id'].upper()}/pool").status_code == 404

    @pytest.mark.parametrize(
        "authorization",
        [
            "",
            "Bearer",
            "Bearer ",
            "Basic dXNlcjpwYXNz",
            "Bearer hl1_",
            "Bearer hl1_" + "A" * 107,
            "Bearer hl1_" + "=" * 107,
            "Bearer " + "x" * 8000,
            "Bearer hl1_\xff\xfe",
        ],
    )
    def test_bad_token(self, service: Service, authorization: str) -> None:
        with Peer(service) as peer:
            peer.send("GET /sessions HTTP/1.1\r\nAuthorization: ", authorization.encode("latin-1"), "\r\n\r\n")
            answer = peer.answer()
            check_problem(answer, 401, "ERR_AUTH")
            assert answer.headers["www-authenticate"].startswith("Bearer")


class TestQueries:
    @pytest.mark.parametrize(
        ("path", "pointer"),
        [
            ("/sessions?colour=red", "/colour"),
            ("/sessions?limit=1&limit=2", "/limit"),
            ("/sessions?limit=0", "/limit"),
            ("/sessions?limit=-1", "/limit"),
            ("/sessions?limit=201", "/limit"),
            ("/sessions?limit=1.5", "/limit"),
            ("/sessions?limit=%D9%A1", "/limit"),
            ("/sessions?limit=", "/limit"),
            ("/sessions?limit=" + "9" * 5000, "/limit"),
            ("/sessions?status=ACTIVE", "/status"),
            ("/sessions?status=gone", "/status"),
            ("/sessions?device_id=%00", "/device_id"),
            ("/sessions?device_id=a", "/device_id"),
            ("/sessions?cursor=", "/cursor"),
            ("/sessions?cursor=nonsense", "/cursor"),
            ("/sessions?cursor=%FF%FE", "/cursor"),
            ("/sessions?cursor=W10", "/cursor"),
            ("/sessions?cursor=bnVsbA", "/cursor"),
            ("/sessions?cursor=" + "W" * 512, "/cursor"),
            ("/sessions?cursor=" + "A" * 5000, "/cursor"),
            ("/sessions?%00=1", ""),
            ("/devices?status=active", "/status"),
            ("/devices?cursor=WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwieCJd", "/cursor"),
            ("/audit/events?since=yesterday", "/since"),
            ("/audit/events?since=1", "/since"),
            ("/audit/events?since=2026-02-30T00:00:00Z", "/since"),
            ("/audit/events?since=2026-01-01", "/since"),
            ("/audit/events?until=0000-00-00T00:00:00Z", "/until"),
            ("/audit/events?until=2026-01-01T24:01:00Z", "/until"),
            ("/audit/events?until=2026-01-01T00:00:00%2B99:99", "/until"),
            ("/audit/events?category=weather", "/category"),
        ],
    )
    def test_bad_query(self, service: Service, path: str, pointer: str) -> None:
        token = service.token(Role.AUDITOR)
        with service.client(token) as client:
            assert list(faults_of(client.get(path))) == [pointer]

    def test_all_faults_of_a_query_are_listed(self, service: Service) -> None:
        with service.client() as client:
            faults = faults_of(client.get("/sessions?limit=x&colour=red&status=gone&status=active"))
        assert set(faults) == {"/limit", "/colour", "/status"}

    @pytest.mark.parametrize(
        "moment",
        ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00%2B14:00", "1066-10-14T09:00:00Z"],
    )
    @pytest.mark.parametrize("bound", ["since", "until"])
    def test_absurd_moments(self, service: Service, bound: str, moment: str) -> None:
        with service.client(service.token(Role.AUDITOR)) as client:
            answer = client.get(f"/audit/events?{bound}={moment}")
        if answer.status_code != 200:
            assert list(faults_of(answer)) == [f"/{bound}"]

    @pytest.mark.parametrize(
        "cursor_row",
        [
            ["0001-01-01T00:00:00+14:00", "x"],
            ["9999-12-31T23:59:59.999999-14:00", "x"],
            ["2026-01-01T00:00:00+00:00", "\ud800"],
            ["2026-01-01T00:00:00+00:00", "\0"],
            ["2026-01-01T00:00:00+00:00", 5],
            ["2026-01-01T00:00:00+00:00", "x", "y"],
            {"0": "2026-01-01T00:00:00+00:00", "1": "x"},
        ],
    )
    @pytest.mark.parametrize("path", ["/devices", "/sessions", "/audit/events"])
    def test_forged_cursor(self, service: Service, path: str, cursor_row: object) -> None:
        cursor = base64.urlsafe_b64encode(json.dumps(cursor_row).encode()).rstrip(b"=").decode()
        with service.client(service.token(Role.ADMIN)) as client:
            answer = client.get(path, params={"cursor": cursor})
        if answer.status_code != 200:
            assert list(faults_of(answer)) == ["/cursor"]

    @pytest.mark.parametrize("path", ["/sessions", "/audit/events"])
    def test_a_cursor_has_its_id_in_the_form_that_was_given_out(self, service: Service, path: str) -> None:
        row_id = UUID("01999e2c-6a00-7000-8000-00000000abcd")
        with service.client(service.token(Role.ADMIN)) as client:
            for written in (str(row_id).upper(), row_id.hex, row_id.urn, f"{{{row_id}}}"):
                row = json.dumps(["2026-01-01T00:00:00+00:00", written])
                cursor = base64.urlsafe_b64encode(row.encode()).rstrip(b"=").decode()
                assert list(faults_of(client.get(path, params={"cursor": cursor}))) == ["/cursor"]

    def test_cursor_of_another_list(self, service: Service) -> None:
        for _ in range(2):
            service.new_device()
        with service.client(service.token(Role.ADMIN)) as client:
            cursor = client.get("/devices?limit=1").json()["next_cursor"]
            assert list(faults_of(client.get("/sessions", params={"cursor": cursor}))) == ["/cursor"]
            assert list(faults_of(client.get("/audit/events", params={"cursor": cursor}))) == ["/cursor"]
