"""What tests of services share."""

from __future__ import annotations

import pytest

from honeylink.keys.secret import Secret


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> list[Secret]:
    """Every secret that is made from here on."""
    made: list[Secret] = []
    make = Secret.__init__

    def noting(self: Secret, value: bytes | bytearray) -> None:
        make(self, value)
        made.append(self)

    monkeypatch.setattr(Secret, "__init__", noting)
    return made
