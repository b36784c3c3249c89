"""`docs/errors.md`: every error code as the service answers it, and the limits as they are in the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from honeylink.api.endpoints import ENDPOINTS
from honeylink.api.http.body import DEPTH_MAX, FAULTS_MAX, PARAMETERS_MAX, VALUES_MAX
from honeylink.api.http.problems import PROBLEMS, problem_response
from honeylink.api.http.values import KEY_MAX_LENGTH
from honeylink.api.openapi.document import openapi_document
from honeylink.api.sessions.requests import MAX_STREAMS
from honeylink.domain.devices import METADATA_MAX_BYTES
from honeylink.domain.paging import PAGE_MAX_BYTES
from honeylink.errors import (
    BandwidthExceeded,
    RateLimited,
    ServiceError,
    TooManyStreams,
    Unauthenticated,
    ValidationFailed,
)
from honeylink.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs/errors.md").read_text(encoding="utf-8")
ROWS = {
    cells[0].strip("`"): cells
    for line in PAGE.splitlines()
    if line.startswith("| `ERR_")
    for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
}


def test_each_code_has_its_row_with_its_status() -> None:
    assert {code: int(cells[1]) for code, cells in ROWS.items()} == {
        code: status for code, (status, _) in PROBLEMS.items()
    }
    assert all(cells[2] and cells[3] for cells in ROWS.values())


@pytest.mark.parametrize(
    "error",
    [
        ValidationFailed([("/a", "wrong")]),
        Unauthenticated("none"),
        RateLimited(1),
        TooManyStreams(17, 16),
        BandwidthExceeded(2, 1, "device:device-1", 1, {"video": 1}),
    ],
    ids=lambda error: type(error).__name__,
)
def test_extra_members_and_headers_stand_in_their_row(error: ServiceError) -> None:
    answer = problem_response(error)
    common = {"type", "title", "status", "detail", "error_code", "message", "trace_id"}
    extra = set(re.findall(r'"(\w+)":', bytes(answer.body).decode())) - common - {"pointer", "name", "bandwidth_kbps"}
    headers = {name.title() for name in ("retry-after", "www-authenticate") if name in answer.headers}
    told = {name.title() if "-" in name else name for name in re.findall(r"`([\w-]+)`", ROWS[error.code][4])}
    assert extra | headers <= told


def test_no_member_is_told_that_there_is_not() -> None:
    members = set(openapi_document(ENDPOINTS, Settings())["components"]["schemas"]["Problem"]["properties"])
    told = {name for cells in ROWS.values() for name in re.findall(r"`([a-z_]+)`", cells[4])}
    assert told == members - {"type", "title", "status", "detail", "error_code", "message", "trace_id"}


def test_limits_are_those_of_the_code() -> None:
    settings = Settings()
    for text in (
        f"| {settings.max_body_bytes // 1024} KiB (`HONEYLINK_MAX_BODY_BYTES`): 413",
        f"| {VALUES_MAX:,} members of all arrays and objects together, to {DEPTH_MAX} levels; ",
        f"; keys of {KEY_MAX_LENGTH} characters |",
        f"| {PARAMETERS_MAX} parameters |",
        f"| {settings.max_streams} (`HONEYLINK_MAX_STREAMS`): 409; more than {MAX_STREAMS} are not looked at: 400 |",
        f"| {METADATA_MAX_BYTES // 1024} KiB as JSON, with numbers written out",
        f"| 200 items (`limit`), and {PAGE_MAX_BYTES >> 20} MiB: ",
        f"| listed faults | {FAULTS_MAX} |",
    ):
        assert text in PAGE, text
