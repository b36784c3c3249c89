"""Rendering the pages of lists: an item at a time, and no more of them than an answer should hold.

A page is cut by bytes as well as by items, since nobody knows how large what was stored once is. Rendering yields to
the event loop in between, so that a large page does not hold up other requests.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, TypeVar

from honeylink.api.http.endpoint import Answer
from honeylink.domain.paging import PAGE_MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from honeylink.domain.paging import Page

__all__ = ["answer_page"]

# What is rendered in about a millisecond.
_BYTES_BEFORE_YIELDING = 32_768

T = TypeVar("T")


async def answer_page(page: Page[T], render: Callable[[T], BaseModel]) -> Answer:
    """The answer with as many of a page's items as stay within `PAGE_MAX_BYTES`, but one at least."""
    rendered: list[bytes] = []
    size_bytes = yielded_bytes = 0
    for item in page.items:
        content = render(item).model_dump_json().encode()
        if rendered and size_bytes + len(content) > PAGE_MAX_BYTES:
            break
        rendered.append(content)
        size_bytes += len(content) + 1
        if size_bytes - yielded_bytes > _BYTES_BEFORE_YIELDING:
            yielded_bytes = size_bytes
            await asyncio.sleep(0)
    next_cursor = json.dumps(page.first(len(rendered)).next_cursor).encode()
    return Answer(b'{"items":[%b],"next_cursor":%b}' % (b",".join(rendered), next_cursor))
