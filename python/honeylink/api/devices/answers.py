"""What clients get from `/devices`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import ConfigDict, Field

from honeylink.api.devices import examples
from honeylink.api.http.models import AnswerModel
from honeylink.api.http.values import Base64Url, Time
from honeylink.domain.devices import DeviceStatus

if TYPE_CHECKING:
    from honeylink.services.devices import RegisteredDevice


class RegisteredDeviceAnswer(AnswerModel):
    """A device that has just been registered."""

    model_config = ConfigDict(json_schema_extra={"example": examples.REGISTERED_DEVICE})

    device_id: str
    status: DeviceStatus
    device_token: str = Field(description="The device's bearer token; shown this once.", repr=False)
    pairing_code: str = Field(description="Shown this once; good for five tries.", repr=False)
    registered_at: Time
    pairing_expires_at: Time

    @classmethod
    def of(cls, registered: RegisteredDevice) -> Self:
        """As an answer shows it, token and code and all."""
        return cls(
            device_id=registered.device_id,
            status=DeviceStatus.PENDING,
            device_token=registered.device_token.encode(),
            pairing_code=registered.pairing_code,
            registered_at=registered.registered_at,
            pairing_expires_at=registered.pairing_expires_at,
        )


class PairedDeviceAnswer(AnswerModel):
    """A device that has just been paired."""

    model_config = ConfigDict(json_schema_extra={"example": examples.PAIRED_DEVICE})

    device_id: str
    status: DeviceStatus
    paired_at: Time
    session_endpoint: str


class DeviceAnswer(AnswerModel):
    """A device."""

    model_config = ConfigDict(json_schema_extra={"example": examples.DEVICE})

    device_id: str
    status: DeviceStatus
    public_key: Base64Url
    firmware_version: str
    capabilities: list[str]
    metadata: dict[str, Any]
    registered_at: Time
    paired_at: Time | None
    pool_kbps: int


class DevicePage(AnswerModel):
    """Some devices, newest first."""

    items: list[DeviceAnswer]
    next_cursor: str | None
