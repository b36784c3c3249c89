"""Bodies that JSON allows and a record does not: each gets its problem, and the service stays well."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.api.peer import (
    Peer,
    check_alive,
    check_problem,
    faults_of,
    head,
    post,
)
from tests.conftest import PUBLIC_KEY, Device, Service, session_body

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def device(service: Service) -> Device:
    return service.new_device()


@pytest.fixture(autouse=True)
def _well_afterwards(service: Service) -> Iterator[None]:
    yield
    check_alive(service)


QOS = {"priority": "burst", "bandwidth_kbps": 1}
STREAM = {"name": "video", "mode": "reliable", "qos": QOS}
KBPS = "/streams/0/qos/bandwidth_kbps"


def deep(levels: int, opening: str = "[", closing: str = "]") -> str:
    """Nested arrays or objects."""
    return opening * levels + closing * levels


class TestBodies:
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b" ",
            b"null",
            b"true",
            b"5",
            b'"text"',
            b"[]",
            b"{",
            b"{}}",
            b"{'device_id': 1}",
            b"\xff\xfe\x00",
            b'{"device_id": "\xc3\x28"}',
            b'\xef\xbb\xbf{"device_id": "x"}',
            b'{"device_id": "device-1", "streams": [], "ttl_seconds": NaN}',
            b'{"ttl_seconds": Infinity}',
            b'{"ttl_seconds": -Infinity}',
            b'{"ttl_seconds": 1e999}',
            b'{"ttl_seconds": -1e999}',
            b'{"ttl_seconds": ' + b"9" * 4000 + b"}",
            b'{"ttl_seconds": ' + b"9" * 5000 + b"}",
            b'{"ttl_seconds": 0.' + b"9" * 5000 + b"}",
            b'{"device_id": "\\ud800"}',
            b'{"\\ud800": 1}',
            b'{"device_id": "a\\u0000b"}',
            b'{"a\\u0000b": 1}',
            b'{"device_id": "a\x00b"}',
            b'{"": "\\u0000"}',
            b'{"a/b~c": "\\u0000"}',
            b'{"streams": {"first": "\\u0000"}}',
            b'{"streams": {"first": 1, "first": 2}}',
            b'{"streams": {"first": 1e999}}',
            b'{"streams": {"-1": {"name": "\\u0000"}}}',
            b'{"streams": [{"name": 1, "name": 2}]}',
            b'{"streams": "text"}',
            deep(17).encode(),
            deep(30_000).encode(),
            deep(10_000, '{"a":', "}").encode(),
            b'{"streams": ' + deep(20).encode() + b"}",
        ],
        ids=lambda content: repr(content[:40]),
    )
    def test_no_body(self, service: Service, content: bytes) -> None:
        assert faults_of(post(service, content))

    @pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", "x" * 500, "a\xffb"])
    def test_wrong_content_type(self, service: Service, media_type: str) -> None:
        with Peer(service) as peer:
            typed = b"Content-Type: " + media_type.encode("latin-1")
            peer.send(head(service, "Content-Length: 2").removesuffix("\r\n"), typed, "\r\n\r\n{}")
            check_problem(peer.answer(), 400, "ERR_VALIDATION")

    def test_encoded_body(self, service: Service, device: Device) -> None:
        content = json.dumps(session_body(device, 1))
        for lines, status in (
            (["Content-Encoding: gzip"], 400),
            (["Content-Encoding: identity, gzip"], 400),
            (["Content-Encoding: identity", "Content-Encoding: br"], 400),
            (["Content-Encoding: Identity"], 201),
        ):
            with Peer(service) as peer:
                peer.send(head(service, *lines, f"Content-Length: {len(content)}") + content)
                answer = peer.answer()
            assert answer.status_code == status
            if status == 400:
                assert "Content-Encoding" in check_problem(answer, 400, "ERR_VALIDATION")["message"]

    @pytest.mark.parametrize(
        ("fields", "pointer"),
        [
            ({"ttl_seconds": True}, "/ttl_seconds"),
            ({"ttl_seconds": "60"}, "/ttl_seconds"),
            ({"ttl_seconds": 60.5}, "/ttl_seconds"),
            ({"ttl_seconds": 0}, "/ttl_seconds"),
            ({"ttl_seconds": -1}, "/ttl_seconds"),
            ({"ttl_seconds": 43_201}, "/ttl_seconds"),
            ({"ttl_seconds": 2**63}, "/ttl_seconds"),
            ({"device_id": 5}, "/device_id"),
            ({"device_id": None}, "/device_id"),
            ({"device_id": "../../etc"}, "/device_id"),
            ({"device_id": "device-1\n"}, "/device_id"),
            ({"streams": []}, "/streams"),
            ({"streams": None}, "/streams"),
            ({"streams": {"0": STREAM}}, "/streams"),
            ({"streams": [5]}, "/streams/0"),
            ({"streams": [[STREAM]]}, "/streams/0"),
            ({"streams": [STREAM, STREAM]}, "/streams/1/name"),
            ({"streams": [{**STREAM, "name": ""}]}, "/streams/0/name"),
            ({"streams": [{**STREAM, "name": "x" * 65}]}, "/streams/0/name"),
            ({"streams": [{**STREAM, "name": "a\tb"}]}, "/streams/0/name"),
            ({"streams": [{**STREAM, "mode": 5}]}, "/streams/0/mode"),
            ({"streams": [{**STREAM, "mode": ["reliable"]}]}, "/streams/0/mode"),
            ({"streams": [{**STREAM, "qos": None}]}, "/streams/0/qos"),
            ({"streams": [{**STREAM, "qos": {**QOS, "bandwidth_kbps": 0}}]}, KBPS),
            ({"streams": [{**STREAM, "qos": {**QOS, "bandwidth_kbps": 1.5}}]}, KBPS),
            ({"streams": [{**STREAM, "qos": {**QOS, "bandwidth_kbps": True}}]}, KBPS),
            ({"streams": [{**STREAM, "qos": {**QOS, "bandwidth_kbps": 2**64}}]}, KBPS),
            ({"streams": [{**STREAM, "qos": {"priority": "huge", "bandwidth_kbps": 1}}]}, "/streams/0/qos/priority"),
            ({"streams": [{**STREAM, "colour": "red"}]}, "/streams/0/colour"),
            ({"colour": "red"}, "/colour"),
            ({"Device_ID": "device-1"}, "/Device_ID"),
            ({"__proto__": {}}, "/__proto__"),
        ],
        ids=lambda value: json.dumps(value)[:60],
    )  # fmt: skip
    def test_one_fault(self, service: Service, device: Device, fields: dict[str, Any], pointer: str) -> None:
        assert list(faults_of(post(service, json.dumps(session_body(device, 1, **fields))))) == [pointer]

    def test_key_given_twice(self, service: Service, device: Device) -> None:
        text = json.dumps(session_body(device, 1))
        assert list(faults_of(post(service, text[:-1] + ', "ttl_seconds": 60}'))) == ["/ttl_seconds"]

    def test_all_faults_are_listed_with_their_streams(self, service: Service) -> None:
        streams = [
            {"name": "telemetry", "mode": "sometimes", "qos": {"priority": "urgent", "bandwidth_kbps": "fast"}},
            {"mode": "reliable", "qos": {"priority": "burst", "bandwidth_kbps": 1, "jitter": 0}},
            {**STREAM, "name": "telemetry"},
        ]
        body = {"device_id": "x", "streams": streams, "ttl_seconds": 0, "colour": "red"}
        faults = faults_of(post(service, json.dumps(body)))
        assert set(faults) == {
            "/device_id",
            "/streams/0/mode",
            "/streams/0/qos/priority",
            "/streams/0/qos/bandwidth_kbps",
            "/streams/1/name",
            "/streams/1/qos/jitter",
            "/streams/2/name",
            "/ttl_seconds",
            "/colour",
        }
        assert faults["/streams/0/mode"] == (
            "stream 'telemetry', mode: expected one of reliable, unreliable, found 'sometimes'"
        )
        assert faults["/streams/0/qos/priority"].startswith("stream 'telemetry', priority: expected one of latency,")
        assert faults["/streams/1/qos/jitter"].startswith("stream #2, jitter: ")

    @pytest.mark.parametrize(
        ("path", "fields"),
        [
            ("/devices", {"public_key": "A" * 44}),
            ("/devices", {"firmware_version": "1.0.0\n"}),
            ("/devices", {"firmware_version": "1." * 2000}),
            ("/devices", {"capabilities": ["a\0b"]}),
            ("/devices", {"capabilities": "video"}),
            ("/devices", {"metadata": {"note": "\ud800"}}),
            ("/devices", {"metadata": {"a": {"b\0": 1}}}),
            ("/devices", {"metadata": []}),
            ("/devices", {"pool_kbps": True}),
            ("/devices", {"pool_kbps": -1}),
            ("/devices", {"pool_kbps": 2**70}),
            ("/devices", {"streams": {"x": "\0"}}),
        ],
        ids=lambda value: json.dumps(value)[:60],
    )
    def test_bad_registration(self, service: Service, path: str, fields: dict[str, Any]) -> None:
        body = {"device_id": "device-hostile", "public_key": PUBLIC_KEY, "firmware_version": "1.0.0", **fields}
        with service.client() as client:
            answer = client.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
        assert any(pointer.startswith("/" + next(iter(fields))) for pointer in faults_of(answer))

    def test_metadata_of_strange_but_valid_values(self, service: Service) -> None:
        metadata = {"": 1, "big": 10**300, "tiny": 5e-324, "text": "🐝 ä", "deep": {"a": [[[]]]}, "__class__": None}
        device = service.new_device(metadata=metadata)
        with service.client() as client:
            assert client.get(f"/devices/{device.device_id}").json()["metadata"] == metadata


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def session_like() -> st.SearchStrategy[object]:
    """Bodies whose shape is right here and there."""
    number = st.floats(0, 5) | JSON
    qos = st.fixed_dictionaries(
        {"priority": st.sampled_from(["burst", "LATENCY", "none"]) | JSON, "bandwidth_kbps": st.integers() | JSON},
        optional={"loss_rate": number, "loss_burst": number, "recovery_target": number},
    )
    stream = st.fixed_dictionaries(
        {"name": st.text(max_size=70), "mode": st.just("reliable") | JSON, "qos": qos | JSON}
    )
    streams = st.lists(stream | JSON, max_size=20) | st.dictionaries(st.text(max_size=4), JSON, max_size=3)
    fields: dict[Any, Any] = {
        "device_id": st.just("device-00001") | st.text(),
        "streams": streams,
        "ttl_seconds": st.integers() | JSON,
    }
    return st.fixed_dictionaries(fields) | st.fixed_dictionaries({**fields, "extra": JSON})


class TestFuzz:
    @settings(max_examples=200, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(content=st.binary(max_size=300) | JSON.map(json.dumps) | session_like().map(json.dumps))
    @example(content='{"streams": {"a": "\\u0000"}}')
    def test_any_body_gets_a_problem_or_a_session(self, service: Service, content: bytes | str) -> None:
        answer = post(service, content)
        if answer.status_code != 201:
            assert 400 <= answer.status_code < 500, answer.text
            check_problem(answer, answer.status_code, answer.json()["error_code"])
