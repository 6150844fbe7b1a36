"""The small pieces that schemas are made of: `a_number("Degrees.", minimum=0)` and the like."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def reference(name: str) -> Schema:
    """Points to one of `components`."""
    return {"$ref": f"#/components/schemas/{name}"}


def an_object(description: str, properties: Schema, optional: tuple[str, ...] = ()) -> Schema:
    """An object that has all its properties, but for those that are optional."""
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        # 3.0.3 does not allow an empty list.
        **({"required": required} if required else {}),
    }


def a_string(description: str = "") -> Schema:
    """Any text."""
    return {"type": "string", **({"description": description} if description else {})}


def a_text(description: str, max_length: int) -> Schema:
    """Text of 1 to `max_length` letters."""
    return {"type": "string", "description": description, "minLength": 1, "maxLength": max_length}


def a_number(description: str = "", **limits: float) -> Schema:
    """A number; `limits` are minimum and maximum."""
    return {"type": "number", **({"description": description} if description else {}), **limits}


def an_integer(description: str, low: int, high: int | None = None) -> Schema:
    """A whole number from `low` to `high`."""
    schema = {"type": "integer", "description": description, "minimum": low}
    return schema if high is None else {**schema, "maximum": high}


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    return {**schema, "nullable": True}


def an_array(items: Schema, low: int, high: int, description: str = "") -> Schema:
    """A list of `low` to `high` items."""
    schema = {"type": "array", "items": items, "minItems": low, "maxItems": high}
    return {**schema, **({"description": description} if description else {})}


def always_true() -> Schema:
    """`success` of an answer that is no error."""
    return {"type": "boolean", "enum": [True]}
