"""The pages of lists: which one is asked for, and rendering it, with no more items than an answer should hold.

A page is cut by bytes as well as by items, since nobody knows how large what was stored once is. Rendering yields to
the event loop in between, so that a large page does not hold up other requests.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, TypeVar

from pydantic import Field

from honeylink.api.http.endpoint import Answer, rendered
from honeylink.api.http.models import RequestModel
from honeylink.api.http.values import CursorText, PageLimit
from honeylink.domain.paging import PAGE_MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from honeylink.domain.paging import Page

# What is rendered in about a millisecond.
_BYTES_BEFORE_YIELDING = 32_768

T = TypeVar("T")


class PageQuery(RequestModel):
    """Which page of a list."""

    limit: PageLimit = Field(
        50, ge=1, le=200, description="Items of a page at most; one that grows large ends earlier. Go by `next_cursor`."
    )
    cursor: CursorText | None = Field(None, description="The next_cursor of the page before.")


async def answer_page(page: Page[T], render: Callable[[T], BaseModel | bytes]) -> Answer:
    """The answer with as many of a page's items as stay within `PAGE_MAX_BYTES`, but one at least."""
    items: list[bytes] = []
    size_bytes = yielded_bytes = 0
    for item in page.items:
        content = rendered(render(item))
        if items and size_bytes + len(content) > PAGE_MAX_BYTES:
            break
        items.append(content)
        size_bytes += len(content) + 1
        if size_bytes - yielded_bytes > _BYTES_BEFORE_YIELDING:
            yielded_bytes = size_bytes
            await asyncio.sleep(0)
    next_cursor = json.dumps(page.first(len(items)).next_cursor).encode()
    return Answer(b'{"items":[%b],"next_cursor":%b}' % (b",".join(items), next_cursor))
