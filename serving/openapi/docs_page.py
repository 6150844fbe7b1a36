"""GET /docs: the OpenAPI document as one page that loads nothing else and runs no script."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator
from typing import Any

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { line-height: 1.2; }
h3 { margin-bottom: 0.3rem; }
details { border: 1px solid #8886; border-radius: 0.5rem; margin: 0.6rem 0; padding: 0.5rem 1rem; }
summary { cursor: pointer; }
summary code { font-weight: bold; }
.method { display: inline-block; min-width: 3.2rem; font-weight: bold; text-transform: uppercase; }
.get { color: light-dark(#05682f, #5fd38d); }
.post { color: light-dark(#0a4ea3, #7db4ff); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8884; padding: 0.3rem 0.6rem; text-align: left;
  vertical-align: top; }
pre { background: #8882; border-radius: 0.3rem; overflow-x: auto; padding: 0.6rem; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
# Long strings in examples, pictures in base64, are shown by their beginning.
_MAX_SHOWN = 60


def render(document: dict[str, Any]) -> str:
    """The page of an OpenAPI document.

    Args:
        document: as `openapi_document.build` makes it.

    Returns:
        HTML.
    """
    info = document["info"]
    paragraphs = "".join(f"<p>{_prose(text)}</p>" for text in info["description"].split("\n\n"))
    operations = "".join(
        _operation(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    named = "".join(
        _schema(name, schema) for name, schema in document["components"]["schemas"].items()
    )
    title = _escape(f"{info['title']} {info['version']}")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{title}</title><style>{_STYLE}</style></head>'
        f"<body><main><h1>{title}</h1>{paragraphs}"
        '<p><a href="/openapi.json">openapi.json</a>, <a href="/">try it</a></p>'
        f"<h2>Routes</h2>{operations}<h2>Objects</h2>{named}</main></body></html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    lock = " &#128274;" if operation["security"] else ""
    body = operation.get("requestBody", {"content": {}})["content"]
    takes = "".join(_body(media_type, content) for media_type, content in body.items())
    rows = [
        (status, answer["description"], _contents(answer))
        for status, answer in operation["responses"].items()
    ]
    example = next(
        (content["example"] for content in _media(operation) if "example" in content), None
    )
    return (
        f'<details id="{_escape(operation["operationId"])}"><summary>'
        f'<span class="method {method}">{method}</span> <code>{_escape(path)}</code>{lock} '
        f"{_escape(operation['summary'])}</summary>{takes}<h3>Answers</h3>"
        f"{_table(('status', 'meaning', 'content'), rows)}{_example(example)}</details>"
    )


def _media(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for answer in operation["responses"].values():
        yield from answer.get("content", {}).values()


def _contents(answer: dict[str, Any]) -> str:
    """The names of an answer's schemas; its media type if it has none."""
    shown = []
    for media_type, content in answer.get("content", {}).items():
        schema = content["schema"]
        references = [one for one in schema.get("anyOf", [schema]) if "$ref" in one]
        shown += [_kind(one) for one in references] or [media_type]
    return ", ".join(shown)


def _body(media_type: str, content: dict[str, Any]) -> str:
    shown = "".join(_example(one["value"]) for one in content.get("examples", {}).values())
    name = _escape(_kind(content["schema"]))
    return f'<h3>Takes {_escape(media_type)}: <a href="#{name}">{name}</a></h3>{shown}'


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        (
            field + ("" if field in required else " (optional)"),
            _kind(one),
            " ".join([one.get("description", ""), *_limits(one)]).strip(),
        )
        for field, one in schema["properties"].items()
    ]
    table = _table(("field", "type", "meaning"), rows)
    return (
        f'<details id="{_escape(name)}"><summary><code>{_escape(name)}</code> '
        f"{_prose(schema['description'])}</summary>{table}</details>"
    )


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    kind = schema["type"]
    if kind == "array":
        kind = f"array of {_kind(schema['items'])}"
    return kind + (" or null" if schema.get("nullable") else "")


def _limits(schema: dict[str, Any]) -> list[str]:
    words = {
        "minimum": "at least",
        "maximum": "at most",
        "minItems": "items at least",
        "maxItems": "items at most",
        "maxLength": "letters at most",
        "default": "unless given",
    }
    shown = [f"{word} {json.dumps(schema[key])}" for key, word in words.items() if key in schema]
    choices = [json.dumps(value) for value in schema.get("enum", ())]
    if choices:
        shown.append(f"one of {', '.join(choices)}")
    return [f"({'; '.join(shown)})"] if shown else []


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    titles = "".join(f"<th>{_escape(title)}</th>" for title in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{_prose(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="scroll"><table><tr>{titles}</tr>{lines}</table></div>'


def _example(value: Any) -> str:
    if value is None:
        return ""
    return f"<pre>{_escape(json.dumps(_shorten(value), indent=2))}</pre>"


def _shorten(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _MAX_SHOWN:
        return f"{value[:_MAX_SHOWN]}..."
    if isinstance(value, list):
        return [_shorten(item) for item in value]
    if isinstance(value, dict):
        return {name: _shorten(item) for name, item in value.items()}
    return value


def _escape(text: str) -> str:
    return html.escape(text)


def _prose(text: str) -> str:
    """Text in which `this` is code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", _escape(text))
