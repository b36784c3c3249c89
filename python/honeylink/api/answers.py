"""What clients get. The same classes render and make the OpenAPI document."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from honeylink.api import examples
from honeylink.domain.admission import Charge, PoolLevel
from honeylink.domain.audit import Category, Outcome
from honeylink.domain.devices import DeviceStatus
from honeylink.domain.sessions import FecRule, Mode, Priority, SessionStatus

if TYPE_CHECKING:
    from honeylink.domain.admission import Pool
    from honeylink.domain.audit import AuditRecord
    from honeylink.domain.devices import Device
    from honeylink.domain.sessions import FecParameters, Session, Stream
    from honeylink.errors import BandwidthExceeded
    from honeylink.services.asking import OpenedSession
    from honeylink.services.devices import RegisteredDevice
    from honeylink.services.sessions import Preview


def _render_time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(_render_time), WithJsonSchema({"type": "string", "format": "date-time"})]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FecAnswer(_Answer):
    """Shards of one FEC group."""

    data_shards: int
    parity_shards: int

    @classmethod
    def of(cls, fec: FecParameters) -> Self:
        """As an answer shows it."""
        return cls(data_shards=fec.data_shards, parity_shards=fec.parity_shards)


class OpenedStreamAnswer(_Answer):
    """A stream of a session that has just been opened."""

    stream_id: UUID
    name: str
    mode: Mode
    priority: Priority
    allocated_bandwidth_kbps: int
    connection_id: str
    key_material: str = Field(description="32 bytes as base64url without padding; shown this once.", repr=False)
    fec: FecAnswer
    fec_rule: FecRule


class OpenedSessionAnswer(_Answer):
    """A session that has just been opened."""

    model_config = ConfigDict(json_schema_extra={"example": examples.OPENED_SESSION})

    session_id: UUID
    expires_at: Time
    session_endpoint: str
    streams: list[OpenedStreamAnswer]

    @classmethod
    def of(cls, opened: OpenedSession) -> Self:
        """As an answer shows it, keys and all."""
        return cls.model_validate(
            {
                "session_id": opened.session_id,
                "expires_at": opened.expires_at,
                "session_endpoint": opened.session_endpoint,
                "streams": [
                    {
                        "stream_id": stream.stream_id,
                        "name": stream.name,
                        "mode": stream.mode,
                        "priority": stream.priority,
                        "allocated_bandwidth_kbps": stream.bandwidth_kbps,
                        "connection_id": stream.connection_id,
                        "key_material": _base64url(key.reveal()),
                        "fec": {"data_shards": stream.fec.data_shards, "parity_shards": stream.fec.parity_shards},
                        "fec_rule": stream.fec_rule,
                    }
                    for stream, key in zip(opened.streams, opened.stream_keys, strict=True)
                ],
            }
        )


def _is_none(value: object) -> bool:
    return value is None


class QosAnswer(_Answer):
    """What a stream asked of the network, and what its FEC was planned for, if it was."""

    priority: Priority
    bandwidth_kbps: int
    min_bandwidth_kbps: int | None = Field(None, exclude_if=_is_none)
    loss_rate: float | None = Field(None, exclude_if=_is_none)
    loss_burst: float | None = Field(None, exclude_if=_is_none)
    recovery_target: float | None = Field(None, exclude_if=_is_none)

    @classmethod
    def of(cls, stream: Stream) -> Self:
        """As an answer shows it: what is not there was not asked for."""
        loss = stream.loss
        return cls(
            priority=stream.priority,
            bandwidth_kbps=stream.asked_bandwidth_kbps,
            min_bandwidth_kbps=stream.min_bandwidth_kbps,
            loss_rate=loss and loss.loss_rate,
            loss_burst=loss and loss.loss_burst,
            recovery_target=loss and loss.recovery_target,
        )


class StreamAnswer(_Answer):
    """A stream of a session."""

    stream_id: UUID
    name: str
    mode: Mode
    qos: QosAnswer
    allocated_bandwidth_kbps: int = Field(description="What it has now: less than it asked for if pools are short.")
    connection_id: str
    fec: FecAnswer
    fec_rule: FecRule


class SessionAnswer(_Answer):
    """A session, without its keys."""

    model_config = ConfigDict(json_schema_extra={"example": examples.SESSION})

    session_id: UUID
    device_id: str
    status: SessionStatus
    created_at: Time
    expires_at: Time
    ended_at: Time | None
    end_reason: str | None
    session_endpoint: str
    setup_priority: int
    hold_priority: int
    streams: list[StreamAnswer]

    @classmethod
    def of(cls, session: Session) -> Self:
        """As an answer shows it."""
        return cls(
            session_id=session.session_id,
            device_id=session.device_id,
            status=session.status,
            created_at=session.created_at,
            expires_at=session.expires_at,
            ended_at=session.ended_at,
            end_reason=session.end_reason,
            session_endpoint=session.session_endpoint,
            setup_priority=session.setup_priority,
            hold_priority=session.hold_priority,
            streams=[
                StreamAnswer(
                    stream_id=stream.stream_id,
                    name=stream.name,
                    mode=stream.mode,
                    qos=QosAnswer.of(stream),
                    allocated_bandwidth_kbps=stream.bandwidth_kbps,
                    connection_id=stream.connection_id,
                    fec=FecAnswer.of(stream.fec),
                    fec_rule=stream.fec_rule,
                )
                for stream in session.streams
            ],
        )


class OfferAnswer(_Answer):
    """What a stream could have."""

    name: str
    bandwidth_kbps: int


class RefusalAnswer(_Answer):
    """Why there is no room, and for what there would be."""

    message: str
    requested_kbps: int
    available_kbps: int
    limiting_pool: str
    admissible_kbps: int
    counter_offer: list[OfferAnswer] | None = Field(None, exclude_if=_is_none)
    free_at: Time | None = Field(None, exclude_if=_is_none)

    @classmethod
    def of(cls, refusal: BandwidthExceeded) -> Self:
        """As an answer shows it: what is not there is not known."""
        offer = refusal.counter_offer
        return cls(
            message=str(refusal),
            requested_kbps=refusal.requested_kbps,
            available_kbps=refusal.available_kbps,
            limiting_pool=refusal.limiting_pool,
            admissible_kbps=refusal.admissible_kbps,
            counter_offer=offer and [OfferAnswer(name=name, bandwidth_kbps=kbps) for name, kbps in offer.items()],
            free_at=refusal.free_at,
        )


class PreviewedStreamAnswer(_Answer):
    """A stream as it would be opened."""

    name: str
    mode: Mode
    priority: Priority
    allocated_bandwidth_kbps: int
    fec: FecAnswer
    fec_rule: FecRule


class HeadroomAnswer(_Answer):
    """What a pool would have left for sessions of the same device."""

    pool: str
    headroom_kbps: int | None = Field(
        description="Null for the node's pool, which all tenants share, unless it is what refuses the request."
    )


class VictimAnswer(_Answer):
    """A session that would have less, or nothing."""

    session_id: UUID | None = Field(description="Null where it is not for the caller to know.")
    device_id: str | None = Field(description="Likewise.")
    bandwidth_kbps: int
    left_kbps: int = Field(description="0: it would end.")


class PreviewAnswer(_Answer):
    """What would come of a request now."""

    model_config = ConfigDict(json_schema_extra={"example": examples.PREVIEW})

    verdict: Literal["admitted", "refused"]
    streams: list[PreviewedStreamAnswer]
    headroom: list[HeadroomAnswer] = Field(description="By pool, from the device's up.")
    victims: list[VictimAnswer]
    refusal: RefusalAnswer | None = Field(None, exclude_if=_is_none)

    @classmethod
    def of(cls, preview: Preview) -> Self:
        """As an answer shows it."""
        return cls(
            verdict="admitted" if preview.refusal is None else "refused",
            streams=[
                PreviewedStreamAnswer(
                    name=stream.name,
                    mode=stream.mode,
                    priority=stream.priority,
                    allocated_bandwidth_kbps=stream.bandwidth_kbps,
                    fec=FecAnswer.of(stream.fec),
                    fec_rule=stream.fec_rule,
                )
                for stream in preview.streams
            ],
            headroom=[
                HeadroomAnswer(pool=pool.name, headroom_kbps=kbps)
                for pool, kbps in zip(preview.path, preview.headroom_kbps, strict=True)
            ],
            victims=[
                VictimAnswer(
                    session_id=victim.session_id,
                    device_id=victim.device_id,
                    bandwidth_kbps=victim.bandwidth_kbps,
                    left_kbps=victim.left_kbps,
                )
                for victim in preview.victims
            ],
            refusal=None if preview.refusal is None else RefusalAnswer.of(preview.refusal),
        )


class SessionPage(_Answer):
    """Some sessions, newest first."""

    items: list[SessionAnswer]
    next_cursor: str | None


class RegisteredDeviceAnswer(_Answer):
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


class PairedDeviceAnswer(_Answer):
    """A device that has just been paired."""

    model_config = ConfigDict(json_schema_extra={"example": examples.PAIRED_DEVICE})

    device_id: str
    status: DeviceStatus
    paired_at: Time
    session_endpoint: str


class DeviceAnswer(_Answer):
    """A device."""

    model_config = ConfigDict(json_schema_extra={"example": examples.DEVICE})

    device_id: str
    status: DeviceStatus
    public_key: str
    firmware_version: str
    capabilities: list[str]
    metadata: dict[str, Any]
    registered_at: Time
    paired_at: Time | None
    pool_kbps: int

    @classmethod
    def of(cls, device: Device) -> Self:
        """As an answer shows it."""
        return cls(
            device_id=device.device_id,
            status=device.status,
            public_key=_base64url(device.public_key),
            firmware_version=device.firmware_version,
            capabilities=list(device.capabilities),
            metadata=dict(device.metadata),
            registered_at=device.registered_at,
            paired_at=device.paired_at,
            pool_kbps=device.pool_kbps,
        )


class DevicePage(_Answer):
    """Some devices, newest first."""

    items: list[DeviceAnswer]
    next_cursor: str | None


class PoolAnswer(_Answer):
    """A pool: what it is, and what of it is in use. Of the node's that is null: others use it too."""

    model_config = ConfigDict(json_schema_extra={"example": examples.POOL})

    pool: str = Field(description="As refusals name it: `level:id`.")
    level: Literal["device", "tenant", "node"]
    tenant_id: UUID | None = Field(None, exclude_if=_is_none, description="Of a tenant's pool: the tenant's id.")
    capacity_kbps: int
    charge: Charge
    guaranteed_kbps: int | None
    borrow_limit_kbps: int | None
    lend_limit_kbps: int | None
    preemption: bool
    min_hold_ms: int
    reserved_kbps: int | None = Field(description="What live sessions hold.")
    withheld_kbps: int | None = Field(description="What is kept free for pools inside it.")
    available_kbps: int | None = Field(description="What is left for anybody.")
    draining_kbps: int | None = Field(description="What has yet to end before anybody is let in.")

    @classmethod
    def of(cls, pool: Pool) -> Self:
        """As an answer shows it."""
        own = pool.level is not PoolLevel.NODE
        return cls(
            pool=pool.name,
            level=pool.level.label,
            tenant_id=pool.tenant_id if pool.level is PoolLevel.TENANT else None,
            capacity_kbps=pool.capacity_kbps,
            charge=pool.charge,
            guaranteed_kbps=pool.guaranteed_kbps,
            borrow_limit_kbps=pool.borrow_limit_kbps,
            lend_limit_kbps=pool.lend_limit_kbps,
            preemption=pool.preemption,
            min_hold_ms=pool.min_hold_ms,
            reserved_kbps=pool.reserved_kbps if own else None,
            withheld_kbps=pool.withheld_kbps if own else None,
            available_kbps=max(pool.ceiling_kbps - pool.committed_kbps, 0) if own else None,
            draining_kbps=pool.draining_kbps if own else None,
        )


class PoolPage(_Answer):
    """Some pools, newest first."""

    items: list[PoolAnswer]
    next_cursor: str | None


class AuditEventAnswer(_Answer):
    """An event of the audit trail."""

    model_config = ConfigDict(json_schema_extra={"example": examples.AUDIT_EVENT})

    event_id: UUID
    at: Time
    category: Category
    actor: str
    device_id: str | None
    outcome: Outcome
    details: dict[str, Any]
    trace_id: str

    @classmethod
    def of(cls, record: AuditRecord) -> Self:
        """As an answer shows it."""
        return cls(
            event_id=record.event_id,
            at=record.at,
            category=record.category,
            actor=record.actor,
            device_id=record.device_id,
            outcome=record.outcome,
            details=dict(record.details),
            trace_id=record.trace_id,
        )


class AuditPage(_Answer):
    """Some events, newest first."""

    items: list[AuditEventAnswer]
    next_cursor: str | None


class HealthAnswer(_Answer):
    """The process is alive."""

    status: Literal["ok"]


class ReadinessAnswer(_Answer):
    """Whether all that a request needs is there."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str]


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
