"""A device's metadata: any JSON, kept exactly, and bounded by what reading it gives."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from honeylink.domain.devices import METADATA_MAX_BYTES, metadata_bytes
from tests.conftest import PUBLIC_KEY

if TYPE_CHECKING:
    import httpx

    from tests.conftest import Service


def register(service: Service, device_id: str, metadata: str) -> httpx.Response:
    """The answer to a registration with this JSON as metadata, written so."""
    body = {"device_id": device_id, "public_key": PUBLIC_KEY, "firmware_version": "1.0.0", "metadata": "here"}
    content = json.dumps(body).replace('"here"', metadata)
    with service.client() as client:
        return client.post("/devices", content=content, headers={"content-type": "application/json"})


def test_metadata_is_the_owners_and_may_have_format_characters(service: Service) -> None:
    metadata = {"family": "👩\u200d👩\u200d👦", "\u200fnote": "ب\u200c"}
    device = service.new_device(metadata=metadata)
    with service.client() as client:
        assert client.get(f"/devices/{device.device_id}").json()["metadata"] == metadata


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**300, 10**310)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: str(number) != "-0.0")
    | st.text(st.characters(exclude_categories=("Cc", "Cs"))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="ascii")), inner),
    max_leaves=20,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(metadata=st.dictionaries(st.text(st.characters(exclude_categories=("Cc", "Cs"))), JSON_VALUES))
@example(metadata={"n": [1e308, 5e-324, 1e22, 1.5, 100.0, 1e-7]})
def test_metadata_is_counted_as_the_database_writes_it(service: Service, metadata: dict[str, Any]) -> None:
    try:
        [row] = service.fetch("SELECT octet_length($1::jsonb::text) AS bytes", json.dumps(metadata))
    except asyncpg.UntranslatableCharacterError:  # NUL in a key, which the API refuses
        return
    assert metadata_bytes(metadata) == row["bytes"]


def test_metadata_that_grows_when_stored_counts_as_grown(service: Service) -> None:
    fits, too_much = {"n": [1e308] * 52}, {"n": [1e308] * 53}
    assert metadata_bytes(fits) <= METADATA_MAX_BYTES < metadata_bytes(too_much)
    device = service.new_device(metadata=fits)
    with service.client() as client:
        answer = client.get(f"/devices/{device.device_id}")
    assert answer.json()["metadata"] == {"n": [10**308] * 52}
    assert len(answer.content) < METADATA_MAX_BYTES + 1000
    refused = register(service, "device-grows", json.dumps(too_much))
    assert refused.json()["errors"] == [
        {
            "pointer": "/metadata",
            "message": "metadata: expected at most 16384 bytes of JSON with its numbers written out, found 16490",
        }
    ]


@pytest.mark.parametrize("extra", [0, 1])
def test_the_most_metadata_that_there_may_be(service: Service, extra: int) -> None:
    metadata = {"ä": "x" * (METADATA_MAX_BYTES - len('{"ä": ""}'.encode()) + extra)}
    answer = register(service, f"device-most-{extra}", json.dumps(metadata))
    assert answer.status_code == (400 if extra else 201), answer.text


@pytest.mark.parametrize(
    "number",
    ["0.1", "1e-7", "1E+22", "5e-324", "1.7976931348623157e308", "0.10000000000000001", "-0.5", "12345678901234567890"],
)
def test_a_number_comes_back_as_it_was_sent(service: Service, number: str) -> None:
    device_id = "number" + re.sub("[+.]", "-", number)
    answer = register(service, device_id, f'{{"n": {number}}}')
    assert answer.status_code == 201, answer.text
    with service.client() as client:
        found = client.get(f"/devices/{device_id}").text
    [shown] = re.findall(r'"n":([^}]+)\}', found)
    assert float(shown) == float(number)
    if "." not in number and "e" not in number.lower():
        assert shown == number


@pytest.mark.parametrize(
    "number", ["0.1234567890123456789", "9007199254740993.0", "1e-400", "4.9e-324", "3.14159265358979323846"]
)
def test_a_number_that_no_double_is_equal_to_is_refused(service: Service, number: str) -> None:
    answer = register(service, "device-rounds", f'{{"n": {number}}}')
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {
            "pointer": "/metadata",
            "message": f"metadata: expected numbers that a 64-bit float holds exactly, found '{number}'; "
            "send it as text",
        }
    ]
