"""What a stream is sent: when, and how many bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SECOND_NS = 1_000_000_000
_KEYFRAMES_EVERY = 30
_KEYFRAME_SIZE = 4  # of the others': what encoders give for a camera that hardly moves


class Table(BaseModel):
    """A table of a scenario's file: nothing is converted, and there is nothing that it does not name."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Traffic(Table):
    """Packets at a rate, between two times.

    `constant`: one packet after the other at even distance. `poisson`: at random distances. `video`: frames, the
    packets of one all at once, every thirtieth frame four times as large as the others; for `on_seconds`, and then none
    for `off_seconds`. The rate is that while it sends.
    """

    kind: Literal["constant", "poisson", "video"]
    rate_kbps: float = Field(ge=0.001, le=1_000_000_000)
    packet_bytes: int = Field(1200, ge=1, le=65_535)
    from_seconds: float = Field(0, ge=0, le=3600)
    until_seconds: float = Field(3600, le=3600)
    frames_per_second: float = Field(30, ge=0.1, le=1000)
    on_seconds: float = Field(3600, ge=0.001, le=3600)
    off_seconds: float = Field(0, ge=0, le=3600)

    @field_validator("until_seconds")
    @classmethod
    def _is_later(cls, until_seconds: float, others: ValidationInfo) -> float:
        from_seconds = others.data.get("from_seconds", 0)
        if until_seconds < from_seconds:
            raise ValueError(f"expected {from_seconds:g} or more")
        return until_seconds

    @field_validator("frames_per_second", "on_seconds", "off_seconds")
    @classmethod
    def _is_video(cls, setting: float, others: ValidationInfo) -> float:
        if others.data.get("kind", "video") != "video":
            raise ValueError("expected it of video alone")
        return setting

    @property
    def packets_per_second(self) -> float:
        """On average, or a little more."""
        frames_per_second = self.frames_per_second if self.kind == "video" else 0
        return self.rate_kbps * 1000 / 8 / self.packet_bytes + frames_per_second

    def packets(self, duration_ns: int, random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Times in ns, in order, and sizes in bytes, up to the scenario's end."""
        start_ns = round(self.from_seconds * _SECOND_NS)
        end_ns = min(duration_ns, round(self.until_seconds * _SECOND_NS))
        if self.kind == "video":
            return self._frames(start_ns, end_ns)
        step_ns = self.packet_bytes * 8 * 1_000_000 / self.rate_kbps
        count = max(0, int((end_ns - start_ns) / step_ns) + 1)
        if self.kind == "constant":
            steps = np.arange(count) * step_ns
        else:
            # Enough of them that they reach the end but for once in a million million times.
            steps = np.cumsum(random.exponential(step_ns, count + int(7 * count**0.5) + 50))
        times_ns = start_ns + steps.astype(np.int64)
        times_ns = times_ns[times_ns < end_ns]
        return times_ns, np.full(len(times_ns), self.packet_bytes, dtype=np.uint32)

    def _frames(self, start_ns: int, end_ns: int) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """A frame's packets are full but for the last one."""
        frames = np.arange(max(0, int((end_ns - start_ns) / _SECOND_NS * self.frames_per_second) + 1))
        times_ns = start_ns + (frames * (_SECOND_NS / self.frames_per_second)).astype(np.int64)
        within_seconds = (times_ns - start_ns) / _SECOND_NS % (self.on_seconds + self.off_seconds)
        is_sent = (within_seconds < self.on_seconds) & (times_ns < end_ns)
        mean_bytes = self.rate_kbps * 1000 / 8 / self.frames_per_second
        small_bytes = mean_bytes * _KEYFRAMES_EVERY / (_KEYFRAMES_EVERY - 1 + _KEYFRAME_SIZE)
        frame_bytes = np.where(frames % _KEYFRAMES_EVERY == 0, _KEYFRAME_SIZE, 1) * small_bytes
        whole_bytes: NDArray[np.int64] = np.maximum(1, frame_bytes[is_sent].astype(np.int64))
        counts: NDArray[np.int64] = (whole_bytes + self.packet_bytes - 1) // self.packet_bytes
        sizes = np.full(counts.sum(), self.packet_bytes, dtype=np.uint32)
        sizes[np.cumsum(counts) - 1] = whole_bytes - (counts - 1) * self.packet_bytes
        return np.repeat(times_ns[is_sent], counts), sizes
