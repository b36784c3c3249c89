"""What text and names may hold, and how a UUID is written."""

from __future__ import annotations

import re
import sys
import unicodedata
from uuid import UUID

import pytest

from honeylink.domain.text import NAME_PATTERN, TEXT_PATTERN, parse_uuid, unfit_for_name, unfit_for_text

CHARACTERS = [chr(code_point) for code_point in range(sys.maxunicode + 1)]
SEPARATORS = {"Zl", "Zp"}


@pytest.mark.parametrize(
    ("categories", "unfit"), [({"Cc", "Cs"}, unfit_for_text), ({"Cc", "Cs", "Cf", *SEPARATORS}, unfit_for_name)]
)
def test_every_character_of_a_refused_category_is_unfit(categories: set[str], unfit: object) -> None:
    assert callable(unfit)
    found = {character for character in CHARACTERS if unfit(f"a{character}b") is not None}
    refused = {character for character in CHARACTERS if unicodedata.category(character) in categories}
    assert refused <= found
    # Those listed beyond are what a newer Unicode has in these categories, or may yet have in their ranges.
    assert {unicodedata.category(character) for character in found - refused} <= {"Cn"}
    assert len(found - refused) < 10


def test_bidirectional_and_invisible_characters_are_unfit_for_names() -> None:
    bidirectional = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    invisible = "\u00ad\u200b\u200c\u200d\u2060\ufeff\U000e0041"
    for character in bidirectional + invisible:
        assert unfit_for_name(f"camera{character}") == f"U+{ord(character):04X}"
        assert unfit_for_text(f"camera{character}") is None


@pytest.mark.parametrize("text", ["", "camera 1", "Kamera-Süd", "مخيم", "摄像机", "🐝", "❤\ufe0f", "a\u00a0b"])
def test_what_people_write_is_fit(text: str) -> None:
    assert unfit_for_name(text) is None
    assert unfit_for_text(text) is None


@pytest.mark.parametrize(("pattern", "unfit"), [(TEXT_PATTERN, unfit_for_text), (NAME_PATTERN, unfit_for_name)])
def test_the_patterns_say_the_same(pattern: str, unfit: object) -> None:
    assert callable(unfit)
    for character in CHARACTERS:
        if not 0xD800 <= ord(character) <= 0xDFFF:  # which no JSON text holds
            assert (re.fullmatch(pattern, character) is None) == (unfit(character) is not None), hex(ord(character))


def test_a_uuid_has_one_form() -> None:
    value = UUID("01999e2c-6a00-7000-8000-00000000abcd")
    assert parse_uuid(str(value)) == value
    for text in (
        str(value).upper(),
        value.hex,
        value.urn,
        f"{{{value}}}",
        f" {value}",
        f"{value}\n",
        str(value).replace("-", ""),
        str(value).replace("0", "\u0660"),
        "",
        "9" * 5000,
    ):
        with pytest.raises(ValueError, match="expected a UUID in lower case with hyphens"):
            parse_uuid(text)
