"""What a stream is sent: when, and how many bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from honeylink.cli.link.toml import Table

__all__ = ["Traffic"]

_KINDS = ("constant", "poisson", "video")
_RATE_MOST_KBPS = 1_000_000_000
_SECOND_NS = 1_000_000_000
_KEYFRAMES_EVERY = 30
_KEYFRAME_SIZE = 4  # of the others': what encoders give for a camera that hardly moves


@dataclass(frozen=True)
class Traffic:
    """Packets at a rate, between two times.

    `constant`: one packet after the other at even distance. `poisson`: at random distances. `video`: frames, the
    packets of one all at once, every thirtieth frame four times as large as the others; for `on_seconds`, and then none
    for `off_seconds`. The rate is that while it sends.
    """

    kind: str
    rate_kbps: float
    packet_bytes: int
    from_seconds: float
    until_seconds: float
    frames_per_second: float
    on_seconds: float
    off_seconds: float

    @classmethod
    def of(cls, table: Table) -> Traffic:
        """Read it, with faults noted."""
        kind = table.word("kind", _KINDS)
        from_seconds = table.number("from_seconds", 0, 0, 3600)
        traffic = cls(
            kind=kind,
            rate_kbps=table.number("rate_kbps", None, 0.001, _RATE_MOST_KBPS),
            packet_bytes=table.integer("packet_bytes", 1200, 1, 65_535),
            from_seconds=from_seconds,
            until_seconds=table.number("until_seconds", 3600, from_seconds, 3600),
            frames_per_second=table.number("frames_per_second", 30, 0.1, 1000) if kind == "video" else 0,
            on_seconds=table.number("on_seconds", 3600, 0.001, 3600) if kind == "video" else 0,
            off_seconds=table.number("off_seconds", 0, 0, 3600) if kind == "video" else 0,
        )
        table.end()
        return traffic

    @property
    def packets_per_second(self) -> float:
        """On average, or a little more."""
        return self.rate_kbps * 1000 / 8 / self.packet_bytes + self.frames_per_second

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
