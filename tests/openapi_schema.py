"""The part of OpenAPI 3.0.3's schemas that the server's document uses, as a check of a value.

The usual validators need a newer typing-extensions than TF-Agents allows; `tools/fuzz_server.py`
has them in an environment of its own, and checks the document itself there.
"""

from __future__ import annotations

import re

KEYWORDS = {
    "type",
    "description",
    "properties",
    "required",
    "items",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "enum",
    "nullable",
    "default",
    "pattern",
    "format",
    "anyOf",
    "oneOf",
    "allOf",
}
_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}


def resolve(schema: dict, document: dict) -> dict:
    """The schema itself, or what it points to."""
    while "$ref" in schema:
        assert set(schema) == {"$ref"}, f"$ref has siblings: {schema}"
        place = document
        for name in schema["$ref"].removeprefix("#/").split("/"):
            place = place[name]
        schema = place
    return schema


def problems(value, schema: dict, document: dict, place: str = "value") -> list[str]:
    """What is wrong with a value; empty if it fits."""
    schema = resolve(schema, document)
    assert set(schema) <= KEYWORDS, f"keywords that this check does not know: {schema}"
    if value is None and schema.get("nullable"):
        return []
    found = _combined(value, schema, document, place)
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{place}: {value!r} is not one of {schema['enum']}")
    if "type" not in schema:
        return found + _inside(value, schema, document, place)
    kind = schema["type"]
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return [*found, f"{place}: expected {kind}, got {value!r}"]
    return found + _within(value, schema, place) + _inside(value, schema, document, place)


def _combined(value, schema, document, place) -> list[str]:
    fits = {
        key: [not problems(value, one, document) for one in schema[key]]
        for key in ("anyOf", "oneOf", "allOf")
        if key in schema
    }
    wrong = {
        "anyOf": not any(fits.get("anyOf", [True])),
        "oneOf": sum(fits.get("oneOf", [True])) != 1,
        "allOf": not all(fits.get("allOf", [True])),
    }
    return [f"{place}: {key} does not hold" for key, is_wrong in wrong.items() if is_wrong]


def _within(value, schema, place) -> list[str]:
    size = len(value) if isinstance(value, (str, list)) else None
    outside = (
        (isinstance(value, str) and not re.search(schema.get("pattern", ""), value))
        or (isinstance(value, str) and not _between(size, schema, "minLength", "maxLength"))
        or (isinstance(value, list) and not _between(size, schema, "minItems", "maxItems"))
        or (isinstance(value, (int, float)) and not _between(value, schema, "minimum", "maximum"))
    )
    return [f"{place}: {str(value)[:80]!r} is outside its limits"] if outside else []


def _between(value, schema, low, high) -> bool:
    return schema.get(low, float("-inf")) <= value <= schema.get(high, float("inf"))


def _inside(value, schema, document, place) -> list[str]:
    found = []
    if isinstance(value, dict):
        names = schema.get("properties", {})
        missing = [name for name in schema.get("required", ()) if name not in value]
        found += [f"{place}.{name} is missing" for name in missing]
        for name in value.keys() & names.keys():
            found += problems(value[name], names[name], document, f"{place}.{name}")
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            found += problems(item, schema["items"], document, f"{place}[{index}]")
    return found
