"""Reading a request for a session: the short way and the full check have the same result, whatever the bytes are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from honeylink.api.http.body import parse_body
from honeylink.api.http.values import MAX_KBPS, MAX_SESSION_PRIORITY, NAME_MAX_LENGTH
from honeylink.api.sessions import requests
from honeylink.api.sessions.requests import MAX_STREAMS, SessionBody, read_session
from honeylink.domain.sessions import Mode, Priority
from honeylink.errors import ValidationFailed
from tests.conftest import session_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from honeylink.settings import Settings

TTL_MAX_SECONDS = 43_200
USUAL = session_body("device-1")
TEXT = json.dumps(USUAL)

MODES, PRIORITIES = (
    [cased for word in words for cased in (word, word.upper(), word.title())] for words in (Mode, Priority)
)
PLAIN_LETTERS = "".join(sorted({*map(chr, range(0x20, 0x7F))} - {'"', "\\"}))
PLAIN_NAMES = st.text(PLAIN_LETTERS, min_size=1, max_size=NAME_MAX_LENGTH)
EDGES = (0, 1, MAX_SESSION_PRIORITY, TTL_MAX_SECONDS, MAX_KBPS, 2**53, 2**64)
NUMBERS = st.sampled_from([edge + step for edge in EDGES for step in (-1, 0, 1)]) | st.integers(-2, 3)
NAMES = st.sampled_from(
    ["video", "video2", "a", "", "a" * 64, "a" * 65, 'a"b', "a\\b", "b\n", "\x7f", "\u202e", "é", "Ⓐ"]
)
DEVICES = st.sampled_from(
    ["device-1", "dev", "d" * 64, "d" * 65, "-device", "device 1", "device-1\n", "gerät-1", "\u017f" * 4]
)
VALUES: st.SearchStrategy[Any] = (
    NUMBERS
    | NUMBERS.map(float)
    | NAMES
    | DEVICES
    | st.sampled_from(
        [
            *MODES,
            *PRIORITIES,
            "\u212aind",
            "reliable ",
            None,
            True,
            False,
            0.5,
            float("nan"),
            float("inf"),
            [],
            {},
            [[]],
        ]
    )
)
KNOWN_MEMBERS = [*SessionBody.model_fields, "name", "mode", "qos", "priority", "bandwidth_kbps", "min_bandwidth_kbps"]
MEMBERS = st.sampled_from([*KNOWN_MEMBERS, "loss_rate", "loss_burst", "recovery_target", "Name", "x", "", "a/b"])


def plain_bodies() -> st.SearchStrategy[dict[str, Any]]:
    """Bodies of the usual form."""

    def qos(asked: int, share: int, priority: str) -> dict[str, Any]:
        least = {"min_bandwidth_kbps": max(asked * share // 9, 1)} if share < 9 else {}
        return {"priority": priority, "bandwidth_kbps": asked, **least}

    stream: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {
            "name": PLAIN_NAMES,
            "mode": st.sampled_from(MODES),
            "qos": st.builds(qos, st.integers(1, MAX_KBPS), st.integers(0, 9), st.sampled_from(PRIORITIES)),
        }
    )
    priority = st.none() | st.integers(0, MAX_SESSION_PRIORITY)

    def is_right(body: dict[str, Any]) -> bool:
        setup, hold = body.get("setup_priority"), body.get("hold_priority")
        return setup is None or hold is None or setup <= hold

    required: dict[str, st.SearchStrategy[Any]] = {
        "device_id": st.from_regex("[A-Za-z0-9][A-Za-z0-9._-]{3,63}", fullmatch=True),
        "streams": st.lists(stream, min_size=1, max_size=5, unique_by=lambda stream: str(stream["name"])),
    }
    optional = {"ttl_seconds": st.none() | st.integers(1, TTL_MAX_SECONDS)}
    optional |= {"setup_priority": priority, "hold_priority": priority}
    return st.fixed_dictionaries(required, optional=optional).filter(is_right)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each array and object in a value, with each of its steps."""
    steps = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [place for step in steps for place in ((value, step), *places(value[step]))]


@st.composite
def changed_bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Bodies that were nearly of the usual form."""
    body: dict[str, Any] = json.loads(json.dumps(draw(plain_bodies())))
    for _ in range(draw(st.integers(1, 3))):
        container, step = draw(st.sampled_from(places(body) or [(body, "streams")]))
        change = draw(st.sampled_from(["replace", "remove", "add", "twice"]))
        if change == "replace":
            container[step] = draw(VALUES)
        elif change == "remove":
            container.pop(step, None) if isinstance(container, dict) else container.pop(step)
        elif change == "add" and isinstance(container, dict):
            container[draw(MEMBERS)] = draw(VALUES)
        elif isinstance(container, list):
            container.append(container[step])
    return body


@st.composite
def changed_texts(draw: st.DrawFn) -> bytes:
    """The bytes of such bodies, damaged or written in other ways."""
    body = draw(plain_bodies() | changed_bodies())
    text = json.dumps(body, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 0, 1])))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(start + 3, len(text))))
        pieces = [
            "",
            " ",
            "\t",
            "\x0b",
            '"',
            ",",
            "{",
            "}",
            "[",
            "]",
            ":",
            ".0",
            "e0",
            "-",
            "0",
            "1",
            "null",
            r"\u0061",
        ]
        pieces += ["\\", "\ufeff", "\u2028", "\0", "é", '"x":1,', '"name":"n",', text[start:end] * 2]
        text = text[:start] + draw(st.sampled_from(pieces)) + text[end:]
    return text.encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def service_settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(ttl_default_seconds=3600, ttl_max_seconds=TTL_MAX_SECONDS)


def outcome(read: Callable[[], object]) -> str:
    """The request with the types of all that is in it, or all faults."""
    try:
        return repr(read())
    except ValidationFailed as refusal:
        return repr(refusal.faults)


def check_same(raw: bytes, service_settings: Settings) -> None:
    full = outcome(lambda: parse_body(raw, service_settings, SessionBody).to_domain(service_settings))
    assert outcome(lambda: read_session(raw, service_settings)) == full


def takes_short_way(raw: bytes) -> bool:
    return requests._usual_body.read(raw, TTL_MAX_SECONDS) is not None


@given(plain_bodies(), st.booleans())
def test_the_usual_body_takes_the_short_way(
    service_settings: Settings, body: dict[str, Any], is_indented: bool
) -> None:
    raw = json.dumps(body, indent=1 if is_indented else None).encode()
    assert takes_short_way(raw)
    assert read_session(raw, service_settings).device_id == body["device_id"]
    check_same(raw, service_settings)


@settings(max_examples=200)
@given(changed_bodies())
def test_a_body_that_was_changed_has_the_same_result_both_ways(
    service_settings: Settings, body: dict[str, Any]
) -> None:
    check_same(json.dumps(body).encode(), service_settings)


@settings(max_examples=200)
@given(changed_texts())
def test_bytes_that_were_damaged_have_the_same_result_both_ways(service_settings: Settings, raw: bytes) -> None:
    check_same(raw, service_settings)


@given(st.binary(max_size=40))
@example(b"")
@example(TEXT.encode("utf-8-sig"))
@example(TEXT.encode("utf-16"))
@example(TEXT.replace("device-1", "d\xe9vice").encode("latin-1"))
@example(TEXT.encode() + b"\n \t\r")
@example(TEXT.encode() + b"\0")
@example(b"[" * 50_000)
@example(b'{"streams":[' * 20_000)
@example(TEXT.replace("3600", "9" * 5000).encode())
@example(TEXT.replace("3600", "3600.0").encode())
@example(TEXT.replace("3600", "-0").encode())
@example(TEXT.replace("3600", "03600").encode())
@example(TEXT.replace('"ttl_seconds"', '"ttl_seconds": 1, "ttl_seconds"').encode())
@example(TEXT.replace('"name"', r'"n\u0061me"').encode())
@example(TEXT.replace("telemetry", r"telemetr\u0079").encode())
@example(json.dumps([*USUAL.values()]).encode())
@example(json.dumps({**USUAL, "streams": [[*stream.values()] for stream in USUAL["streams"]]}).encode())
def test_any_bytes_have_the_same_result_both_ways(service_settings: Settings, raw: bytes) -> None:
    check_same(raw, service_settings)


@pytest.mark.parametrize("count", [1, 16, MAX_STREAMS, MAX_STREAMS + 1])
def test_as_many_streams_as_there_may_be(service_settings: Settings, count: int) -> None:
    raw = json.dumps(session_body("device-1", *range(1, count + 1))).encode()
    assert takes_short_way(raw) == (count <= MAX_STREAMS)
    check_same(raw, service_settings)


@pytest.mark.parametrize("loss", [{"loss_rate": 0.1}, {"loss_rate": None}, {"recovery_target": 0.5}, {"loss_burst": 2}])
def test_expected_loss_takes_the_full_check(service_settings: Settings, loss: dict[str, Any]) -> None:
    body = session_body("device-1", 5)
    body["streams"][0]["qos"] |= loss
    raw = json.dumps(body).encode()
    assert not takes_short_way(raw)
    check_same(raw, service_settings)


def test_the_longest_life_is_the_setting(make_settings: Callable[..., Settings]) -> None:
    raw = json.dumps({**USUAL, "ttl_seconds": 61}).encode()
    assert read_session(raw, make_settings(ttl_default_seconds=60, ttl_max_seconds=61)).ttl_seconds == 61
    with pytest.raises(ValidationFailed):
        read_session(raw, make_settings(ttl_default_seconds=60, ttl_max_seconds=60))
