"""Each named schema says what it means, and refuses what does not fit."""

from __future__ import annotations

import pytest

from serving.openapi import examples, schemas
from tests import openapi_schema

DOCUMENT = {"components": {"schemas": schemas.components()}}
PAIRS = {
    "PredictRequest": examples.PREDICT_REQUEST,
    "PredictBatchRequest": examples.PREDICT_BATCH_REQUEST,
    "LoadModelRequest": examples.LOAD_MODEL_REQUEST,
    "CorrectionRequest": examples.CORRECTION_REQUEST,
    "PredictAnswer": examples.PREDICT_ANSWER,
    "PredictBatchAnswer": examples.PREDICT_BATCH_ANSWER,
    "PredictImagesAnswer": examples.PREDICT_IMAGES_ANSWER,
    "Health": examples.HEALTH,
    "Ready": examples.READY,
    "Combinations": examples.COMBINATIONS,
    "LoadModelAnswer": examples.LOAD_MODEL_ANSWER,
    "CorrectionAnswer": examples.CORRECTION_ANSWER,
}


def problems(value, name):
    return openapi_schema.problems(value, {"$ref": f"#/components/schemas/{name}"}, DOCUMENT)


def nodes(value):
    """Every object in a schema, itself included."""
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from nodes(one)
    elif isinstance(value, list):
        for one in value:
            yield from nodes(one)


@pytest.mark.parametrize(
    "schema",
    [
        {"const": 1},  # of a later JSON Schema, so nobody would check it
        {"type": "object", "properties": {"a": {"anyOf": [{"type": "string", "minlength": 1}]}}},
        {"type": "array", "items": {"$ref": "#/components/schemas/Error", "nullable": True}},
    ],
)
def test_a_keyword_that_would_check_nothing_is_found(schema):
    with pytest.raises(AssertionError, match="does not know|siblings"):
        openapi_schema.problems([], schema, DOCUMENT)
    with pytest.raises(AssertionError, match="does not know|siblings"):
        openapi_schema.problems([], {}, {"components": {"schemas": {"New": schema}}})


@pytest.mark.parametrize("name", PAIRS)
def test_example_fits_and_no_required_field_may_be_left_out(name):
    assert problems(PAIRS[name], name) == []
    schema = DOCUMENT["components"]["schemas"][name]
    for field in schema.get("required", ()):
        without = {key: value for key, value in PAIRS[name].items() if key != field}
        assert problems(without, name) == [f"$: {field!r} is a required property"]


def test_every_reference_leads_somewhere():
    references = [node["$ref"] for node in nodes(schemas.components()) if "$ref" in node]
    assert references
    for reference in references:
        assert openapi_schema.resolve({"$ref": reference}, DOCUMENT)


def test_openapi_3_0_3_has_no_type_lists_and_no_empty_lists():
    for node in nodes(schemas.components()):
        assert not isinstance(node.get("type"), list)
        assert node.get("required") != [] and node.get("enum") != []


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("PredictRequest", {"image": 1}),
        ("PredictRequest", {"image": ""}),
        ("PredictRequest", {"action": ""}),
        ("PredictRequest", {"food_type": "x" * 201}),
        ("PredictRequest", {"text": "x" * 1001}),
        ("PredictRequest", {"resize": "zoom"}),
        ("PredictBatchRequest", {"batch_size": 0}),
        ("PredictBatchRequest", {"batch_size": 65}),
        ("PredictBatchRequest", {"batch_size": 1.5}),
        ("PredictBatchRequest", {"batch_size": True}),
        ("PredictBatchRequest", {"enable_dropout": 1}),
        ("PredictBatchRequest", {"dropout_scope": "tail"}),
        ("PredictBatchRequest", {"seed": -1}),
        ("PredictBatchRequest", {"seed": 2**31}),
        ("PredictBatchRequest", {"images": [examples.PICTURE]}),
        ("CorrectionRequest", {"start_x": 1.01}),
        ("CorrectionRequest", {"end_y": -0.01}),
        ("CorrectionRequest", {"request_id": ""}),
        ("PredictAnswer", {"success": False}),
        ("Health", {"status": "ill"}),
    ],
)
def test_what_does_not_fit(name, change):
    assert problems({**PAIRS[name], **change}, name) != []


@pytest.mark.parametrize("name", ["PredictRequest", "PredictBatchRequest"])
def test_a_pair_or_a_sentence(name):
    alone = {"image": examples.PICTURE}
    assert problems({**alone, "text": "eat"}, name) == []
    assert problems({**alone, "action": "scooping", "food_type": "rice"}, name) == []
    assert problems(alone, name) != []
    assert problems({**alone, "action": "scooping"}, name) != []


def test_one_picture_or_up_to_sixteen():
    pair = {"action": "scooping", "food_type": "rice"}
    for number, fits in ((0, False), (1, True), (16, True), (17, False)):
        body = {**pair, "images": [examples.PICTURE] * number}
        assert (problems(body, "PredictBatchRequest") == []) is fits
    assert problems(pair, "PredictBatchRequest") != []


@pytest.mark.parametrize("field", ["text", "resize", "batch_size", "enable_dropout", "seed"])
def test_an_option_may_be_null(field):
    body = {**examples.PREDICT_BATCH_REQUEST, field: None}
    assert problems(body, "PredictBatchRequest") == []
