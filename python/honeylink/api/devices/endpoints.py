"""`/devices`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from honeylink.api.devices.answers import DeviceAnswer, DevicePage, PairedDeviceAnswer, RegisteredDeviceAnswer
from honeylink.api.devices.requests import DeviceBody, PairingBody, RevocationBody
from honeylink.api.http.endpoint import Answer, Endpoint, Link
from honeylink.api.http.pages import PageQuery, answer_page
from honeylink.domain.devices import DeviceStatus

if TYPE_CHECKING:
    from honeylink.api.http.endpoint import Call


async def register_device(call: Call) -> Answer:
    """Register a device."""
    registered = await call.services.devices.register(call.caller, call.input.to_domain())
    location = f"{call.prefix}/devices/{registered.device_id}"
    return Answer(RegisteredDeviceAnswer.of(registered), {"location": location, "cache-control": "no-store"})


async def pair_device(call: Call) -> Answer:
    """Pair the caller's device."""
    device_id = call.path["device_id"]
    paired_at = await call.services.devices.pair(call.caller, device_id, call.input.pairing_code)
    return Answer(
        PairedDeviceAnswer(
            device_id=device_id,
            status=DeviceStatus.PAIRED,
            paired_at=paired_at,
            session_endpoint=call.settings.session_endpoint,
        )
    )


async def revoke_device(call: Call) -> Answer:
    """Revoke a device for good and end its sessions."""
    device = await call.services.devices.revoke(call.caller, call.path["device_id"], call.input.reason)
    return Answer(DeviceAnswer.model_validate(device))


async def get_device(call: Call) -> Answer:
    """Read a device."""
    return Answer(DeviceAnswer.model_validate(await call.services.devices.get(call.caller, call.path["device_id"])))


async def list_devices(call: Call) -> Answer:
    """List devices, newest first."""
    page = await call.services.devices.list(call.caller, call.input.cursor, call.input.limit)
    return await answer_page(page, DeviceAnswer.model_validate)


_GET = Link("get", "get_device", path=("device_id",))
_REVOKE = Link("revoke", "revoke_device", path=("device_id",))

ENDPOINTS = (
    Endpoint(
        "POST",
        "/devices",
        "Register a device",
        register_device,
        RegisteredDeviceAnswer,
        status=201,
        body=DeviceBody,
        errors=("ERR_STATE", "ERR_CONFLICT"),
        links=(
            _GET,
            Link(
                "pair",
                "pair_device",
                path=("device_id",),
                body=("pairing_code",),
                description="With the device's own token, the `device_token` of this answer.",
            ),
            _REVOKE,
        ),
    ),
    Endpoint("GET", "/devices", "List devices", list_devices, DevicePage, query=PageQuery),
    Endpoint("GET", "/devices/{device_id}", "Read a device", get_device, DeviceAnswer, errors=("ERR_NOT_FOUND",)),
    Endpoint(
        "POST",
        "/devices/{device_id}/pair",
        "Pair a device",
        pair_device,
        PairedDeviceAnswer,
        body=PairingBody,
        errors=("ERR_NOT_FOUND", "ERR_STATE"),
        links=(Link("open", "open_session", body=("device_id",)), _GET, _REVOKE),
    ),
    Endpoint(
        "POST",
        "/devices/{device_id}/revoke",
        "Revoke a device",
        revoke_device,
        DeviceAnswer,
        body=RevocationBody,
        errors=("ERR_NOT_FOUND",),
    ),
)
