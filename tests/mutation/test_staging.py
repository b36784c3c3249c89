"""What mutmut is shown of a module."""

from typing import Any

from tests.mutation.__main__ import with_plain_getters

SOURCE = '''
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    side: int

    @property
    def area(self) -> int:
        """Of one face."""
        return self.side**2

    @property
    def volume(self) -> int:
        return self.area * self.side
'''


def test_a_property_is_a_plain_method_behind_its_name() -> None:
    names: dict[str, Any] = {}

    exec(with_plain_getters(SOURCE), names)

    assert "@property" not in with_plain_getters(SOURCE)
    assert names["Box"](3).area == names["Box"].get_area(names["Box"](3)) == 9
    assert names["Box"](3).volume == 27
