"""The OpenAPI 3.1 document, made of the endpoints' declarations and the models that validate.

pydantic makes the schemas. The rest is by hand: frameworks that make the document (FastAPI and its like) read bodies
themselves, and would list neither each fault of a body nor each problem of an endpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from honeylink import __version__
from honeylink.api.http.body import FAULTS_MAX, VALUES_MAX
from honeylink.api.http.endpoint import PREFIXES, Endpoint
from honeylink.api.http.models import RequestModel
from honeylink.api.http.values import PATH_PATTERNS
from honeylink.api.openapi.components import HEADERS, PROBLEM, SCHEMA_REFERENCE, header_references, model_reference
from honeylink.api.openapi.problems import problem_answers
from honeylink.domain.paging import PAGE_MAX_BYTES
from honeylink.domain.text import UUID_PATTERN

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.json_schema import JsonSchemaMode

    from honeylink.api.http.endpoint import Endpoints, Link, PublicEndpoint
    from honeylink.settings import Settings

_DESCRIPTION = """\
Every resource is served under `/` and, the same, under `/api/v1`. Bodies are JSON in UTF-8, of at most 16 levels and
{values_max} values, without control characters in any text. Names and reasons have no format characters (Unicode's Cf)
or line separators either. Ids are read as they are written: UUIDs in lower case with hyphens. Times are RFC 3339 in
UTC, bandwidths kbit/s, lists newest first: pass a page's `next_cursor` as `cursor` to have the next one, until it is
null; a page ends with fewer items than its `limit` when they come to {page_max_bytes} bytes.

Every error is a problem (RFC 9457) that says what was expected and what was found; branch on its `error_code`. A
problem lists all faults of a request, up to {faults_max}. An unknown path answers 404 `ERR_NOT_FOUND`, a wrong method
405 `ERR_METHOD` with `Allow`. A `traceparent` (W3C Trace Context) is continued, and every answer carries its own.
"""


def openapi_document(endpoints: Endpoints, settings: Settings) -> dict[str, Any]:
    """The document of these endpoints for a service with these settings."""
    schemas = _schemas(endpoints, settings)
    examples = _body_examples(endpoints, schemas)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        rest = _operation(endpoint, examples) if isinstance(endpoint, Endpoint) else _public_operation(endpoint)
        operation = {"operationId": _operation_id(endpoint), "summary": endpoint.summary, **rest}
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "HoneyLink",
            "version": __version__,
            "summary": "Secure multi-stream sessions for devices on lossy links.",
            "description": _DESCRIPTION.format(
                values_max=VALUES_MAX, faults_max=FAULTS_MAX, page_max_bytes=PAGE_MAX_BYTES
            ),
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": prefix or "/"} for prefix in reversed(PREFIXES)],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": HEADERS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _schemas(endpoints: Endpoints, settings: Settings) -> dict[str, Any]:
    models: dict[type[BaseModel], JsonSchemaMode] = {}
    for endpoint in endpoints:
        models |= endpoint.models
    _, document = models_json_schema(list(models.items()), ref_template=SCHEMA_REFERENCE)
    schemas: dict[str, Any] = document["$defs"]
    for model in models:
        extra = model.model_config.get("json_schema_extra")
        if isinstance(extra, dict):
            schemas[model.__name__] |= extra  # in their own order; pydantic sorts by name
        if issubclass(model, RequestModel):
            model.complete_schemas(schemas, settings)
    return {**schemas, "Problem": PROBLEM}


def _body_examples(endpoints: Endpoints, schemas: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The example of a body, by the operation that takes it."""
    return {
        _operation_id(each): schemas[each.body.__name__]["example"]
        for each in endpoints
        if isinstance(each, Endpoint) and each.body is not None
    }


def _operation_id(endpoint: Endpoint | PublicEndpoint) -> str:
    return endpoint.handler.__name__


def _operation(endpoint: Endpoint, examples: dict[str, dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "description": endpoint.handler.__doc__,
        "parameters": [*_path_parameters(endpoint.path), *_query_parameters(endpoint)],
        "responses": {
            str(endpoint.status): _answer(endpoint, examples),
            **problem_answers(endpoint.error_codes),
        },
    }
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": model_reference(endpoint.body)}},
        }
    return operation


def _answer(endpoint: Endpoint, examples: dict[str, dict[str, Any]]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": (endpoint.answer.__doc__ or "").strip(),
        "headers": header_references(*(("location", "cache-control") if endpoint.status == 201 else ())),
        "content": {"application/json": {"schema": model_reference(endpoint.answer)}},
    }
    if endpoint.links:
        answer["links"] = {link.name: _link(link, examples) for link in endpoint.links}
    return answer


def _link(link: Link, examples: dict[str, dict[str, Any]]) -> dict[str, Any]:
    described: dict[str, Any] = {"operationId": link.operation}
    if link.description:
        described["description"] = link.description
    if link.path:
        described["parameters"] = _from_answer(link.path)
    if link.body:
        described["requestBody"] = {**examples[link.operation], **_from_answer(link.body)}
    return described


def _from_answer(members: tuple[str, ...]) -> dict[str, str]:
    """Members of an answer, as runtime expressions."""
    return {member: f"$response.body#/{member}" for member in members}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [step[1:-1] for step in path.split("/") if step.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": _path_schema(name)} for name in names]


def _path_schema(name: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": PATH_PATTERNS[name]}
    return {**schema, "format": "uuid"} if PATH_PATTERNS[name] == UUID_PATTERN else schema


def _query_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint.query is None:
        return []
    schema = endpoint.query.model_json_schema(ref_template=SCHEMA_REFERENCE)
    definitions = schema.get("$defs", {})
    return [_query_parameter(name, each, definitions) for name, each in schema["properties"].items()]


def _query_parameter(name: str, field: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A field of a query model. A parameter is there or not; it is never null."""
    choices = [choice for choice in field.get("anyOf", [field]) if choice != {"type": "null"}]
    reference = choices[0].get("$ref", "").rpartition("/")[2]
    schema = {**choices[0], **definitions.get(reference, {})}
    parameter = {"name": name, "in": "query", "required": False}
    description = field.get("description") or schema.get("description")
    if description:
        parameter["description"] = description
    schema = {key: value for key, value in schema.items() if key not in {"$ref", "title", "description"}}
    return {**parameter, "schema": schema}


def _public_operation(endpoint: PublicEndpoint) -> dict[str, Any]:
    return {
        "servers": [{"url": prefix or "/"} for prefix in endpoint.prefixes],
        "security": [],
        "responses": {
            str(each.status): {
                "description": each.description,
                "headers": header_references(*each.headers),
                "content": {each.media_type: {"schema": _content(each.content)}},
            }
            for each in endpoint.answers
        },
    }


def _content(content: type[BaseModel] | str) -> dict[str, str]:
    return {"type": content} if isinstance(content, str) else model_reference(content)
