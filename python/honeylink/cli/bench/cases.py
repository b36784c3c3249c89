"""What is measured: an operation of a code on shards of a length."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from honeylink.errors import HoneyLinkError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class CodecFailed(HoneyLinkError):
    """A codec that raised, gave wrong bytes, or took its process with it: its speed would mean nothing."""


class Operation(StrEnum):
    """What a codec does."""

    ENCODE = "encode"
    RECONSTRUCT = "reconstruct"


@dataclass(frozen=True)
class Case:
    """One group of k + m shards of n bytes, and what is done with it."""

    operation: Operation
    data_shards: int
    parity_shards: int
    shard_bytes: int

    def __str__(self) -> str:
        return f"{self.operation} {self.code}, {self.shard_bytes} B"

    @property
    def code(self) -> str:
        """The code's name, as `10+2`."""
        return f"{self.data_shards}+{self.parity_shards}"

    @property
    def data_bytes(self) -> int:
        """What all speeds refer to: the data shards. Parity comes on top."""
        return self.data_shards * self.shard_bytes

    @property
    def lost_shards(self) -> int:
        """How many data shards, the first ones, get lost to be reconstructed: as many as the parity can replace."""
        return min(self.data_shards, self.parity_shards)

    def data(self) -> NDArray[np.uint8]:
        """uint8[k, n], the same in every process."""
        shape = (self.data_shards, self.shard_bytes)
        return np.random.default_rng(shape).integers(0, 256, shape, dtype=np.uint8)


@dataclass(frozen=True)
class Codec:
    """One that is measured: ours on one engine, or a peer.

    Attributes:
        package: the distribution that brings it.
        version: that of the distribution.
        engine: ours on which engine; None for peers.
    """

    package: str
    version: str
    engine: str | None = None

    @property
    def label(self) -> str:
        """How tables and charts call it."""
        return f"{self.package} {self.engine or self.version}"
