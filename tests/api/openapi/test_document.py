"""`/openapi.json`: a valid document, whose examples are true and whose limits are the settings'."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi import definitions

from honeylink.api.endpoints import ENDPOINTS
from honeylink.api.http.problems import PROBLEMS
from honeylink.api.openapi.document import openapi_document
from honeylink.api.openapi.page import render_docs
from tests.conftest import run_service, session_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from honeylink.settings import Settings
    from tests.conftest import Service


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    """What the running service says."""
    with service.client("") as client:
        answer = client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    loaded: dict[str, Any] = answer.json()
    return loaded


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def validator(document: dict[str, Any], schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """A validator of one of the document's schemas, with formats, and what it refers to."""
    return jsonschema_rs.Draft202012Validator(
        {**schema, "components": document["components"]}, validate_formats=True, ignore_unknown_formats=True
    )


def faults(document: dict[str, Any], schema: dict[str, Any], value: object) -> list[str]:
    return [error.message for error in validator(document, schema).iter_errors(value)]


def test_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert [error.message for error in definitions.OPENAPI_31_VALIDATOR.iter_errors(document)] == []


def test_schemas_are_json_schemas(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        target = document
        for step in reference.split("/"):
            target = target[step]


def test_operations_have_ids_of_their_own(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(ids)) == len(ids) == 21


def test_links_lead_to_operations(document: dict[str, Any]) -> None:
    by_id = {operation["operationId"]: operation for _, operation in operations(document)}
    links = [
        link
        for _, operation in operations(document)
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert len(links) == 8
    for link in links:
        names = {parameter["name"] for parameter in by_id[link["operationId"]]["parameters"]}
        assert set(link.get("parameters", {})) <= names


def test_every_path_answers(document: dict[str, Any], service: Service) -> None:
    """Each path is served, for each method that the document names, under each server that it names."""
    with service.client("") as client:
        for name, operation in operations(document):
            method, _, path = name.partition(" ")
            for server in operation.get("servers", document["servers"]):
                answer = client.request(method, server["url"].rstrip("/") + re.sub(r"\{\w+\}", "unknown", path))
                assert answer.status_code == (200 if operation.get("security") == [] else 401), name


def test_problems_have_examples_that_are_problems(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            content = answer["content"].get("application/problem+json")
            if content is None:
                continue
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            for code, example in content["examples"].items():
                assert faults(document, content["schema"], example["value"]) == [], (name, code)
                assert example["value"]["error_code"] == code
                assert str(example["value"]["status"]) == status == str(PROBLEMS[code][0])


def test_every_operation_with_a_token_names_every_common_error(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        if operation.get("security") != []:
            assert {"400", "401", "403", "408", "413", "429", "500", "503"} <= set(operation["responses"]), name


def test_bodies_and_answers_have_examples_that_fit(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    shown = {name for name, schema in schemas.items() if "example" in schema}
    assert shown >= {
        "SessionBody",
        "DeviceBody",
        "PairingBody",
        "RevocationBody",
        "OpenedSessionAnswer",
        "DeviceAnswer",
    }
    for name in shown:
        assert faults(document, {"$ref": f"#/components/schemas/{name}"}, schemas[name]["example"]) == [], name


def test_example_is_told_in_the_order_of_its_making(document: dict[str, Any]) -> None:
    assert list(document["components"]["schemas"]["SessionBody"]["example"]) == ["device_id", "streams", "ttl_seconds"]


def test_examples_are_taken_by_the_service(document: dict[str, Any], service: Service) -> None:
    """The documented bodies, sent as they stand, and the answers against the documented schemas."""
    schemas = document["components"]["schemas"]

    def check(model: str, answer: Any, status: int) -> Any:
        assert answer.status_code == status, answer.text
        assert faults(document, {"$ref": f"#/components/schemas/{model}"}, answer.json()) == []
        return answer.json()

    with service.client() as client:
        body = schemas["DeviceBody"]["example"]
        path = f"/devices/{body['device_id']}"
        device = check("RegisteredDeviceAnswer", client.post("/devices", json=body), 201)
        as_device = {"authorization": f"Bearer {device['device_token']}"}
        code = {"pairing_code": device["pairing_code"]}
        check("PairedDeviceAnswer", client.post(f"{path}/pair", json=code, headers=as_device), 200)
        check("OpenedSessionAnswer", client.post("/sessions", json=schemas["SessionBody"]["example"]), 201)
        check("DeviceAnswer", client.get(path), 200)
        check("SessionPage", client.get("/sessions"), 200)
        check("DeviceAnswer", client.post(f"{path}/revoke", json=schemas["RevocationBody"]["example"]), 200)
        check("Problem", client.post("/sessions", json=schemas["SessionBody"]["example"]), 409)
        check("Problem", client.post("/sessions", json={"streams": 1}), 400)


def test_limits_are_those_of_the_settings(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(ttl_default_seconds=60, ttl_max_seconds=120, max_streams=3, device_pool_kbps=500)
    with run_service(settings) as running, running.client() as client:
        schemas = client.get("/openapi.json").json()["components"]["schemas"]
        device = running.new_device()
        ttl = schemas["SessionBody"]["properties"]["ttl_seconds"]
        assert (ttl["default"], ttl["anyOf"][0]["minimum"], ttl["anyOf"][0]["maximum"]) == (60, 1, 120)
        assert schemas["DeviceBody"]["properties"]["pool_kbps"]["default"] == 500
        assert "More than 3 " in schemas["SessionBody"]["properties"]["streams"]["description"]

        assert client.post("/sessions", json=session_body(device, 1, ttl_seconds=120)).status_code == 201
        assert client.post("/sessions", json=session_body(device, 1, ttl_seconds=121)).status_code == 400
        assert client.post("/sessions", json=session_body(device, 1, ttl_seconds=121.0)).status_code == 400
        assert client.post("/sessions", json=session_body(device, 1, 1, 1, 1, ttl_seconds=60)).status_code == 409
        assert client.get(f"/devices/{device.device_id}").json()["pool_kbps"] == 500


@pytest.mark.parametrize(
    ("kbps", "status"), [(250, 201), (250.0, 201), (250.5, 400), ("250", 400), (True, 400), (1e300, 400)]
)
def test_integers_are_those_of_json_schema(
    document: dict[str, Any], service: Service, kbps: object, status: int
) -> None:
    """5.0 is an integer to JSON Schema, so it is to the service; what the schema refuses, the service does."""
    body = session_body(service.new_device(), 1)
    body["streams"][0]["qos"]["bandwidth_kbps"] = kbps
    assert bool(faults(document, {"$ref": "#/components/schemas/SessionBody"}, body)) == (status == 400)
    with service.client() as client:
        answer = client.post("/sessions", json=body)
    assert answer.status_code == status, answer.text
    if status == 201:
        assert answer.json()["streams"][0]["allocated_bandwidth_kbps"] == 250


@pytest.mark.parametrize(
    "metadata",
    [
        {"a": [{"b": "c"}, None, 1.5, True]},
        {"a": "\u0007"},
        {"\u0007": 1},
        {"a": [["\u0085"]]},
        {"a": "\u202e", "\u200d": 1},
        {"k" * 128: {"k" * 128: 1}},
        {"k" * 129: 1},
        {"a": {"k" * 129: 1}},
    ],
)
def test_metadata_is_what_its_schema_says(document: dict[str, Any], service: Service, metadata: dict[str, Any]) -> None:
    body = {**document["components"]["schemas"]["DeviceBody"]["example"], "device_id": "meta", "metadata": metadata}
    refused = bool(faults(document, {"$ref": "#/components/schemas/DeviceBody"}, body))
    with service.client() as client:
        assert client.post("/devices", json=body).status_code == (400 if refused else 201)


def test_unknown_path_and_wrong_method_are_problems(document: dict[str, Any], service: Service) -> None:
    problem = {"$ref": "#/components/schemas/Problem"}
    with service.client() as client:
        unknown = client.get("/nothing")
        wrong = client.put("/sessions")
    assert (unknown.status_code, wrong.status_code) == (404, 405)
    assert set(wrong.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    for answer in (unknown, wrong):
        assert answer.headers["content-type"] == "application/problem+json"
        assert faults(document, problem, answer.json()) == []


class Page(HTMLParser):
    """What a page loads, where it leads, and whether its tags are balanced."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: set[str] = set()
        self.targets: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.add(value or "")
            if name in {"href", "src"}:
                self.targets.add(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_docs_show_all_and_load_nothing(document: dict[str, Any], service: Service) -> None:
    with service.client("") as client:
        answer = client.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = Page()
    page.feed(answer.text)
    ids = {operation["operationId"] for _, operation in operations(document)}
    assert page.open == []
    assert page.ids == ids
    assert page.targets == {f"#{each}" for each in ids} | {"openapi.json"}
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert "url(" not in answer.text
    assert "streams[].qos.bandwidth_kbps" in page.text


def test_a_browser_lets_the_docs_do_nothing_but_apply_their_style(service: Service) -> None:
    with service.client("") as client:
        answer = client.get("/docs")
        document = client.get("/openapi.json")
    policy = dict(directive.split(" ", 1) for directive in answer.headers["content-security-policy"].split("; "))
    [style] = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert not re.search(r"<[^>]+ style=", answer.text)
    assert answer.headers["x-content-type-options"] == document.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_docs_escape_what_they_show(service: Service) -> None:
    document = openapi_document(ENDPOINTS, service.settings)
    document["paths"]["/sessions"]["post"]["summary"] = "<script>alert(1)</script>"
    document["components"]["schemas"]["SessionBody"]["example"] = {"</pre><b>": "`<i>`"}
    page = render_docs(document)
    assert "<script>" not in page
    assert "</pre><b>" not in page
