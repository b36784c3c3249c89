"""What one request may cost, whatever its bytes: work in proportion to them, and an answer that stays short."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from honeylink.api.audit.endpoints import AuditQuery
from honeylink.api.devices.requests import DeviceBody
from honeylink.api.http import body
from honeylink.api.http.body import FAULTS_MAX, PARAMETERS_MAX, VALUES_MAX, parse_body, read_query
from honeylink.api.http.problems import problem_response
from honeylink.api.sessions.requests import SessionBody
from honeylink.errors import ValidationFailed
from tests.api.peer import MAX_BODY_BYTES, Peer, check_problem, faults_of, head, post
from tests.conftest import PUBLIC_KEY, session_body

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from honeylink.api.http.models import RequestModel
    from honeylink.settings import Settings
    from tests.conftest import Service

ANSWER_MAX_BYTES = 65_536
CONTROL, LETTER = r'"\u0000"', r"\u0041"
FIELDS = ("/name", "/mode", "/qos/priority", "/qos/bandwidth_kbps")
STREAM = session_body("device-1", 1)["streams"][0]
DEVICE = {"device_id": "device-hostile", "public_key": PUBLIC_KEY, "firmware_version": "1.0.0"}


def array(member: str, count: int) -> str:
    return f"[{','.join([member] * count)}]"


def keys(count: int, *more: str) -> str:
    """An object of as many keys that nobody knows, and some members more."""
    return "{" + ",".join((*(f'"k{number}":1' for number in range(count)), *more)) + "}"


def registration(**fields: object) -> str:
    return json.dumps({**DEVICE, **fields})


HOSTILE: dict[str, Callable[[int], str]] = {
    "a key twice among many": lambda n: keys(n // 10, '"k0":2'),
    "every key twice": lambda n: keys(n // 20, *(f'"k{number}":2' for number in range(n // 20))),
    "one key often": lambda n: "{" + ",".join(['"k":1'] * (n // 6)) + "}",
    "unknown fields": lambda n: keys(n // 10),
    "unknown fields of streams": lambda n: f'{{"streams":{array(keys(100), n // 1000)}}}',
    "empty streams": lambda n: f'{{"streams":{array("{}", n // 3)}}}',
    "streams that are numbers": lambda n: f'{{"streams":{array("0", n // 2)}}}',
    "equal streams": lambda n: f'{{"streams":{array(json.dumps(STREAM), n // 100)}}}',
    "text with control characters": lambda n: f'{{"streams":{array(CONTROL, n // 9)}}}',
    "one long key above many faults": lambda n: f'{{"{"k" * (n // 2)}":{array(CONTROL, n // 18)}}}',
    "long keys above many faults": lambda n: (
        '{"streams":[' + f'{{"{"~" * 127}":' * 7 + array(CONTROL, n // 18) + "}" * 7 + "]}"
    ),
    "arrays without end": lambda n: "[" * n,
    "nested arrays": lambda n: "[" * (n // 2) + "]" * (n // 2),
    "nested objects": lambda n: '{"a":' * (n // 6) + "1" + "}" * (n // 6),
    "a long whole number": lambda n: f'{{"ttl_seconds":{"9" * n}}}',
    "a long fraction": lambda n: f'{{"ttl_seconds":0.{"9" * n}}}',
    "a long number with an exponent": lambda n: f'{{"ttl_seconds":{"9" * n}e9}}',
    "long numbers": lambda n: array("9" * 4000, n // 4000),
    "a long mode": lambda n: f'{{"streams":[{{"mode":"{"a" * n}"}}]}}',
    "a mode that is a long array": lambda n: f'{{"streams":[{{"mode":{array("1", n // 2)}}}]}}',
    "escapes": lambda n: f'{{"device_id":"{LETTER * (n // 6)}"}}',
}
REGISTRATIONS: dict[str, Callable[[int], str]] = {
    "a long version": lambda n: registration(firmware_version="1.0.0-" + "0" * n),
    "a long version of dots": lambda n: registration(firmware_version="1.0.0-" + "0." * (n // 2)),
    "a long version that ends wrong": lambda n: registration(firmware_version="1.0.0-" + "0" * n + "!"),
    "a long key": lambda n: registration(public_key="A" * n),
    "empty capabilities": lambda n: registration(capabilities=[""] * (n // 4)),
    "long numbers in metadata": lambda n: registration(metadata={"n": [10**300] * (n // 300)}),
    "numbers that grow when stored": lambda n: registration(metadata={"n": [1e308] * (n // 8)}),
    "metadata of many members": lambda n: registration(metadata={f"k{number}": 1 for number in range(n // 10)}),
    "metadata of empty arrays": lambda n: registration(metadata={"a": [[]] * (n // 4)}),
}
QUERIES: dict[str, Callable[[int], str]] = {
    "unknown parameters": lambda n: "&".join(f"{number:x}=1" for number in range(n // 5)),
    "one parameter often": lambda n: "&".join(["limit=1"] * (n // 8)),
    "parameters without names": lambda n: "&".join(["="] * (n // 2)),
    "nothing often": lambda n: "&" * n,
    "a long name": lambda n: "a" * n + "=1",
    "a long number": lambda n: "limit=" + "9" * n,
    "a long cursor": lambda n: "cursor=" + "W" * n,
    "a long time": lambda n: "since=2026-01-01T00:00:00." + "1" * n,
    "a long word": lambda n: "category=" + "a" * n,
    "a cursor of escapes": lambda n: "cursor=" + "%00" * (n // 3),
}


def problem_of(model: type[RequestModel], text: str, settings: Settings) -> tuple[list[tuple[str, str]], int]:
    """The faults of a body, and the bytes of the answer."""
    with pytest.raises(ValidationFailed) as refusal:
        parse_body(text.encode(), settings, model)
    return refusal.value.faults, len(problem_response(refusal.value).body)


def query_problem_of(text: str, settings: Settings) -> tuple[list[tuple[str, str]], int]:
    with pytest.raises(ValidationFailed) as refusal:
        read_query({"type": "http", "query_string": text.encode()}, settings, AuditQuery)
    return refusal.value.faults, len(problem_response(refusal.value).body)


@pytest.fixture(scope="module")
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


def calls_of(work: Callable[[], object]) -> int:
    """How many functions are called, ours and the interpreter's."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        del frame, argument
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("name", HOSTILE | REGISTRATIONS | QUERIES)
def test_a_hostile_request_costs_little(settings: Settings, name: str) -> None:
    """Twice the bytes take at most twice the calls, and the answer is short however long the request."""

    def refuse(size: int) -> tuple[list[tuple[str, str]], int]:
        if name in QUERIES:
            return query_problem_of(QUERIES[name](size), settings)
        make = HOSTILE.get(name) or REGISTRATIONS[name]
        return problem_of(SessionBody if name in HOSTILE else DeviceBody, make(size), settings)

    faults, answer_bytes = refuse(MAX_BODY_BYTES)
    assert 0 < len(faults) <= FAULTS_MAX
    assert answer_bytes <= ANSWER_MAX_BYTES
    small, large = calls_of(lambda: refuse(MAX_BODY_BYTES // 2)), calls_of(lambda: refuse(MAX_BODY_BYTES))
    assert large <= 2 * small + 500
    assert large <= 2 * MAX_BODY_BYTES


class CountedKey(str):
    """A key that counts how often keys are compared."""

    __slots__ = ()
    comparisons = 0

    def __eq__(self, other: object) -> bool:
        CountedKey.comparisons += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_finding_a_key_that_stands_twice_takes_a_comparison_a_key() -> None:
    pairs: list[tuple[str, Any]] = [(CountedKey(number), 1) for number in range(1000)]
    CountedKey.comparisons = 0
    duplicated = body._object([*pairs, (CountedKey(0), 2), (CountedKey(7), 2)])
    assert isinstance(duplicated, body._Duplicated)
    assert duplicated.keys_twice == ("0", "7")
    assert CountedKey.comparisons < 10 * len(pairs)


# Caps, over HTTP.


def test_of_many_faults_the_first_are_listed(service: Service) -> None:
    def streams(faults: int) -> str:
        return json.dumps({"device_id": "device-1", "streams": [{"name": "s", "mode": "x" * 4, "qos": {}}] * faults})

    # Each has a wrong mode, two fields that are missing and, but for the first, the name of another.
    listed = faults_of(post(service, streams(25)))
    assert len(listed) == 4 * 25 - 1
    answer = post(service, json.dumps({**json.loads(streams(25)), "extra": 1}))
    errors = check_problem(answer, 400, "ERR_VALIDATION")["errors"]
    assert len(errors) == FAULTS_MAX
    assert "more faults" not in errors[-1]["message"]
    errors = check_problem(post(service, streams(26)), 400, "ERR_VALIDATION")["errors"]
    assert len(errors) == FAULTS_MAX
    assert errors[-1] == {"pointer": "", "message": "there are more faults than are listed here; fix these first"}
    assert {error["pointer"] for error in errors[:-1]} <= {
        f"/streams/{n}{field}" for n in range(26) for field in FIELDS
    }


@pytest.mark.parametrize("count", [256, 21_000])
def test_too_many_streams_are_one_fault_and_not_looked_at(service: Service, count: int) -> None:
    answer = post(service, f'{{"device_id":"device-1","streams":{array("{}", count)}}}')
    faults = faults_of(answer)
    assert list(faults) == ["/streams"]
    assert "found" in faults["/streams"]
    assert len(answer.content) < 1000


def test_too_many_streams_for_the_service_are_a_conflict(service: Service) -> None:
    """As the settings have it; only past what any settings may allow is it the body's fault."""
    device = service.new_device()
    with service.client() as client:
        answers = [client.post("/sessions", json=session_body(device, *[1] * count)) for count in (17, 255, 256)]
    assert [answer.status_code for answer in answers] == [409, 409, 400]
    assert answers[1].json()["requested_streams"] == 255


def test_too_many_values_are_one_fault_where_they_are(service: Service) -> None:
    with service.client() as client:
        answer = client.post("/devices", json={**DEVICE, "capabilities": 1, "metadata": {"a": [0] * VALUES_MAX}})
    assert faults_of(answer) == {"/metadata/a": f"a: expected at most {VALUES_MAX} values in a body, found more"}


def test_too_many_parameters_are_one_fault(service: Service) -> None:
    names = [f"n{number}=1" for number in range(PARAMETERS_MAX + 1)]
    with service.client() as client:
        few = faults_of(client.get("/sessions?" + "&".join(names[:PARAMETERS_MAX])))
        many = faults_of(client.get("/sessions?" + "&".join(names)))
    assert len(few) == PARAMETERS_MAX
    assert many == {"": f"expected at most {PARAMETERS_MAX} parameters, found more"}


def test_a_key_that_is_too_long_is_told_where_it_stands(service: Service) -> None:
    with service.client() as client:
        faults = faults_of(client.post("/devices", json={**DEVICE, "metadata": {"deep": {"k" * 129: 1}, "k" * 128: 1}}))
    assert list(faults) == ["/metadata/deep"]
    assert faults["/metadata/deep"].startswith("deep: expected keys of at most 128 characters, found 'kkk")


@pytest.mark.parametrize("path", ["/devices/{}", "/devices/{}/pool", "/sessions/{}", "/tenants/{}/pool"])
def test_an_id_that_is_too_long_is_not_found_and_not_repeated(service: Service, path: str) -> None:
    with service.client() as client:
        answer = client.get(path.format("a" * 5000))
    assert len(check_problem(answer, 404, "ERR_NOT_FOUND")["message"]) < 100


def test_no_event_records_an_id_that_none_can_have(service: Service) -> None:
    count = "SELECT count(*) AS count FROM audit_events"
    [before] = service.fetch(count)
    with Peer(service) as peer:
        content = '{"reason": "lost"}'
        typed = ("Content-Type: application/json", f"Content-Length: {len(content)}")
        peer.send(head(service, *typed, path=f"/devices/{'a' * 20_000}/revoke"), content)
        check_problem(peer.answer(), 404, "ERR_NOT_FOUND")
    [after] = service.fetch(count)
    assert after == before


def test_faults_are_placed_by_streams_in_sessions_alone(settings: Settings) -> None:
    for model, text, place in (
        (
            SessionBody,
            json.dumps(session_body("device-1", 1) | {"streams": [{"name": "a", "mode": "\0"}]}),
            "stream 'a', mode: ",
        ),
        (DeviceBody, registration(streams=[{"name": "a", "mode": "\0"}]), "mode: "),
    ):
        faults, _ = problem_of(model, text, settings)
        assert dict(faults)["/streams/0/mode"].startswith(f"{place}expected text")
