"""Pages of lists over HTTP: each item once, and no answer that is larger than it may be, whatever is stored."""

from __future__ import annotations

import asyncio
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from uuid_utils.compat import uuid7

from honeylink.api.http.pages import answer_page
from honeylink.domain.access import Role
from honeylink.domain.paging import PAGE_MAX_BYTES, Cursor, Page
from tests.conftest import session_body

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Service

# Braces and the cursor around the items.
ANSWER_MAX_BYTES = PAGE_MAX_BYTES + 1000


def walk(service: Service, path: str, token: str | None = None) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """The pages of a list, each with the bytes of its answer."""
    cursor: dict[str, str] = {}
    with service.client(token) as client:
        for _ in range(500):  # far more than there are pages
            answer = client.get(path, params={"limit": 200, **cursor})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            yield page["items"], len(answer.content)
            if page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}
        pytest.fail("expected a last page")


def test_devices_with_metadata_from_before_there_was_a_limit(service: Service) -> None:
    """Three megabytes each, as sixty kilobytes of `1e308` were once stored; between them some that are small."""
    made = [service.new_device(paired=False).device_id for _ in range(24)]
    large = made[6:10] + made[12:13] + made[-1:]
    numbers = json.dumps({"n": [1e308] * 10_000})
    service.fetch("UPDATE devices SET metadata = $2 WHERE device_id = ANY ($1)", large, numbers)
    pages = list(walk(service, "/devices"))
    ids = [item["device_id"] for items, _ in pages for item in items]
    assert [device_id for device_id in ids if device_id in made] == made[::-1]
    assert all(len(items) == 1 or answer_bytes <= ANSWER_MAX_BYTES for items, answer_bytes in pages)
    assert {items[0]["device_id"] for items, answer_bytes in pages if answer_bytes > ANSWER_MAX_BYTES} == set(large)
    with service.client() as client:
        assert client.get(f"/devices/{large[0]}").json()["metadata"]["n"][0] == 10**308
    service.fetch("UPDATE devices SET metadata = '{}' WHERE device_id = ANY ($1)", large)


def test_devices_with_the_most_metadata_that_there_may_be(service: Service) -> None:
    made = [service.new_device(paired=False, metadata={"k": "x" * 16_000}).device_id for _ in range(70)]
    pages = list(walk(service, "/devices"))
    ids = [item["device_id"] for items, _ in pages for item in items]
    assert [device_id for device_id in ids if device_id in made] == made[::-1]
    assert max(answer_bytes for _, answer_bytes in pages) <= ANSWER_MAX_BYTES
    assert len(pages[0][0]) > 60


def test_large_events(service: Service) -> None:
    """As they were once written of attempts on paths of thirty kilobytes."""
    token = service.token(Role.AUDITOR)
    service.fetch(
        "INSERT INTO audit_events (tenant_id, event_id, category, actor, outcome, details, trace_id)"
        " SELECT tenant_id, gen_random_uuid(), 'access-denied', 'token:large', 'refused',"
        " jsonb_build_object('message', repeat('x', 30000)), '' FROM tenants CROSS JOIN generate_series(1, 90)"
        " WHERE name = 'acme'"
    )
    pages = list(walk(service, "/audit/events", token))
    events = [item for items, _ in pages for item in items]
    assert len({event["event_id"] for event in events}) == len(events)
    assert sum(event["actor"] == "token:large" for event in events) == 90
    assert max(answer_bytes for _, answer_bytes in pages) <= ANSWER_MAX_BYTES


def test_sessions_of_many_streams_with_long_names(service: Service) -> None:
    device = service.new_device()
    body = session_body(device, *[1] * 16)
    for number, stream in enumerate(body["streams"]):
        stream["name"] = "🐝" * 62 + f"{number:02}"
    with service.client() as client:
        opened = client.post("/sessions", json=body).json()["session_id"]
    service.fetch(
        "WITH copies AS (SELECT gen_random_uuid() AS session_id FROM generate_series(1, 199)),"
        " made AS (INSERT INTO sessions SELECT (jsonb_populate_record(session, to_jsonb(copies)"
        ' || \'{"status": "terminated", "ended_at": "2026-01-01T00:00:00Z"}\')).*'
        " FROM sessions AS session CROSS JOIN copies WHERE session.session_id = $1)"
        " INSERT INTO streams SELECT (jsonb_populate_record(stream, to_jsonb(copies))).*"
        " FROM streams AS stream CROSS JOIN copies WHERE stream.session_id = $1",
        opened,
    )
    pages = list(walk(service, f"/sessions?device_id={device.device_id}"))
    assert len({item["session_id"] for items, _ in pages for item in items}) == 200
    assert max(answer_bytes for _, answer_bytes in pages) <= ANSWER_MAX_BYTES
    assert len(pages) > 1


# Rendering, with items of any size.


class Item(BaseModel):
    """Something to render."""

    number: int
    text: str


def page_of(sizes: list[int], *, has_more: bool = False) -> Page[Item]:
    items = [Item(number=number, text="x" * size) for number, size in enumerate(sizes)]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    cursors = [Cursor(start + timedelta(seconds=number), str(uuid7())) for number in range(len(items))]
    return Page(items, cursors, has_more)


@settings(max_examples=30)
@given(st.lists(st.sampled_from([0, 10, 300_000, 500_000, PAGE_MAX_BYTES, 3 * PAGE_MAX_BYTES]), max_size=8))
def test_pages_put_together_are_the_whole(sizes: list[int]) -> None:
    page, shown = page_of(sizes), []
    while True:
        answer = asyncio.run(answer_page(page, lambda item: item)).body
        assert isinstance(answer, bytes)
        found = json.loads(answer)
        shown += [item["number"] for item in found["items"]]
        assert len(answer) <= ANSWER_MAX_BYTES or len(found["items"]) == 1
        if found["next_cursor"] is None:
            break
        place = [cursor.encode() for cursor in page.cursors].index(found["next_cursor"]) + 1
        assert place == len(found["items"]) > 0
        page = Page(page.items[place:], page.cursors[place:], has_more=False)
    assert shown == list(range(len(sizes)))


def test_a_page_that_is_not_the_last_says_so_even_if_all_of_it_is_shown() -> None:
    page = page_of([1, 2], has_more=True)
    answer = asyncio.run(answer_page(page, lambda item: item)).body
    assert isinstance(answer, bytes)
    assert json.loads(answer)["next_cursor"] == page.cursors[-1].encode()


def test_rendering_yields_to_the_event_loop() -> None:
    """Others have their turns: one at least for every so many bytes."""

    async def passes_while_rendering() -> int:
        rendering = asyncio.ensure_future(answer_page(page_of([10_000] * 100), lambda item: item))
        for passes in itertools.count():
            if rendering.done():
                return passes
            await asyncio.sleep(0)
        raise AssertionError

    assert asyncio.run(passes_while_rendering()) > 20
