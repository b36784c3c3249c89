"""The OpenAPI document as one page of HTML: no script, nothing loaded from elsewhere, so it also reads offline."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import escape
from typing import TYPE_CHECKING, Any

from honeylink.domain.text import NAME_PATTERN, TEXT_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterator

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #636c76; --line: #dfe3e8; --page: #fff; --box: #f5f6f8; --link: #0a58ca;
  --get: #0a6b3d; --post: #8a4b00; --delete: #b3261e }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e6ea; --soft: #9aa4af; --line: #333a42; --page: #15181c; --box: #1e2329;
  --link: #7ab3ff; --get: #63d19a; --post: #f0b35b; --delete: #ff8f85 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
a { color: var(--link) } p { margin: .4rem 0 .8rem; max-width: 46rem }
code, pre { font: .84em/1.5 ui-monospace, "DejaVu Sans Mono", monospace }
p code, td code, summary code { overflow-wrap: anywhere }
pre { margin: .5rem 0 1rem; padding: .8rem 1rem; background: var(--box); border-radius: 6px; overflow-x: auto }
header, main, nav { padding: 0 1.5rem } main { max-width: 60rem; padding-bottom: 4rem }
nav { font-size: .88rem; line-height: 1.3; padding-bottom: 1rem }
nav b { display: block; margin: 1rem 0 .3rem; color: var(--soft); font-weight: 600 }
nav a { display: flex; gap: .5rem; padding: .22rem 0; color: inherit; text-decoration: none } nav a:hover { text-decoration: underline }
nav i { flex: 0 0 3.4rem } i { font: 700 .78rem/1.5 ui-monospace, monospace; color: var(--get) }
i.post { color: var(--post) } i.delete { color: var(--delete) }
section { border-top: 1px solid var(--line); margin-top: 2.2rem; padding-top: 1.2rem; scroll-margin-top: 1rem }
h1 { margin: 1.4rem 0 .2rem; font-size: 1.7rem } h1 small { font-size: 1rem; font-weight: 400; color: var(--soft) }
h2 { margin: 0; font-size: 1.2rem } h2 + p { margin-top: .1rem; color: var(--soft) } h2 + p i { margin-right: .6rem }
h3 { margin: 1.2rem 0 .3rem; font-size: .95rem } h3 span { font-weight: 400; color: var(--soft) }
table { width: 100%; border-collapse: collapse; font-size: .92rem; margin-bottom: .8rem }
td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0; border-top: 1px solid var(--line) }
td:first-child { width: 16rem; padding-right: 1rem } td small { display: block; color: var(--soft) }
details { border-top: 1px solid var(--line) } details details { border: 0; margin-bottom: .6rem }
summary { cursor: pointer; padding: .3rem 0; font-size: .92rem } summary b { display: inline-block; min-width: 2.6rem }
@media (min-width: 62rem) { body { display: grid; grid-template-columns: 19rem 1fr }
  nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; border-right: 1px solid var(--line) } main { padding: 0 2.5rem 4rem } }
"""  # noqa: E501 - a style sheet, dense to keep the page small

_STYLE_SHA256 = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
DOCS_HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_SHA256}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
"""What a browser may do with the page: apply its own style, and nothing else."""

_PATTERN_LETTERS_MAX = 50  # a longer one explains nothing; the description does


def render_docs(document: dict[str, Any]) -> str:
    """The page for an OpenAPI document."""
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    info = document["info"]
    sections = "".join(_section(method, path, operation, document) for method, path, operation in operations)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style></head><body>"
        f"<nav>{_index(operations)}</nav><main>"
        f"<h1>{escape(info['title'])} API <small>{escape(info['version'])}</small></h1>"
        f"<p>{escape(info['summary'])}</p>{_prose(info.get('description', ''))}"
        "<p>Send <code>Authorization: Bearer &lt;token&gt;</code> with every request but those that need none. "
        f'For tools there is <a href="openapi.json">openapi.json</a>.</p>{sections}</main></body></html>'
    )


def _index(operations: list[tuple[str, str, dict[str, Any]]]) -> str:
    """Links to all operations, in groups by the first step of their path; what needs no token comes last."""
    parts, group = [], ""
    for method, path, operation in operations:
        name = "operations" if operation.get("security") == [] else path.split("/")[1]
        if name != group:
            group = name
            parts.append(f"<b>{escape(name.capitalize())}</b>")
        parts.append(
            f'<a href="#{escape(operation["operationId"])}">{_method(method)}{escape(operation["summary"])}</a>'
        )
    return "".join(parts)


def _section(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    token = "needs no token" if operation.get("security") == [] else ""
    parts = [
        f'<section id="{escape(operation["operationId"])}"><h2>{escape(operation["summary"])}</h2>',
        f"<p>{_method(method)}<code>{escape(path)}</code> {token}</p>",
        _parameters(operation.get("parameters", [])),
    ]
    body = operation.get("requestBody")
    if body is not None:
        parts.append(f"<h3>Request</h3>{_schema(body['content']['application/json']['schema'], document)}")
    good, bad = [], []
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            shown = "".join(_schema(content["schema"], document) for content in answer.get("content", {}).values())
            good.append(f"<h3>{status} <span>{_inline(answer['description'])}</span></h3>{shown}")
        else:
            bad.append(_failure(status, answer, document))
    return "".join([*parts, *good, "<h3>Errors</h3>" if bad else "", *bad, "</section>"])


def _parameters(parameters: list[dict[str, Any]]) -> str:
    rows = "".join(
        _row(
            each["name"],
            {**each["schema"], **({"description": each["description"]} if "description" in each else {})},
            required=each["required"],
        )
        for each in parameters
    )
    return f"<h3>Parameters</h3><table>{rows}</table>" if rows else ""


def _failure(status: str, answer: dict[str, Any], document: dict[str, Any]) -> str:
    shown = "".join(
        "".join(_pre(example["value"]) for example in content["examples"].values())
        if "examples" in content
        else _schema(content["schema"], document)
        for content in answer["content"].values()
    )
    return f"<details><summary><b>{status}</b> {_inline(answer['description'])}</summary>{shown}</details>"


def _schema(schema: dict[str, Any], document: dict[str, Any]) -> str:
    """The example where there is one, and the fields."""
    models = document["components"]["schemas"]
    model = models.get(_referred(schema), {})
    rows = "".join(_fields("", model, models))
    if "example" not in model:
        return f"<table>{rows}</table>" if rows else ""
    return f"{_pre(model['example'])}<details><summary>Fields</summary><table>{rows}</table></details>"


def _fields(prefix: str, model: dict[str, Any], models: dict[str, Any]) -> Iterator[str]:
    """A row for each field, and for those of what it is made of: `streams[].name`."""
    for name, field in model.get("properties", {}).items():
        of = models.get(_referred(field), {})
        is_list = "items" in field
        told = {**of, **field} if "enum" in of else field
        yield _row(prefix + name, told, required=name in model.get("required", []))
        yield from _fields(f"{prefix}{name}{'[]' if is_list else ''}.", of, models)


def _row(name: str, field: dict[str, Any], *, required: bool) -> str:
    need = "" if required else "<small>optional</small>"
    description = f"{_inline(field['description'])} " if "description" in field else ""
    return f"<tr><td><code>{escape(name)}</code>{need}</td><td>{description}<small>{_brief(field)}</small></td></tr>"


def _referred(schema: dict[str, Any]) -> str:
    """The name of the model that a schema refers to, itself or for its items; empty if none."""
    reference: str = schema.get("$ref") or schema.get("items", {}).get("$ref") or ""
    return reference.rpartition("/")[2]


def _brief(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "enum" in schema:
        return " · ".join(f"<code>{escape(str(word))}</code>" for word in schema["enum"])
    default = [f"default {escape(json.dumps(schema['default']))}"] if schema.get("default") is not None else []
    if "anyOf" in schema:
        return ", ".join([" or ".join(_brief(choice) for choice in schema["anyOf"]), *default])
    kind = "list" if "items" in schema else escape(str(schema.get("type", "object")))
    words = [f"list of {_brief(schema['items'])}" if "type" in schema.get("items", {}) else kind]
    words += [escape(str(schema["format"]))] if "format" in schema else []
    low, high = schema.get("minimum"), schema.get("maximum")
    words += [f"{low:,} to {high:,}"] if low is not None and high is not None else []
    words += [f"{low:,} or more"] if low is not None and high is None else []
    words += [f"at most {schema['maxLength']} characters"] if "maxLength" in schema else []
    pattern = schema.get("pattern", "")
    # The page has told of what all texts and names are once, at its top.
    is_shown = pattern not in {"", TEXT_PATTERN, NAME_PATTERN} and len(pattern) < _PATTERN_LETTERS_MAX
    words += [f"<code>{escape(pattern)}</code>"] if is_shown else []
    return ", ".join(words + default)


def _prose(markdown: str) -> str:
    """Paragraphs with `code` in them: all of Markdown that the document uses."""
    return "".join(f"<p>{_inline(paragraph)}</p>" for paragraph in markdown.split("\n\n") if paragraph.strip())


def _inline(text: str) -> str:
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def _method(method: str) -> str:
    return f'<i class="{escape(method)}">{escape(method.upper())}</i>'


def _pre(value: object) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"
