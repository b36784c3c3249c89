"""Reads a TOML file whose faults are all to be told, each with its place."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Faults", "Table", "read"]


class Faults:
    """What is wrong with a file, in the order it was found."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def add(self, place: str, message: str) -> None:
        """Note a fault."""
        self.found.append((place, message))


class Table:
    """A table of the file. A value that is wrong is noted, and stands for its default."""

    def __init__(self, values: Mapping[str, Any], place: str, faults: Faults) -> None:
        self._values = dict(values)
        self._place = place
        self._faults = faults

    def number(self, key: str, default: float | None, least: float, most: float) -> float:
        """A number within these bounds, which must be there if it has no default."""
        value = self._values.pop(key, default)
        if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
            return value
        self._wrong(key, f"a number from {least:g} to {most:g}", value)
        return least if default is None else default

    def integer(self, key: str, default: int | None, least: int, most: int) -> int:
        """The same, whole."""
        value = self._values.pop(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self._wrong(key, f"an integer from {least} to {most}", value)
        return least if default is None else default

    def text(self, key: str, default: str) -> str:
        """Text."""
        value = self._values.pop(key, default)
        if isinstance(value, str):
            return value
        self._wrong(key, "text", value)
        return default

    def word(self, key: str, words: tuple[str, ...]) -> str:
        """One of the words, which must be there."""
        value = self._values.pop(key, None)
        if value in words:
            return str(value)
        self._wrong(key, f"one of {', '.join(words)}", value)
        return words[0]

    def table(self, key: str) -> Table | None:
        """A table within, if it is there."""
        value = self._values.pop(key, None)
        if isinstance(value, dict):
            return Table(value, self.place(key), self._faults)
        if value is not None:
            self._wrong(key, "a table", value)
        return None

    def tables(self, key: str) -> Iterator[tuple[str, Table]]:
        """The tables within a table, by name."""
        within = self.table(key)
        if within is not None:
            for name, value in within.rest().items():
                if isinstance(value, dict):
                    yield name, Table(value, within.place(name), self._faults)
                else:
                    self._faults.add(within.place(name), f"expected a table, found {value!r}")

    def entries(self, key: str) -> Iterator[Table]:
        """The tables of an array."""
        value = self._values.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self._wrong(key, "an array of tables", value)
            return
        for number, each in enumerate(value):
            yield Table(each, f"{self.place(key)}[{number}]", self._faults)

    def take(self, key: str) -> object:
        """Whatever it is; None if it is not there."""
        return self._values.pop(key, None)

    def rest(self) -> dict[str, Any]:
        """What nobody has asked for, which is then taken."""
        rest, self._values = self._values, {}
        return rest

    def end(self) -> None:
        """Note what nobody has asked for as a fault."""
        for key in self.rest():
            self._faults.add(self.place(key), "there is no such setting")

    def place(self, key: str) -> str:
        """The place of a key in the file."""
        return f"{self._place}.{key}" if self._place else key

    def _wrong(self, key: str, expected: str, found: object) -> None:
        self._faults.add(self.place(key), f"expected {expected}, found {'none' if found is None else repr(found)}")


def read(path: Path, faults: Faults) -> Table:
    """The whole file; empty, with the fault noted, if it can't be read."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        faults.add("the file", f"expected TOML (or the name of a scenario that --list shows), found: {reason}")
        values = {}
    return Table(values, "", faults)
