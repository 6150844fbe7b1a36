"""Checks values against the schemas of an OpenAPI 3.0.3 document.

Those are JSON Schema Draft 4 but for `nullable`, and without some of its keywords. A keyword that
is not known here fails the test that uses it, instead of checking nothing.
"""

from __future__ import annotations

from typing import Any

import jsonschema

_LACKING = {"additionalItems", "dependencies", "patternProperties"}
KEYWORDS = jsonschema.Draft4Validator.VALIDATORS.keys() - _LACKING
KEYWORDS |= {"default", "description", "nullable"}


def resolve(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, or what it points to."""
    while "$ref" in schema:
        place = document
        for name in schema["$ref"].removeprefix("#/").split("/"):
            place = place[name]
        schema = place
    return schema


def problems(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """What is wrong with a value, "$.field: reason" each; empty if it fits."""
    named = document["components"]["schemas"]
    whole = {
        **_json_schema(schema),
        "components": {"schemas": {name: _json_schema(one) for name, one in named.items()}},
    }
    jsonschema.Draft4Validator.check_schema(whole)
    errors = jsonschema.Draft4Validator(whole).iter_errors(value)
    return [f"{error.json_path}: {error.message}" for error in errors]


def _json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema in the words of JSON Schema, which has no `nullable`."""
    assert schema.keys() <= KEYWORDS, f"keywords that this check does not know: {schema}"
    # Whoever reads the document ignores what stands beside a reference.
    assert "$ref" not in schema or len(schema) == 1, f"$ref has siblings: {schema}"
    converted = dict(schema)
    for name in {"additionalProperties", "items", "not"} & schema.keys():
        if isinstance(schema[name], dict):
            converted[name] = _json_schema(schema[name])
    for name in {"allOf", "anyOf", "oneOf"} & schema.keys():
        converted[name] = [_json_schema(one) for one in schema[name]]
    if "properties" in schema:
        fields = schema["properties"].items()
        converted["properties"] = {name: _json_schema(one) for name, one in fields}
    if converted.pop("nullable", False):
        return {"anyOf": [{"type": "null"}, converted]}
    return converted
