"""The OpenAPI document as one page of HTML: no script, nothing loaded from elsewhere, so it also reads offline."""

from __future__ import annotations

import json
from html import escape
from typing import Any

__all__ = ["render_docs"]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1 { margin-bottom: 0 } h2 { border-top: 1px solid #ddd; padding-top: 1.5rem; margin-top: 2rem; font-size: 1.1rem }
code, pre { font: 13px/1.45 ui-monospace, monospace } pre { background: #f6f6f4; padding: .8rem; overflow-x: auto }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; color: #8a5a00 }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0 }
nav a { display: block; text-decoration: none; color: inherit } nav a:hover { text-decoration: underline }
summary { cursor: pointer }
@media (prefers-color-scheme: dark) { body { background: #1b1b1a; color: #ddd } pre { background: #262624 } .method { color: #e6b450 } h2 { border-color: #444 } }
"""


def render_docs(document: dict[str, Any]) -> str:
    """The page for an OpenAPI document."""
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    index = "".join(
        f'<a href="#{_anchor(method, path)}"><span class="method">{method}</span><code>{escape(path)}</code> '
        f"{escape(operation['summary'])}</a>"
        for method, path, operation in operations
    )
    sections = "".join(_section(method, path, operation, document) for method, path, operation in operations)
    info = document["info"]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style>"
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['summary'])} "
        f'Send <code>Authorization: Bearer &lt;token&gt;</code>. For tools: <a href="openapi.json">openapi.json</a>.</p>'
        f"<nav>{index}</nav>{sections}</html>"
    )


def _section(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    parts = [
        f'<h2 id="{_anchor(method, path)}"><span class="method">{method}</span><code>{escape(path)}</code></h2>',
        f"<p>{escape(operation['summary'])}</p>",
        _parameters(operation.get("parameters", [])),
    ]
    body = operation.get("requestBody")
    if body is not None:
        parts.append("<h3>Request</h3>" + _schema(body["content"]["application/json"]["schema"], document))
    for status, answer in operation["responses"].items():
        parts.append(_response(status, answer, document))
    return "".join(parts)


def _parameters(parameters: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{each['in']}</td>"
        f"<td><code>{escape(_brief(each['schema']))}</code></td></tr>"
        for each in parameters
    )
    return f"<table>{rows}</table>" if rows else ""


def _response(status: str, answer: dict[str, Any], document: dict[str, Any]) -> str:
    shown = "".join(
        _schema(content["schema"], document)
        if "examples" not in content
        else "".join(_pre(example["value"]) for example in content["examples"].values())
        for content in answer.get("content", {}).values()
    )
    is_open = " open" if status.startswith("2") else ""
    return f"<details{is_open}><summary><b>{status}</b> {escape(answer['description'])}</summary>{shown}</details>"


def _schema(schema: dict[str, Any], document: dict[str, Any]) -> str:
    """The example where there is one, and the fields."""
    if "$ref" not in schema:
        return ""
    model = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td><code>{escape(_brief(field))}</code></td>"
        f"<td>{'required' if name in model.get('required', []) else ''}</td>"
        f"<td>{escape(field.get('description', ''))}</td></tr>"
        for name, field in model.get("properties", {}).items()
    )
    example = _pre(model["example"]) if "example" in model else ""
    return f"{example}<table>{rows}</table>"


def _brief(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_brief(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    words = [str(schema.get("type", "any"))]
    if words == ["array"]:
        words = [f"array of {_brief(schema['items'])}"]
    words += [
        f"{name} {schema[name]}" for name in ("format", "pattern", "minimum", "maximum", "maxLength") if name in schema
    ]
    return ", ".join(words)


def _pre(value: object) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"


def _anchor(method: str, path: str) -> str:
    return escape(f"{method.lower()}{path}".replace("/", "-").replace("{", "").replace("}", "").replace(".", "-"))
