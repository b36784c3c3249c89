"""Reading what a client sends as JSON: bounded in size, time and depth, and said exactly once.

The standard library parses; the hooks and the walk below refuse what JSON allows but a record should not hold:
duplicate keys, numbers without a value, text with control characters. RFC 8259 leaves all of these open.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from honeylink.api.requests import DEVICE_ID, PRINTABLE, SEMVER, RequestModel, shorten
from honeylink.errors import TooLarge, TooSlow, ValidationFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails
    from starlette.requests import Request

    from honeylink.settings import Settings

__all__ = ["check_path", "read_body", "read_query"]

_MAX_DEPTH = 16
# Control characters, DEL and C1 controls, and lone surrogates, which no UTF-8 can carry.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

M = TypeVar("M", bound=RequestModel)


async def read_body(request: Request, settings: Settings, model: type[M]) -> M:
    """The request's body as `model`.

    Raises:
        TooLarge: it is longer than `max_body_bytes`.
        TooSlow: it took longer than `body_timeout_seconds`.
        ValidationFailed: it is no JSON, or does not fit; lists every fault.
    """
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ValidationFailed([("", f"expected Content-Type: application/json, found {media_type[:80]!r}")])
    try:
        async with asyncio.timeout(settings.body_timeout_seconds):
            raw = await _read(request, settings.max_body_bytes)
    except TimeoutError:
        raise TooSlow("body", settings.body_timeout_seconds) from None
    value = _parse(raw)
    faults: dict[str, str] = {}
    _walk(value, (), faults)
    return _validate(model, value, settings, faults)


def read_query(request: Request, settings: Settings, model: type[M]) -> M:
    """The request's query as `model`.

    Raises:
        ValidationFailed: a parameter is unknown, given twice or does not fit; lists every fault.
    """
    pairs = request.query_params.multi_items()
    names = [name for name, _ in pairs]
    faults = {_pointer(name): "expected it once" for name in names if names.count(name) > 1}
    for name, value in pairs:
        if _UNPRINTABLE.search(name + value):
            faults["" if _UNPRINTABLE.search(name) else _pointer(name)] = "expected text without control characters"
    return _validate(model, dict(pairs), settings, faults)


def check_path(parameters: Mapping[str, str]) -> dict[str, str]:
    """The path's parameters, which are free text until something is looked up by them.

    Raises:
        ValidationFailed: one has control characters.
    """
    for name, value in parameters.items():
        if _UNPRINTABLE.search(value):
            raise ValidationFailed([("", f"{name}: expected text without control characters")])
    return dict(parameters)


async def _read(request: Request, max_bytes: int) -> bytes:
    length = request.headers.get("content-length", "0")
    if int(length) > max_bytes:  # the server has refused a length that is no number
        raise TooLarge("body", max_bytes)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise TooLarge("body", max_bytes)
    except ClientDisconnect:
        raise ValidationFailed([("", "expected a whole body, found its end too early")]) from None
    return bytes(body)


class _Duplicated(dict[str, Any]):
    """An object in which a key stands twice; `keys_twice` says which."""

    keys_twice: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    duplicated = _Duplicated(value)
    names = [name for name, _ in pairs]
    duplicated.keys_twice = tuple(name for name in value if names.count(name) > 1)
    return duplicated


def _parse(raw: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        message = f"expected UTF-8, found byte 0x{raw[error.start]:02x} at offset {error.start}"
    except json.JSONDecodeError as error:
        message = f"expected JSON: {error.msg} at line {error.lineno} column {error.colno}"
    except RecursionError:
        message = f"expected at most {_MAX_DEPTH} levels of nesting"
    except ValueError:  # more digits than Python converts
        message = "expected numbers of a sane length"
    raise ValidationFailed([("", message)])


def _walk(value: Any, path: tuple[int | str, ...], faults: dict[str, str]) -> None:  # noqa: ANN401 - any JSON
    """Add to `faults` what is wrong with a JSON value whatever its schema, each with its pointer."""
    if isinstance(value, str):
        if _UNPRINTABLE.search(value):
            faults[_pointer(*path)] = "expected text without control characters"
    elif isinstance(value, float):
        if not math.isfinite(value):
            faults[_pointer(*path)] = "expected a finite number"
    elif isinstance(value, dict | list) and len(path) >= _MAX_DEPTH:
        faults[_pointer(*path)] = f"expected at most {_MAX_DEPTH} levels of nesting"
    elif isinstance(value, dict):
        if isinstance(value, _Duplicated):
            faults.update({_pointer(*path, name): "expected each key once" for name in value.keys_twice})
        for name, member in value.items():
            if _UNPRINTABLE.search(name):
                faults[_pointer(*path)] = "expected keys without control characters"
            else:
                _walk(member, (*path, name), faults)
    elif isinstance(value, list):
        for position, member in enumerate(value):
            _walk(member, (*path, position), faults)


def _validate(model: type[M], value: object, settings: Settings, faults: dict[str, str]) -> M:
    """`value` as `model`, or all that is wrong with it: the `faults` found before and those of the model."""
    valid = None
    try:
        valid = model.model_validate(value)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            pointer = _pointer(*fault["loc"])
            if not _UNPRINTABLE.search(pointer):
                faults.setdefault(pointer, _message(fault))
    for pointer, message in model.cross_faults(value, settings):
        faults.setdefault(pointer, message)
    if valid is None or faults:
        raise ValidationFailed([(pointer, _where(value, pointer) + message) for pointer, message in faults.items()])
    return valid


# Pydantic's faults in our words, by their type; the others read well once "Input should be" is "expected".
_WORDS = {
    "extra_forbidden": "expected no field of this name",
    "missing": "expected this field, found none",
    "model_type": "expected an object",
    "dict_type": "expected an object",
    "list_type": "expected an array",
    "string_type": "expected text",
    "int_type": "expected a whole number",
    "too_short": "expected at least {min_length} of them, found {actual_length}",
    "too_long": "expected at most {max_length} of them, found {actual_length}",
    "string_too_short": "expected at least {min_length} characters",
    "string_too_long": "expected at most {max_length} characters",
}
_WORDS_OF_PATTERNS = {
    DEVICE_ID: "expected 4 to 64 letters, digits, dots, hyphens or underscores, the first a letter or digit",
    SEMVER: "expected a semantic version such as 1.4.0-rc.1",
    PRINTABLE: "expected text without control characters",
}
# Nothing of them is shown, for what they hold may be a secret, if only by mistake.
_NOT_SHOWN = {"pairing_code", "public_key"}


def _message(fault: ErrorDetails) -> str:
    context = fault.get("ctx", {})
    words = _WORDS.get(fault["type"]) or _WORDS_OF_PATTERNS.get(context.get("pattern", ""))
    if words is not None:
        message = words.format_map(context)
    else:
        message = fault["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    is_told = fault["type"] in {"value_error", "extra_forbidden"} or "found" in message
    return message if is_told or _NOT_SHOWN & {*fault["loc"]} else f"{message}, found {shorten(fault['input'])}"


def _where(value: object, pointer: str) -> str:
    """A fault's place as people read it: the name of its stream, and the field."""
    match pointer.split("/")[1:], value:
        case [], _:
            return ""
        case ["streams", position, *steps], {"streams": list(streams)}:
            field = f", {steps[-1]}" if steps else ""
            return f"stream {_stream_name(streams, int(position))}{field}: "
        case [*_, field], _:
            return f"{field}: "
    return ""


def _stream_name(streams: list[object], position: int) -> str:
    match streams[position]:
        case {"name": str(name)} if not _UNPRINTABLE.search(name):
            return repr(name[:64])
    return f"#{position + 1}"


def _pointer(*steps: int | str) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
