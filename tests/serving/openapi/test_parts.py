"""The small pieces of schemas, word for word."""

from __future__ import annotations

from serving.openapi import parts


def test_pieces():
    assert parts.reference("A") == {"$ref": "#/components/schemas/A"}
    assert parts.a_string() == {"type": "string"}
    assert parts.a_string("x") == {"type": "string", "description": "x"}
    assert parts.a_text("x", 5) == {
        "type": "string",
        "description": "x",
        "minLength": 1,
        "maxLength": 5,
    }
    assert parts.a_number("x", minimum=0) == {"type": "number", "description": "x", "minimum": 0}
    assert parts.an_integer("x", 1) == {"type": "integer", "description": "x", "minimum": 1}
    assert parts.an_integer("x", 1, 2)["maximum"] == 2
    assert parts.or_null({"type": "string"}) == {"type": "string", "nullable": True}
    assert parts.an_array({}, 1, 2) == {"type": "array", "items": {}, "minItems": 1, "maxItems": 2}
    assert parts.always_true() == {"type": "boolean", "enum": [True]}


def test_an_object_needs_what_is_not_optional():
    properties = {"a": {}, "b": {}}
    assert parts.an_object("x", properties, ("b",))["required"] == ["a"]
    assert "required" not in parts.an_object("x", properties, ("a", "b"))
