"""What the document can't tell Schemathesis: which token an operation takes, and what is there already.

Schemathesis loads this file by itself, as its configuration says; see `test_schemathesis`.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from zlib import crc32

import schemathesis
from hypothesis import strategies as st

from honeylink.errors import PlanParameterError, PlanUnreachable
from honeylink.fec import plan

if TYPE_CHECKING:
    from schemathesis import AuthContext, Case, HookContext, Response

OPERATOR, AUDITOR, ADMIN = (os.environ[f"TOKEN_{role}"] for role in ("OPERATOR", "AUDITOR", "ADMIN"))
PAIRED_DEVICE_ID = os.environ["PAIRED_DEVICE_ID"]
PAIRING_CODES: dict[str, str] = {}
DEVICE_TOKENS = {PAIRED_DEVICE_ID: os.environ["TOKEN_DEVICE"]}

# A cursor is opaque: none can be made up that the service would take.
schemathesis.openapi.format("cursor", st.just(os.environ["CURSOR"]))


@schemathesis.auth(refresh_interval=None)
class TokenByOperation:
    """An operator's token, but where the operation is for another role."""

    def get(self, case: Case[Any], context: AuthContext) -> str:
        match context.operation.label:
            case "GET /audit/events":
                return AUDITOR
            case "PUT /tenants/{tenant}/pool":
                return ADMIN
            case "POST /devices/{device_id}/pair":
                return DEVICE_TOKENS.get(str(case.path_parameters.get("device_id")), OPERATOR)
            case _:
                return OPERATOR

    def set(self, case: Case[Any], data: str, context: AuthContext) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def after_call(context: HookContext, case: Case[Any], response: Response) -> None:
    """Keep what registrations give for pairing these devices."""
    if case.operation.label == "POST /devices" and response.status_code == 201:
        answer: dict[str, Any] = response.json()
        DEVICE_TOKENS[answer["device_id"]] = answer["device_token"]
        PAIRING_CODES[answer["device_id"]] = answer["pairing_code"]


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Fix what is to be a good body: a made-up code is good for a 403 only, and not all bodies pass `filter_body`."""
    is_good = case.meta is not None and case.meta.generation.mode.is_positive
    if is_good and case.operation.label == "GET /pools" and case.query:
        case.query.pop("cursor", None)  # one of another list is refused
    if is_good and case.operation.label == "POST /devices/{device_id}/pair":
        code = PAIRING_CODES.get(str(case.path_parameters.get("device_id")))
        case.body = case.body if code is None else {"pairing_code": code}
    body: Any = case.body
    match body:
        case {"streams": list(streams)} if is_good:
            if not has_its_hold(body):
                body = {**body, "hold_priority": body["setup_priority"]}
            fixed = [with_its_minimum(fixed_stream(stream)) for stream in streams]
            case.body = {**body, "streams": with_names_of_their_own(fixed)}


@schemathesis.hook
def map_body(context: HookContext, body: Any) -> Any:
    """Open sessions for a device that is there and paired, or most requests would end in a 404.

    And register new devices: the id of the document's example can't be registered again once it has been revoked.
    """
    match body:
        case {"device_id": "device-12345", "public_key": _}:
            return {**body, "device_id": f"device-{crc32(repr(body).encode()):08x}"}
        case {"device_id": str(device_id), "streams": _} if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{3,63}", device_id):
            return {**body, "device_id": PAIRED_DEVICE_ID}
    return body


@schemathesis.hook
def map_path_parameters(context: HookContext, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Name the one tenant that the tokens belong to."""
    return {"tenant": "acme"} if path_parameters and "tenant" in path_parameters else path_parameters


@schemathesis.hook
def filter_body(context: HookContext, body: Any) -> bool:
    """Leave out what JSON Schema can't describe: one name twice, a bound above the other, loss beyond any parity."""
    match body:
        case {"streams": list(streams)}:
            names = [repr(stream.get("name")) for stream in streams if isinstance(stream, dict)]
            good = all(can_be_planned(stream) and has_its_minimum(stream) for stream in streams)
            return len(set(names)) == len(names) and good and has_its_hold(body)
    return True


def has_its_hold(body: Any) -> bool:
    match body:
        case {"setup_priority": float() | int() as setup, "hold_priority": float() | int() as hold}:
            return setup <= hold
    return True


def has_its_minimum(stream: Any) -> bool:
    match stream:
        case {"qos": {"bandwidth_kbps": float() | int() as asked, "min_bandwidth_kbps": float() | int() as least}}:
            return least <= asked
    return True


def with_its_minimum(stream: Any) -> Any:
    if has_its_minimum(stream):
        return stream
    return {**stream, "qos": {**stream["qos"], "bandwidth_kbps": stream["qos"]["min_bandwidth_kbps"]}}


def can_be_planned(stream: Any) -> bool:
    match stream:
        case {"qos": {"loss_rate": float() | int() as rate} as qos}:
            target = qos.get("recovery_target")
            try:
                plan(rate, 0.999 if target is None else target, burst=qos.get("loss_burst"))
            except PlanUnreachable:
                return False
            except PlanParameterError as error:
                return error.field != "burst"
            except TypeError:
                pass  # a fault that the schema does describe
    return True


def fixed_stream(stream: Any) -> Any:
    """The stream without a loss that no parity makes up for."""
    return stream if can_be_planned(stream) else {**stream, "qos": {**stream["qos"], "loss_rate": 0}}


def with_names_of_their_own(streams: list[Any]) -> list[Any]:
    """The streams, those of equal names renamed."""
    names = [stream["name"] for stream in streams]
    if len(set(names)) == len(names):
        return streams
    return [{**stream, "name": f"stream-{number}"} for number, stream in enumerate(streams)]


@schemathesis.hook
def filter_path_parameters(context: HookContext, path_parameters: dict[str, Any] | None) -> bool:
    """Leave the paired device alone, so that it isn't revoked before a session has been opened."""
    return path_parameters is None or path_parameters.get("device_id") != PAIRED_DEVICE_ID
