"""A scenario: a link, the streams of a session with their traffic, what the link loses, and what changes meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from honeylink.cli.link import toml
from honeylink.cli.link.toml import Faults, Table
from honeylink.cli.link.traffic import Traffic
from honeylink.errors import HoneyLinkError, LinkError
from honeylink.scheduler import LinkScheduler

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["SHIPPED", "Change", "Loss", "Scenario", "ScenarioError", "Stream", "load"]

SHIPPED: Final = {path.stem: path for path in sorted((Path(__file__).parent / "scenarios").glob("*.toml"))}
"""Those that come with the package, by name."""

_DURATION_MOST_SECONDS = 3600
_PACKETS_MOST = 5_000_000  # some hundred bytes of memory each
_RATE_MOST_KBPS = 1_000_000_000
_SECOND_NS = 1_000_000_000


class ScenarioError(HoneyLinkError):
    """A scenario that can't be simulated.

    Attributes:
        faults: pairs of a place in the file and what is wrong there.
    """

    def __init__(self, path: Path, faults: list[tuple[str, str]]) -> None:
        super().__init__("\n".join([f"{path} can't be simulated:", *(f"  {place}: {what}" for place, what in faults)]))
        self.faults = faults


@dataclass(frozen=True)
class Stream:
    """A stream, what sends on it, and the shards of a group if its packets have parity."""

    name: str
    parent: str | None
    settings: Mapping[str, Any]
    traffic: Sequence[Traffic]
    fec: tuple[int, int] | None


@dataclass(frozen=True)
class Loss:
    """How the link loses packets, after E. N. Gilbert, 1960: a rate, and how many in a row on average."""

    loss: float
    burst: float


@dataclass(frozen=True)
class Change:
    """Other settings of a class, of a stream or of the link, from a time on."""

    place: str
    at_ns: int
    of: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Scenario:
    """All of it. The settings are those of `LinkScheduler`, which has taken each of them."""

    title: str
    duration_ns: int
    seed: int
    link: Mapping[str, Any]
    classes: Mapping[str, tuple[str | None, Mapping[str, Any]]]
    streams: Sequence[Stream]
    loss: Loss | None
    changes: Sequence[Change]

    def build(self) -> tuple[LinkScheduler, dict[str, int]]:
        """The link at its start, and the handles in it by name; the link itself is `link`."""
        return self._build(Faults())

    def _build(self, faults: Faults) -> tuple[LinkScheduler, dict[str, int]]:
        link, handles = LinkScheduler(_RATE_MOST_KBPS), {}
        with _Noted(faults, "link"):
            link = LinkScheduler(**self.link)
        handles["link"] = link.root
        for name, (parent, settings) in self.classes.items():
            with _Noted(faults, f"classes.{name}"):
                handles[name] = link.add_class(handles.get(parent or "link", link.root), **settings)
        for stream in self.streams:
            with _Noted(faults, f"streams.{stream.name}"):
                handles[stream.name] = link.add_stream(
                    handles.get(stream.parent or "link", link.root), **stream.settings
                )
        return link, handles

    def check(self, faults: Faults) -> None:
        """Note what the scheduler refuses: at the start, and of each change."""
        link, handles = self._build(faults)
        for change in self.changes:
            if change.of in handles:
                with _Noted(faults, change.place):
                    link.reconfigure(handles[change.of], change.at_ns, **change.settings)


class _Noted:
    """Notes what the scheduler refuses within."""

    def __init__(self, faults: Faults, place: str) -> None:
        self._faults = faults
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        match error:
            case LinkError():
                self._faults.add(f"{self._place}.{error.field}", f"expected {error.expected}, found {error.found}")
            case TypeError():
                field, _, what = str(error).partition(": ")
                self._faults.add(f"{self._place}.{field}", what)
        return isinstance(error, LinkError | TypeError)


def load(name: str) -> Scenario:
    """The scenario that ships under that name, or that of a file.

    Raises:
        ScenarioError: Something is wrong with it; all faults are told.
    """
    path = SHIPPED.get(name, Path(name))
    faults = Faults()
    file = toml.read(path, faults)
    if not faults.found:
        scenario = _scenario(file, faults)
        scenario.check(faults)
    if faults.found:
        raise ScenarioError(path, faults.found)
    return scenario


def _scenario(file: Table, faults: Faults) -> Scenario:
    duration_seconds = file.number("duration_seconds", None, 0.001, _DURATION_MOST_SECONDS)
    last_seconds = _DURATION_MOST_SECONDS if faults.found else duration_seconds
    link = file.table("link")
    settings: dict[str, Any] = link.rest() if link else {}
    if "rate_kbps" not in settings:
        faults.add("link.rate_kbps", "expected an integer, found none")
        settings["rate_kbps"] = _RATE_MOST_KBPS
    classes: dict[str, tuple[str | None, Mapping[str, Any]]] = {}
    for name, table in file.tables("classes"):
        parent = _parent(table, {"link", *classes}, faults)
        _no_handles(table, faults)
        classes[name] = (parent, table.rest())
    streams = [_stream(name, table, set(classes), faults) for name, table in file.tables("streams")]
    if not streams:
        faults.add("streams", "expected one or more, found none")
    names = {"link", *classes, *(stream.name for stream in streams)}
    if len(names) != 1 + len(classes) + len(streams):
        faults.add("streams", "expected names that no class has, and other ones than link")
    _check_packets(streams, duration_seconds, settings.get("mtu_bytes", 1514), faults)
    changes = sorted((_change(table, names, last_seconds, faults) for table in file.entries("changes")), key=_when)
    scenario = Scenario(
        title=file.text("title", "A link"),
        duration_ns=round(duration_seconds * _SECOND_NS),
        seed=file.integer("seed", 1, 0, 2**32),
        link=settings,
        classes=classes,
        streams=streams,
        loss=_loss(file.table("loss")),
        changes=changes,
    )
    file.end()
    return scenario


def _when(change: Change) -> int:
    return change.at_ns


def _no_handles(table: Table, faults: Faults) -> None:
    """Handles and times are the scheduler's arguments too, but no settings."""
    for key in ("cls", "handle", "now_ns", "parent"):
        if table.take(key) is not None:
            faults.add(
                table.place(key), "there is no such setting; class names the class that it is in, of what changes"
            )


def _parent(table: Table, known: set[str], faults: Faults) -> str | None:
    parent = table.text("class", "")
    if parent and parent not in known:
        faults.add(table.place("class"), f"expected a class that stands above, found {parent!r}")
    return parent or None


def _stream(name: str, table: Table, classes: set[str], faults: Faults) -> Stream:
    parent = _parent(table, classes, faults)
    traffic = [Traffic.of(each) for each in table.entries("traffic")]
    if not traffic:
        faults.add(table.place("traffic"), "expected one or more, found none")
    fec = None
    if (shards := table.table("fec")) is not None:
        data_shards = shards.integer("data_shards", None, 1, 255)
        fec = (data_shards, shards.integer("parity_shards", None, 1, 256 - data_shards))
        shards.end()
    _no_handles(table, faults)
    return Stream(name, parent, table.rest(), traffic, fec)


def _loss(table: Table | None) -> Loss | None:
    if table is None:
        return None
    loss = table.number("loss", None, 0, 0.99)
    alone = 1 / (1 - loss)  # in a row, if each packet is lost by itself
    burst = table.number("burst", alone, max(1, loss / (1 - loss)), 1e6)
    table.end()
    return Loss(loss, burst)


def _change(table: Table, names: set[str], last_seconds: float, faults: Faults) -> Change:
    at_seconds = table.number("at_seconds", None, 0, last_seconds)
    of = table.text("of", "link")
    _no_handles(table, faults)
    if of not in names:
        faults.add(table.place("of"), f"expected link, or the name of a class or a stream, found {of!r}")
    settings = table.rest()
    if not settings:
        faults.add(table.place("rate_kbps"), "expected a setting to change, found none")
    return Change(table.place("").rstrip("."), round(at_seconds * _SECOND_NS), of, settings)


def _check_packets(streams: Sequence[Stream], duration_seconds: float, mtu_bytes: object, faults: Faults) -> None:
    """That there are not too many, and that the link takes them."""
    packets = 0.0
    for stream in streams:
        for number, traffic in enumerate(stream.traffic):
            place = f"streams.{stream.name}.traffic[{number}]"
            packets += traffic.packets_per_second * duration_seconds
            if isinstance(mtu_bytes, int) and traffic.packet_bytes > mtu_bytes:
                message = f"expected at most the link's mtu_bytes, {mtu_bytes}, found {traffic.packet_bytes}"
                faults.add(f"{place}.packet_bytes", message)
    if packets > _PACKETS_MOST:
        faults.add("streams", f"expected about {_PACKETS_MOST:,} packets in all at most, found {packets:,.0f}")
