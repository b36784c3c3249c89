"""The answer of an opened session is written out; it is, byte by byte, what its model would be rendered as."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from honeylink.api.sessions.answers import FecAnswer, OpenedSessionAnswer, OpenedStreamAnswer
from honeylink.domain.sessions import ExpectedLoss, FecParameters, Mode, Priority, Stream
from honeylink.keys.secret import Secret
from honeylink.services.pending import OpenedSession

TEXTS = st.text(st.characters(codec="utf-8"), max_size=64)
ZONES = st.integers(-14 * 60 + 1, 14 * 60 - 1).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(timezones=ZONES | st.just(UTC)).filter(lambda time: 1 < time.year < 9999)
STREAMS = st.builds(
    Stream,
    stream_id=st.uuids(),
    name=TEXTS,
    mode=st.sampled_from(Mode),
    priority=st.sampled_from(Priority),
    bandwidth_kbps=st.integers(0, 10**9),
    asked_bandwidth_kbps=st.integers(0, 10**9),
    min_bandwidth_kbps=st.none() | st.integers(1, 10**9),
    connection_id=st.integers(1, 255).map(lambda number: f"conn-{number:03d}") | TEXTS,
    fec=st.builds(FecParameters, st.integers(1, 256), st.integers(0, 255)),
    loss=st.none() | st.just(ExpectedLoss(0.1)),
)


@st.composite
def opened_sessions(draw: st.DrawFn) -> OpenedSession:
    streams = draw(st.lists(STREAMS, max_size=4))
    keys = [Secret(draw(st.binary(min_size=32, max_size=32))) for _ in streams]
    return OpenedSession(draw(st.uuids()), draw(TIMES), draw(TIMES), draw(TEXTS), tuple(streams), tuple(keys))


def by_model(opened: OpenedSession) -> bytes:
    answer = OpenedSessionAnswer(
        session_id=opened.session_id,
        expires_at=opened.expires_at,
        session_endpoint=opened.session_endpoint,
        streams=[
            OpenedStreamAnswer(
                stream_id=stream.stream_id,
                name=stream.name,
                mode=stream.mode,
                priority=stream.priority,
                allocated_bandwidth_kbps=stream.bandwidth_kbps,
                connection_id=stream.connection_id,
                key_material=base64.urlsafe_b64encode(key.reveal()).decode().rstrip("="),
                fec=FecAnswer.model_validate(stream.fec),
                fec_rule=stream.fec_rule,
            )
            for stream, key in zip(opened.streams, opened.stream_keys, strict=True)
        ],
    )
    return answer.model_dump_json().encode()


@given(opened_sessions())
def test_it_is_what_the_model_is_rendered_as(opened: OpenedSession) -> None:
    assert OpenedSessionAnswer.render(opened) == by_model(opened)


def test_every_character_that_json_escapes() -> None:
    text = "".join(map(chr, range(0x20))) + '"\\/\x7f\x80\u2028\U0001f41d'
    now = datetime(2026, 1, 2, tzinfo=UTC)
    opened = OpenedSession(UUID(int=1), now, now, text, (), ())
    assert OpenedSessionAnswer.render(opened) == by_model(opened)
