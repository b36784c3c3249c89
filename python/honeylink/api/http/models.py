"""What the models of all rooms have in common. The same classes validate or render, and make the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from honeylink.api.http.values import show_field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from honeylink.settings import Settings

Fault = tuple[str, str]
"""A JSON pointer, and what is wrong there."""


class RequestModel(BaseModel):
    """A body or a query."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def cross_faults(cls, value: object, settings: Settings) -> Iterator[Fault]:
        """What is wrong between fields or by the settings; `value` may have other faults too."""
        del value, settings
        yield from ()

    @classmethod
    def place_of(cls, steps: list[str], value: object) -> str:
        """A fault's place in `value` as people read it, by the steps of its pointer; nothing for the whole."""
        del value
        return show_field(steps[-1]) if steps else ""

    @classmethod
    def complete_schemas(cls, schemas: dict[str, Any], settings: Settings) -> None:
        """Add to the OpenAPI document's schemas what only the settings tell, or what pydantic can't."""


class BodyModel(RequestModel):
    """A body. JSON has types, so nothing is converted."""

    model_config = ConfigDict(strict=True)


class AnswerModel(BaseModel):
    """An answer, or a part of one. It can be read off what has attributes of the same names."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)


def is_none(value: object) -> bool:
    """For members that are left out of an answer where there is nothing to tell."""
    return value is None
