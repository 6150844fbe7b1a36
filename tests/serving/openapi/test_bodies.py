"""What a form takes is what JSON takes, but for files and null."""

from __future__ import annotations

from serving import request_schemas
from serving.openapi import bodies


def test_limits_are_those_of_the_checks():
    properties = bodies.predict_batch_request()["properties"]
    assert properties["batch_size"]["maximum"] == request_schemas.MAX_BATCH_SIZE == 64
    assert properties["batch_size"]["default"] == request_schemas.DEFAULT_BATCH_SIZE == 16
    assert properties["seed"]["maximum"] == request_schemas.MAX_SEED == 2147483647
    assert properties["images"]["maxItems"] == request_schemas.MAX_IMAGES == 16
    assert properties["resize"]["enum"] == ["stretch", "letterbox", "crop", None]
    assert properties["dropout_scope"]["default"] == "head"


def test_form_has_files_and_no_null():
    schema = bodies.predict_batch_request()
    form = bodies.as_form(schema, "image", "images")
    file = {"type": "string", "format": "binary"}
    assert {**file, "description": "x"}.keys() == form["properties"]["image"].keys()
    assert form["properties"]["image"]["format"] == "binary"
    assert form["properties"]["images"]["items"] == form["properties"]["image"]
    assert form["properties"]["images"]["maxItems"] == 16
    assert form["properties"]["resize"]["enum"] == ["stretch", "letterbox", "crop"]
    assert not any(field.get("nullable") for field in form["properties"].values())
    assert form["properties"].keys() == schema["properties"].keys()


def test_making_a_form_leaves_the_json_as_it_was():
    schema = bodies.predict_request()
    bodies.as_form(schema, "image")
    assert schema == bodies.predict_request()


def test_other_routes_want_a_correction_whole():
    schema = bodies.correction_request()
    assert schema["required"] == ["request_id", "start_x", "start_y", "end_x", "end_y"]
    assert (schema["properties"]["end_x"]["minimum"], schema["properties"]["end_x"]["maximum"]) == (
        0,
        1,
    )
