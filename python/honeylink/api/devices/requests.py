"""What clients send to `/devices`."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field

from honeylink.api.devices import examples
from honeylink.api.http.models import BodyModel
from honeylink.api.http.values import KEY_MAX_LENGTH, SEMVER_PATTERN, DeviceId, Kbps, Metadata, Name, PublicKey, Reason
from honeylink.domain.devices import METADATA_MAX_BYTES, DeviceRegistration
from honeylink.domain.text import TEXT_PATTERN

if TYPE_CHECKING:
    from honeylink.settings import Settings

_TEXT = {"type": "string", "pattern": TEXT_PATTERN}
_KEY = {**_TEXT, "maxLength": KEY_MAX_LENGTH}
_METADATA_REFERENCE = {"$ref": "#/components/schemas/Metadata"}
_METADATA_MEMBERS = {"propertyNames": _KEY, "additionalProperties": _METADATA_REFERENCE}
_METADATA = {
    "description": "Any JSON, to a depth of 16 levels in all.",
    "anyOf": [
        {"type": ["null", "boolean", "number"]},
        _TEXT,
        {"type": "array", "items": _METADATA_REFERENCE},
        {"type": "object", **_METADATA_MEMBERS},
    ],
}


class DeviceBody(BodyModel):
    """A device to register."""

    model_config = ConfigDict(json_schema_extra={"example": examples.DEVICE_BODY})

    device_id: DeviceId
    public_key: PublicKey = Field(description="X25519, 32 bytes as base64url without padding.")
    firmware_version: str = Field(max_length=64, pattern=SEMVER_PATTERN, description="Semantic version 2.0.0.")
    capabilities: list[Name] = Field([], max_length=64)
    metadata: Metadata = Field(
        {},
        description=f"Whatever the owner wants to keep with the device: at most {METADATA_MAX_BYTES} bytes of JSON, in "
        "which numbers are 64-bit floats or whole, and count as written out (`1e308` as 309 digits).",
    )
    pool_kbps: Kbps | None = Field(None, description="Capacity of the device's pool; left out: the service's default.")

    @classmethod
    def complete_schemas(cls, schemas: dict[str, Any], settings: Settings) -> None:
        """Name the settings' default, and what metadata may hold: that refers to itself."""
        fields = schemas["DeviceBody"]["properties"]
        fields["pool_kbps"]["default"] = settings.device_pool_kbps
        fields["metadata"] |= _METADATA_MEMBERS
        schemas["Metadata"] = _METADATA

    def to_domain(self) -> DeviceRegistration:
        """The registration."""
        public_key = base64.urlsafe_b64decode(self.public_key + "=")
        return DeviceRegistration(
            **dict(self) | {"public_key": public_key, "capabilities": tuple(self.capabilities)},
        )


class PairingBody(BodyModel):
    """The code that a registration gave."""

    model_config = ConfigDict(json_schema_extra={"example": {"pairing_code": "K7QM-2XWD-94TB"}})

    pairing_code: Name = Field(description="Read in any case, hyphens or not.", repr=False)


class RevocationBody(BodyModel):
    """Why a device is revoked."""

    model_config = ConfigDict(json_schema_extra={"example": {"reason": "lost in the field"}})

    reason: Reason
