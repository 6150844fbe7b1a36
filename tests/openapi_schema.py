"""Checks values against the schemas of an OpenAPI 3.0.3 document.

Those are JSON Schema Draft 4 but for `nullable`.
"""

from __future__ import annotations

from typing import Any

import jsonschema


def problems(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """What is wrong with a value, "$.field: reason" each; empty if it fits."""
    whole = _json_schema({**schema, "components": document["components"]})
    jsonschema.Draft4Validator.check_schema(whole)
    errors = jsonschema.Draft4Validator(whole).iter_errors(value)
    return [f"{error.json_path}: {error.message}" for error in errors]


def _json_schema(schema: Any) -> Any:
    """The same in the words of JSON Schema, which has no `nullable`."""
    if isinstance(schema, list):
        return [_json_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    # Whoever reads the document ignores what stands beside a reference.
    assert "$ref" not in schema or schema.keys() <= {"$ref", "components"}, schema
    converted = {name: _json_schema(one) for name, one in schema.items()}
    if converted.pop("nullable", False):
        return {"anyOf": [{"type": "null"}, converted]}
    return converted
