"""The code of docs/admission.md runs as it stands, one block after the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "admission.md"


def test_the_code_of_the_page_runs() -> None:
    text = PAGE.read_text("utf-8")
    blocks = list(re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    assert blocks
    names: dict[str, Any] = {}
    for block in blocks:
        language, code = block.groups()
        if language == "sh":  # what it sends is tried in tests/api
            continue
        assert language == "python"
        assert "assert " in code
        line = text.count("\n", 0, block.start(2))
        exec(compile("\n" * line + code, str(PAGE), "exec"), names)
