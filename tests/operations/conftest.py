"""A database server of its own for the tests that break it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.operations.postgres import OwnPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import LoopThread


@pytest.fixture(scope="module")
def own_postgres(tmp_path_factory: pytest.TempPathFactory, loop: LoopThread) -> Iterator[OwnPostgres]:
    """A server without a schema."""
    postgres = OwnPostgres(tmp_path_factory.mktemp("own"), loop)
    yield postgres
    postgres.close()
