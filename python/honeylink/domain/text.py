"""Which text is taken, and what a name may be made of.

Two rules, each in this one place. *No text at all* holds control characters or lone surrogates: PostgreSQL takes no
NUL, no UTF-8 carries a surrogate, and the rest only moves a terminal's cursor. *A name*, and any text that is shown to
people next to others, holds no format characters or line separators either: invisible ones make two names look alike,
and bidirectional ones make a line of a log read as another (Unicode Technical Report 36).

The characters are listed rather than asked of `unicodedata`, so that every Python and the OpenAPI document agree.
"""

from __future__ import annotations

import re
from uuid import UUID

_Ranges = tuple[tuple[int, int], ...]

# General categories Cc, and Cf with Zl and Zp, as of Unicode 16.
_CONTROL: _Ranges = ((0x00, 0x1F), (0x7F, 0x9F))
_FORMAT: _Ranges = (
    (0x00AD, 0x00AD),
    (0x0600, 0x0605),
    (0x061C, 0x061C),
    (0x06DD, 0x06DD),
    (0x070F, 0x070F),
    (0x0890, 0x0891),
    (0x08E2, 0x08E2),
    (0x180E, 0x180E),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
    (0x110BD, 0x110BD),
    (0x110CD, 0x110CD),
    (0x13430, 0x1343F),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0001, 0xE0001),
    (0xE0020, 0xE007F),
)


def _escape(code_point: int) -> str:
    # What ECMA-262, Rust and Python all read; they have no escape in common for what is past four digits.
    return f"\\u{code_point:04X}" if code_point <= 0xFFFF else chr(code_point)


def _class(*ranges: tuple[int, int]) -> str:
    return "".join(_escape(first) + (f"-{_escape(last)}" if last > first else "") for first, last in ranges)


TEXT_PATTERN = f"^[^{_class(*_CONTROL)}]*$"
"""What every text is, as JSON Schema has it."""
NAME_PATTERN = f"^[^{_class(*_CONTROL, *_FORMAT)}]*$"
"""What every name is, likewise."""
UUID_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
"""A UUID in the one form that is read: as RFC 9562 prints it."""

_SURROGATES = (0xD800, 0xDFFF)
_UNFIT_FOR_TEXT = re.compile(f"[{_class(*_CONTROL, _SURROGATES)}]")
_UNFIT_FOR_NAME = re.compile(f"[{_class(*_CONTROL, _SURROGATES, *_FORMAT)}]")


def unfit_for_text(text: str) -> str | None:
    r"""The first character of `text` that no text may have, as `U+XXXX`; None if all are fit.

    Example:
        >>> unfit_for_text("line\nbreak")
        'U+000A'
    """
    # Printable has no such character, and most text is; asking that first costs a tenth.
    return None if text.isprintable() else _first(_UNFIT_FOR_TEXT, text)


def unfit_for_name(text: str) -> str | None:
    r"""The first character of `text` that no name may have, as `U+XXXX`; None if all are fit.

    Example:
        >>> unfit_for_name("camera\u202eoediv")
        'U+202E'
    """
    return None if text.isprintable() else _first(_UNFIT_FOR_NAME, text)


def _first(unfit: re.Pattern[str], text: str) -> str | None:
    found = unfit.search(text)
    return None if found is None else f"U+{ord(found[0]):04X}"


def parse_uuid(text: str) -> UUID:
    """The UUID in `text`, as RFC 9562 prints it: lower case, with hyphens. Any other form is a `ValueError`.

    Example:
        >>> parse_uuid("01999e2c-6a00-7000-8000-000000000001")
        UUID('01999e2c-6a00-7000-8000-000000000001')
    """
    if re.fullmatch(UUID_PATTERN, text) is None:
        raise ValueError("expected a UUID in lower case with hyphens")
    return UUID(text)
