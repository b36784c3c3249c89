"""An arena for the tests of a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.races.arena import open_arena

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from honeylink.settings import Settings
    from tests.conftest import LoopThread
    from tests.races.arena import Arena


@pytest.fixture(scope="module")
def arena(loop: LoopThread, make_settings: Callable[..., Settings]) -> Iterator[Arena]:
    context = open_arena(make_settings(database_pool_size=1, tenant_pool_kbps=9000, rate_limit_per_second=0))
    yield loop.run(context.__aenter__())
    loop.run(context.__aexit__(None, None, None))
