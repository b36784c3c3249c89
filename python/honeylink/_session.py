"""What a link needs of a session: its streams, read from the answer of `POST /sessions` or `GET /sessions/{id}`."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeGuard

from honeylink._native import wire_kbps
from honeylink.errors import LinkError, PlannerError

_Priority = Literal["latency", "normal", "burst"]
_PRIORITIES: Final[tuple[_Priority, ...]] = ("latency", "normal", "burst")
_MAX_SHARDS: Final = 2**8 - 1
_MAX_KBPS: Final = 2**64 - 1
_MAX_WEIGHT: Final = 2**27  # that of the scheduler; beyond it all streams are alike


class SessionStream(NamedTuple):
    """A stream of a session, as `LinkScheduler.add_stream` takes it."""

    name: str
    priority: _Priority
    rate_kbps: int
    weight: int


def read_streams(answer: object) -> list[SessionStream]:
    """Read the streams, in the answer's order; `LinkScheduler.from_session` says what it raises."""
    entries = _member(answer, "answer", "streams")
    if not isinstance(entries, list):
        raise TypeError(f"answer.streams: expected a list, found {type(entries).__name__}")
    streams: dict[str, SessionStream] = {}
    for index, entry in enumerate(entries):
        place = f"answer.streams[{index}]"
        stream = _read_stream(entry, place)
        if stream.name in streams:
            raise LinkError(f"{place}.name", "a name that no other stream has", stream.name)
        streams[stream.name] = stream
    return list(streams.values())


def _read_stream(entry: object, place: str) -> SessionStream:
    name = _text(entry, place, "name")
    _check_unicode(name, f"{place}.name")
    rate_kbps = _integer(entry, place, "allocated_bandwidth_kbps", _MAX_KBPS)
    fec, fec_place = _member(entry, place, "fec"), f"{place}.fec"
    data_shards = _integer(fec, fec_place, "data_shards", _MAX_SHARDS)
    if data_shards == 0:
        raise LinkError(f"{fec_place}.data_shards", f"an integer from 1 to {_MAX_SHARDS}", "0")
    priority = _priority(entry, place)
    parity_shards = _integer(fec, fec_place, "parity_shards", _MAX_SHARDS)
    try:
        weight = wire_kbps(min(rate_kbps, _MAX_WEIGHT), data_shards, parity_shards)
    except PlannerError:
        raise LinkError(fec_place, "a code of 256 shards at most", f"{data_shards}+{parity_shards}") from None
    return SessionStream(name, priority, rate_kbps, min(max(weight, 1), _MAX_WEIGHT))


def _priority(entry: object, place: str) -> _Priority:
    # `GET /sessions/{id}` has what was requested of a stream in an object of its own.
    if isinstance(entry, Mapping) and "qos" in entry:
        entry, place = entry["qos"], f"{place}.qos"
    priority = _text(entry, place, "priority")
    if not _is_priority(priority):
        raise LinkError(f"{place}.priority", f"one of {', '.join(_PRIORITIES)}", repr(priority))
    return priority


def _is_priority(text: str) -> TypeGuard[_Priority]:
    return text in _PRIORITIES


def _member(parent: object, place: str, name: str) -> object:
    if not isinstance(parent, Mapping):
        raise TypeError(f"{place}: expected a JSON object, found {type(parent).__name__}")
    try:
        return parent[name]
    except KeyError:
        raise LinkError(f"{place}.{name}", "a value", "none") from None


def _text(parent: object, place: str, name: str) -> str:
    text = _member(parent, place, name)
    if not isinstance(text, str):
        raise TypeError(f"{place}.{name}: expected text, found {type(text).__name__}")
    return str.__str__(text)  # of a subclass, the text alone


def _check_unicode(text: str, place: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise LinkError(place, "valid Unicode", repr(text)) from None


def _integer(parent: object, place: str, name: str, maximum: int) -> int:
    value = _member(parent, place, name)
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{place}.{name}: expected an integer, found {type(value).__name__}")
    try:
        number = operator.index(value)
    except TypeError as error:
        raise TypeError(f"{place}.{name}: {error}") from None
    if not 0 <= number <= maximum:
        bits = maximum.bit_length()
        raise LinkError(f"{place}.{name}", f"an integer from 0 to 2^{bits} - 1", _shown(value))
    return number


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - Python refuses to write out the longest integers, and an object may raise anything
        return "a number too long to show"
