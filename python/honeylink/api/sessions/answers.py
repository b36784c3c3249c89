"""What clients get from `/sessions`."""

from __future__ import annotations

from json.encoder import encode_basestring as _quoted
from typing import TYPE_CHECKING, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field

from honeylink.api.http.models import AnswerModel, is_none
from honeylink.api.http.problems import RefusalAnswer
from honeylink.api.http.values import Time, base64url, render_time
from honeylink.api.sessions import examples
from honeylink.domain.sessions import FecRule, Mode, Priority, SessionStatus

if TYPE_CHECKING:
    from honeylink.domain.sessions import Session, Stream
    from honeylink.services.pending import OpenedSession
    from honeylink.services.sessions import Preview


class FecAnswer(AnswerModel):
    """Shards of one FEC group."""

    data_shards: int
    parity_shards: int


class OpenedStreamAnswer(AnswerModel):
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


class OpenedSessionAnswer(AnswerModel):
    """A session that has just been opened."""

    model_config = ConfigDict(json_schema_extra={"example": examples.OPENED_SESSION})

    session_id: UUID
    expires_at: Time
    session_endpoint: str
    streams: list[OpenedStreamAnswer]

    @staticmethod
    def render(opened: OpenedSession) -> bytes:
        """As JSON, keys and all; written out, since the model takes three times as long to have the same result."""
        streams = ",".join(
            f'{{"stream_id":"{stream.stream_id}","name":{_quoted(stream.name)},"mode":"{stream.mode}",'
            f'"priority":"{stream.priority}","allocated_bandwidth_kbps":{stream.bandwidth_kbps},'
            f'"connection_id":{_quoted(stream.connection_id)},"key_material":"{base64url(key.reveal())}",'
            f'"fec":{{"data_shards":{stream.fec.data_shards},"parity_shards":{stream.fec.parity_shards}}},'
            f'"fec_rule":"{stream.fec_rule}"}}'
            for stream, key in zip(opened.streams, opened.stream_keys, strict=True)
        )
        return (
            f'{{"session_id":"{opened.session_id}","expires_at":"{render_time(opened.expires_at)}",'
            f'"session_endpoint":{_quoted(opened.session_endpoint)},"streams":[{streams}]}}'
        ).encode()


class QosAnswer(AnswerModel):
    """What a stream asked of the network, and what its FEC was planned for, if it was."""

    priority: Priority
    bandwidth_kbps: int
    min_bandwidth_kbps: int | None = Field(None, exclude_if=is_none)
    loss_rate: float | None = Field(None, exclude_if=is_none)
    loss_burst: float | None = Field(None, exclude_if=is_none)
    recovery_target: float | None = Field(None, exclude_if=is_none)

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


class StreamAnswer(AnswerModel):
    """A stream of a session."""

    stream_id: UUID
    name: str
    mode: Mode
    qos: QosAnswer
    allocated_bandwidth_kbps: int = Field(description="What it has now: less than it asked for if pools are short.")
    connection_id: str
    fec: FecAnswer
    fec_rule: FecRule


class SessionAnswer(AnswerModel):
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
                    fec=FecAnswer.model_validate(stream.fec),
                    fec_rule=stream.fec_rule,
                )
                for stream in session.streams
            ],
        )


class SessionPage(AnswerModel):
    """Some sessions, newest first."""

    items: list[SessionAnswer]
    next_cursor: str | None


class PreviewedStreamAnswer(AnswerModel):
    """A stream as it would be opened."""

    name: str
    mode: Mode
    priority: Priority
    allocated_bandwidth_kbps: int
    fec: FecAnswer
    fec_rule: FecRule


class HeadroomAnswer(AnswerModel):
    """What a pool would have left for sessions of the same device."""

    pool: str
    headroom_kbps: int | None = Field(
        description="Null for the node's pool, which all tenants share, unless it is what refuses the request."
    )


class VictimAnswer(AnswerModel):
    """A session that would have less, or nothing."""

    session_id: UUID | None = Field(description="Null where it is not for the caller to know.")
    device_id: str | None = Field(description="Likewise.")
    bandwidth_kbps: int
    left_kbps: int = Field(description="0: it would end.")


class PreviewAnswer(AnswerModel):
    """What would come of a request now."""

    model_config = ConfigDict(json_schema_extra={"example": examples.PREVIEW})

    verdict: Literal["admitted", "refused"]
    streams: list[PreviewedStreamAnswer]
    headroom: list[HeadroomAnswer] = Field(description="By pool, from the device's up.")
    victims: list[VictimAnswer]
    refusal: RefusalAnswer | None = Field(None, exclude_if=is_none)

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
                    fec=FecAnswer.model_validate(stream.fec),
                    fec_rule=stream.fec_rule,
                )
                for stream in preview.streams
            ],
            headroom=[
                HeadroomAnswer(pool=pool.name, headroom_kbps=kbps)
                for pool, kbps in zip(preview.path, preview.headroom_kbps, strict=True)
            ],
            victims=[VictimAnswer.model_validate(victim) for victim in preview.victims],
            refusal=None if preview.refusal is None else RefusalAnswer.of(preview.refusal),
        )
