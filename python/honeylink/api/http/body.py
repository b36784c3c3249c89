"""Reading what a client sends as JSON: bounded in size, time and depth, and said exactly once.

The standard library parses; the hooks and the inspection below refuse what JSON allows but a record should not hold:
duplicate keys, numbers without a value, text with control characters. RFC 8259 leaves all of these open.

Whatever the bytes are, the work for each of them is bounded, and so is the answer: a body that is too deep or holds too
many values is refused before its schema is looked at, and of many faults the first hundred are listed.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import ValidationError

from honeylink.api.http.models import RequestModel
from honeylink.api.http.values import KEY_MAX_LENGTH, PATH_PATTERNS, SEMVER_PATTERN, RoundedNumber, shorten
from honeylink.domain.devices import DEVICE_ID_PATTERN
from honeylink.domain.text import NAME_PATTERN, unfit_for_name, unfit_for_text
from honeylink.errors import NotFound, TooLarge, TooSlow, ValidationFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails
    from starlette.types import Receive, Scope

    from honeylink.settings import Settings

    Path = tuple[int | str, ...]

DEPTH_MAX = 16
VALUES_MAX = 4096
"""Members of all arrays and objects of a body. The largest that can be right, 255 streams, has some 2,600."""
FAULTS_MAX = 100
_FAULTS_MAX_LETTERS = 20_000  # of pointers and messages, which the answer has thrice
PARAMETERS_MAX = 16

M = TypeVar("M", bound=RequestModel)


async def read_body(scope: Scope, receive: Receive, settings: Settings) -> bytes:
    """The request's body.

    Raises:
        TooLarge: it is longer than `max_body_bytes`.
        TooSlow: it took longer than `body_timeout_seconds`.
        ValidationFailed: it is encoded, of another type, or ends too early.
    """
    headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))  # the first of a name counts
    media_type = headers.get(b"content-type", b"application/json")
    if media_type != b"application/json":
        _check_media_type(media_type.decode("latin-1"))
    if b"content-encoding" in headers:
        _check_content_codings([value for name, value in scope["headers"] if name == b"content-encoding"])
    if int(headers.get(b"content-length", b"0")) > settings.max_body_bytes:  # the server refuses what is no number
        raise TooLarge("body", settings.max_body_bytes)
    if scope.get("state", {}).get("has_whole_body", _never)():
        return await _receive(receive, settings.max_body_bytes)
    try:
        async with asyncio.timeout(settings.body_timeout_seconds):
            return await _receive(receive, settings.max_body_bytes)
    except TimeoutError:
        raise TooSlow("body", settings.body_timeout_seconds) from None


def _never() -> bool:
    return False


def _check_media_type(media_type: str) -> None:
    if media_type.partition(";")[0].strip().lower() != "application/json":
        found = media_type.partition(";")[0].strip().lower()[:80]
        raise ValidationFailed([("", f"expected Content-Type: application/json, found {found!r}")])


def _check_content_codings(fields: list[bytes]) -> None:
    codings = b",".join(fields).decode("latin-1")
    if not {each.strip().lower() for each in codings.split(",")} <= {"", "identity"}:
        raise ValidationFailed([("", f"expected a body without Content-Encoding, found {codings[:80]!r}")])


async def _receive(receive: Receive, max_bytes: int) -> bytes:
    parts: list[bytes] = []
    received_bytes = 0
    more_body = True
    while more_body:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ValidationFailed([("", "expected a whole body, found its end too early")])
        parts.append(message.get("body", b""))
        received_bytes += len(parts[-1])
        if received_bytes > max_bytes:
            raise TooLarge("body", max_bytes)
        more_body = message.get("more_body", False)
    return b"".join(parts)


def parse_body(raw: bytes, settings: Settings, model: type[M]) -> M:
    """The bytes of a body as `model`.

    Raises:
        ValidationFailed: it is no JSON, is too deep or has too many values; or it does not fit, and then every fault is
            listed, up to `FAULTS_MAX`.
    """
    value = _parse(raw)
    faults = _Faults(value, model)
    inspection = _Inspection(faults)
    inspection.look_at(value, ())
    if inspection.too_deep:
        raise faults.failure()
    return _validate(model, value, settings, faults)


def read_query(scope: Scope, settings: Settings, model: type[M]) -> M:
    """The request's query as `model`.

    Raises:
        ValidationFailed: there are too many parameters; or one is unknown, given twice or does not fit, and then every
            fault is listed.
    """
    query: bytes = scope["query_string"]
    if query.count(b"&") >= PARAMETERS_MAX:
        raise ValidationFailed([("", f"expected at most {PARAMETERS_MAX} parameters, found more")])
    given: dict[str, str] = {}
    faults = _Faults(given, model)
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        fault = _key_fault(name)
        if fault is not None:
            faults.add("", fault)
            continue
        if name in given:
            faults.add(_pointer(name), "expected it once")
        unfit = unfit_for_name(value)
        if unfit is not None:
            faults.add(_pointer(name), f"expected text without control or format characters, found {unfit}")
        given[name] = value
    return _validate(model, given, settings, faults)


def check_path(parameters: Mapping[str, str]) -> dict[str, str]:
    """The path's parameters, each of which may be an id of its kind.

    Raises:
        ValidationFailed: one has characters that no id and no name has.
        NotFound: one is not of the form that all of its kind have.
    """
    for parameter, value in parameters.items():
        unfit = unfit_for_name(value)
        if unfit is not None:
            message = f"{parameter}: expected text without control or format characters, found {unfit}"
            raise ValidationFailed([("", message)])
        if re.fullmatch(PATH_PATTERNS[parameter], value) is None:
            raise NotFound(parameter.removesuffix("_id"), value[:64])
    return dict(parameters)


class _Duplicated(dict[str, Any]):
    """An object in which a key stands twice; `keys_twice` says which."""

    keys_twice: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    times = Counter(name for name, _ in pairs)
    duplicated = _Duplicated(value)
    duplicated.keys_twice = tuple(name for name, count in times.items() if count > 1)
    return duplicated


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=RoundedNumber.parse)


def _parse(raw: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return _decoder.decode(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        message = f"expected UTF-8, found byte 0x{raw[error.start]:02x} at offset {error.start}"
    except json.JSONDecodeError as error:
        message = f"expected JSON: {error.msg} at line {error.lineno} column {error.colno}"
    except RecursionError:
        message = f"expected at most {DEPTH_MAX} levels of nesting"
    except ValueError:  # more digits than Python converts
        message = "expected numbers of a sane length"
    raise ValidationFailed([("", message)])


class _Faults:
    """What is wrong with a value, by JSON pointers: the first fault of each place, said with its place."""

    def __init__(self, value: object, model: type[RequestModel]) -> None:
        self._value = value
        self._model = model
        self._messages: dict[str, str] = {}
        self._letters = 0

    def __bool__(self) -> bool:
        return bool(self._messages)

    def add(self, pointer: str, message: str) -> None:
        """Note a fault.

        Raises:
            ValidationFailed: it is one more than are listed.
        """
        if pointer in self._messages:
            return
        if len(self._messages) == FAULTS_MAX or self._letters > _FAULTS_MAX_LETTERS:
            listed = list(self._messages.items())[: FAULTS_MAX - 1]
            raise ValidationFailed([*listed, ("", "there are more faults than are listed here; fix these first")])
        self._messages[pointer] = self.placed(pointer, message)
        self._letters += len(pointer) + len(self._messages[pointer])

    def placed(self, pointer: str, message: str) -> str:
        """A fault that says where it is, as people read it."""
        place = self._model.place_of(pointer.split("/")[1:], self._value)
        return f"{place}: {message}" if place else message

    def failure(self) -> ValidationFailed:
        """The error that lists them."""
        return ValidationFailed(list(self._messages.items()))


class _Inspection:
    """Looks for what is wrong with JSON whatever its schema."""

    def __init__(self, faults: _Faults) -> None:
        self._faults = faults
        self._values = 0
        self.too_deep = False

    def look_at(self, value: object, path: Path) -> None:
        """Note the faults of a value and of all in it.

        Raises:
            ValidationFailed: it has too many values, which is then the only fault; or there are too many faults.
        """
        if isinstance(value, str):
            unfit = unfit_for_text(value)
            if unfit is not None:
                self._faults.add(_pointer(*path), f"expected text without control characters, found {unfit}")
        elif isinstance(value, float):
            if not math.isfinite(value):
                self._faults.add(_pointer(*path), "expected a finite number")
        elif isinstance(value, (dict, list)):
            self._values += len(value)
            if self._values > VALUES_MAX:
                message = f"expected at most {VALUES_MAX} values in a body, found more"
                pointer = _pointer(*path)
                raise ValidationFailed([(pointer, self._faults.placed(pointer, message))])
            if len(path) < DEPTH_MAX:
                self._look_at_members(value, path)
            else:
                self.too_deep = True
                self._faults.add(_pointer(*path), f"expected at most {DEPTH_MAX} levels of nesting")

    def _look_at_members(self, value: dict[str, Any] | list[Any], path: Path) -> None:
        for step, member in enumerate(value) if isinstance(value, list) else value.items():
            if isinstance(step, str) and (fault := _key_fault(step)) is not None:
                self._faults.add(_pointer(*path), fault)
            elif not (isinstance(member, str) and member.isprintable()) and member is not None:
                self.look_at(member, (*path, step))
        if isinstance(value, _Duplicated):
            for name in value.keys_twice:
                if _key_fault(name) is None:
                    self._faults.add(_pointer(*path, name), "expected each key once")


def _key_fault(name: str) -> str | None:
    """What is wrong with a key; if anything is, it is no step of a pointer."""
    if len(name) > KEY_MAX_LENGTH:
        return f"expected keys of at most {KEY_MAX_LENGTH} characters, found {shorten(name)}"
    unfit = unfit_for_text(name)
    return None if unfit is None else f"expected keys without control characters, found {unfit}"


def _validate(model: type[M], value: object, settings: Settings, faults: _Faults) -> M:
    """`value` as `model`, or all that is wrong with it: the `faults` found before and those of the model."""
    valid = None
    try:
        valid = model.model_validate(value)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            if not any(isinstance(step, str) and _key_fault(step) for step in fault["loc"]):
                faults.add(_pointer(*fault["loc"]), _message(fault))
    for pointer, message in model.cross_faults(value, settings):
        faults.add(pointer, message)
    if valid is None or faults:
        raise faults.failure()
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
    DEVICE_ID_PATTERN: "expected 4 to 64 letters, digits, dots, hyphens or underscores, the first a letter or digit",
    SEMVER_PATTERN: "expected a semantic version such as 1.4.0-rc.1",
    NAME_PATTERN: "expected text without control or format characters",
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


def _pointer(*steps: int | str) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
