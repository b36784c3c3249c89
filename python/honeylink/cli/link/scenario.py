"""A scenario: a link, the streams of a session with their traffic, what the link loses, and what changes meanwhile.

pydantic checks the file, and the scheduler its own settings, which are handed to it as they stand.
"""

from __future__ import annotations

import tomllib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from honeylink.cli.link.traffic import Table, Traffic
from honeylink.errors import HoneyLinkError, LinkError
from honeylink.scheduler import LinkScheduler

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic_core import ErrorDetails

SHIPPED: Final = {path.stem: path for path in sorted((Path(__file__).parent / "scenarios").glob("*.toml"))}
"""Those that come with the package, by name."""

_DURATION_MOST_SECONDS = 3600
_PACKETS_MOST = 5_000_000  # some hundred bytes of memory each
_RATE_MOST_KBPS = 1_000_000_000
_SECOND_NS = 1_000_000_000
# Arguments of the scheduler's calls that are handles and times, and no settings.
_NO_SETTINGS = {"cls", "handle", "now_ns", "parent"}
# Pydantic's faults in our words, by their type; the others read well once "Input should be" is "expected".
_WORDS = {
    "missing": "expected a value, found none",
    "extra_forbidden": "there is no such setting",
    "dict_type": "expected a table",
    "model_type": "expected a table",
    "list_type": "expected an array of tables",
    "too_short": "expected one or more, found none",
    "greater_than_equal": "expected {ge} or more",
    "less_than_equal": "expected {le} or less",
}

_Fault = tuple[str, str]


class ScenarioError(HoneyLinkError):
    """A scenario that can't be simulated.

    Attributes:
        faults: pairs of a place in the file and what is wrong there.
    """

    def __init__(self, path: Path, faults: list[tuple[str, str]]) -> None:
        super().__init__("\n".join([f"{path} can't be simulated:", *(f"  {place}: {what}" for place, what in faults)]))
        self.faults = faults


class _Settings(Table):
    """What is not named below it is a setting of `LinkScheduler`."""

    model_config = ConfigDict(extra="allow")

    @property
    def settings(self) -> dict[str, Any]:
        """By the scheduler's names."""
        return self.model_extra or {}


class Class(_Settings):
    """A class, and the one that it is in; `link` if it names none."""

    parent_name: str = Field("link", alias="class")


class Parity(Table):
    """The shards of a group."""

    data_shards: int = Field(ge=1, le=255)
    parity_shards: int = Field(ge=1, le=255)

    @field_validator("parity_shards")
    @classmethod
    def _fits(cls, parity_shards: int, others: ValidationInfo) -> int:
        most = 256 - others.data.get("data_shards", 1)
        if parity_shards > most:
            raise ValueError(f"expected {most} or less")
        return parity_shards


class Stream(Class):
    """A stream, what sends on it, and the shards of a group if its packets have parity."""

    traffic: list[Traffic] = Field(min_length=1)
    fec: Parity | None = None


class Loss(Table):
    """How the link loses packets, after E. N. Gilbert, 1960: a rate, and how many in a row on average."""

    loss: float = Field(ge=0, le=0.99)
    burst: float | None = Field(None, le=1e6)

    @field_validator("burst")
    @classmethod
    def _is_possible(cls, burst: float, others: ValidationInfo) -> float:
        loss = others.data.get("loss", 0)
        least = max(1, loss / (1 - loss))
        if burst < least:
            raise ValueError(f"expected {least:g} or more")
        return burst

    @property
    def mean_burst(self) -> float:
        """Packets in a row; if the file does not say, as many as when each is lost by itself."""
        return 1 / (1 - self.loss) if self.burst is None else self.burst


class Change(_Settings):
    """Other settings of a class, of a stream or of the link, from a time on."""

    at_seconds: float = Field(ge=0, le=_DURATION_MOST_SECONDS)
    of: str = "link"

    @property
    def at_ns(self) -> int:
        """The time on the scenario's clock."""
        return round(self.at_seconds * _SECOND_NS)


class Scenario(Table):
    """All of it."""

    title: str = "A link"
    duration_seconds: float = Field(ge=0.001, le=_DURATION_MOST_SECONDS)
    seed: int = Field(1, ge=0, le=2**32)
    link: dict[str, Any] = Field({})
    classes: dict[str, Class] = Field({})
    streams: dict[str, Stream] = Field(min_length=1)
    loss: Loss | None = None
    changes: list[Change] = Field([])

    @property
    def duration_ns(self) -> int:
        """How long it lasts."""
        return round(self.duration_seconds * _SECOND_NS)

    @property
    def changes_by_time(self) -> list[Change]:
        """Those of one time in the file's order."""
        return sorted(self.changes, key=lambda change: change.at_ns)

    def build(self) -> tuple[LinkScheduler, dict[str, int]]:
        """The link at its start, and the handles in it by name; the link itself is `link`."""
        return self._build([])

    def _build(self, faults: list[_Fault]) -> tuple[LinkScheduler, dict[str, int]]:
        link = LinkScheduler(_RATE_MOST_KBPS)
        with _noted(faults, "link", self.link):
            link = LinkScheduler(**self.link)
        handles = {"link": link.root}
        for name, each in self.classes.items():
            with _noted(faults, f"classes.{name}", each.settings):
                handles[name] = link.add_class(handles.get(each.parent_name, link.root), **each.settings)
        for name, stream in self.streams.items():
            with _noted(faults, f"streams.{name}", stream.settings):
                handles[name] = link.add_stream(handles.get(stream.parent_name, link.root), **stream.settings)
        return link, handles

    def faults(self) -> list[_Fault]:
        """What does not fit together, and what the scheduler refuses: at the start, and of each change."""
        faults = [*self._names(), *self._packets()]
        if "rate_kbps" not in self.link:
            faults.append(("link.rate_kbps", "expected an integer, found none"))
            return faults
        link, handles = self._build(faults)
        for number, change in sorted(enumerate(self.changes), key=lambda numbered: numbered[1].at_ns):
            place = f"changes[{number}]"
            if change.at_ns > self.duration_ns:
                message = f"expected {self.duration_seconds:g} or less, found {change.at_seconds:g}"
                faults.append((f"{place}.at_seconds", message))
            elif not change.settings:
                faults.append((f"{place}.rate_kbps", "expected a setting to change, found none"))
            elif change.of in handles:
                with _noted(faults, place, change.settings):
                    link.reconfigure(handles[change.of], change.at_ns, **change.settings)
        return faults

    def _names(self) -> Iterator[_Fault]:
        known = {"link"}
        for name, each in self.classes.items():
            if each.parent_name not in known:
                yield f"classes.{name}.class", f"expected a class that stands above, found {each.parent_name!r}"
            known.add(name)
        for name, stream in self.streams.items():
            if stream.parent_name not in known:
                yield f"streams.{name}.class", f"expected a class, found {stream.parent_name!r}"
        if "link" in self.classes or known & self.streams.keys():
            yield "streams", "expected names that no class has, and other ones than link"
        for number, change in enumerate(self.changes):
            if change.of not in known | self.streams.keys():
                expected = "expected link, or the name of a class or a stream"
                yield f"changes[{number}].of", f"{expected}, found {change.of!r}"

    def _packets(self) -> Iterator[_Fault]:
        """That there are not too many, and that the link takes them."""
        packets = 0.0
        mtu_bytes = self.link.get("mtu_bytes", 1514)
        for name, stream in self.streams.items():
            for number, traffic in enumerate(stream.traffic):
                packets += traffic.packets_per_second * self.duration_seconds
                if isinstance(mtu_bytes, int) and traffic.packet_bytes > mtu_bytes:
                    message = f"expected at most the link's mtu_bytes, {mtu_bytes}, found {traffic.packet_bytes}"
                    yield f"streams.{name}.traffic[{number}].packet_bytes", message
        if packets > _PACKETS_MOST:
            yield "streams", f"expected about {_PACKETS_MOST:,} packets in all at most, found {packets:,.0f}"


def load(name: str) -> Scenario:
    """The scenario that ships under that name, or that of a file.

    Raises:
        ScenarioError: Something is wrong with it. All faults of its form are told, or, if there are none, all that does
            not fit together.
    """
    path = SHIPPED.get(name, Path(name))
    try:
        scenario = Scenario.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ScenarioError(path, [_told(fault) for fault in error.errors()]) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        expected = "expected TOML (or the name of a scenario that --list shows)"
        raise ScenarioError(path, [("the file", f"{expected}, found: {reason}")]) from None
    if faults := scenario.faults():
        raise ScenarioError(path, faults)
    return scenario


def _told(fault: ErrorDetails) -> _Fault:
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in fault["loc"]).removeprefix(".")
    if words := _WORDS.get(fault["type"]):
        message = words.format_map(fault.get("ctx", {}))
    else:
        message = fault["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    is_whole = fault["type"] in ("missing", "extra_forbidden", "too_short")
    return place, message if is_whole else f"{message}, found {fault['input']!r}"


@contextmanager
def _noted(faults: list[_Fault], place: str, settings: Mapping[str, Any]) -> Iterator[None]:
    """Notes what is no setting, and what the scheduler refuses within."""
    none = sorted(_NO_SETTINGS & settings.keys())
    message = "there is no such setting; class names the class that it is in, of what changes"
    faults += [(f"{place}.{name}", message) for name in none]
    try:
        yield
    except LinkError as error:
        faults.append((f"{place}.{error.field}", f"expected {error.expected}, found {error.found}"))
    except TypeError as error:
        field, _, what = str(error).partition(": ")
        if not none:  # else it is about these
            faults.append((f"{place}.{field}", what))
