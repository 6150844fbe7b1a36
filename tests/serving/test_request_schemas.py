"""What a body may hold; `test_app.py` has the table of what it may not, over HTTP."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import errors, request_schemas

BODY = {"image": "aGVsbG8=", "action": " skewering ", "food_type": "strawberry"}
INSTRUCTION = request_schemas.Instruction("skewering", "strawberry", None)


def test_complete_body():
    assert request_schemas.parse_predict(BODY) == request_schemas.PredictRequest(
        image=b"hello", instruction=INSTRUCTION, resize=None
    )
    request = request_schemas.parse_predict({**BODY, "text": "eat", "resize": "crop"})
    assert (request.instruction.text, request.resize) == ("eat", "crop")


def test_a_form_brings_the_file_itself():
    assert request_schemas.parse_predict({**BODY, "image": b"\xff\xd8"}).image == b"\xff\xd8"
    with pytest.raises(errors.RequestError, match="'image': expected .* got 0 bytes"):
        request_schemas.parse_predict({**BODY, "image": b""})


def test_text_alone_is_an_instruction_and_half_a_pair_is_none():
    request = request_schemas.parse_predict({"image": "aGVsbG8=", "text": "eat the berry"})
    assert request.instruction == request_schemas.Instruction(None, None, "eat the berry")
    with pytest.raises(errors.RequestError, match="'food_type' is missing"):
        request_schemas.parse_predict({"image": "aGVsbG8=", "text": "eat", "action": "skewering"})
    with pytest.raises(errors.RequestError, match="'action' is missing"):
        request_schemas.parse_predict({"image": "aGVsbG8=", "text": "  "})


def test_batch_defaults_and_what_existing_clients_send():
    assert request_schemas.parse_predict_batch(BODY) == request_schemas.BatchRequest(
        images=(b"hello",),
        several=False,
        instruction=INSTRUCTION,
        resize=None,
        batch_size=16,
        enable_dropout=True,
        dropout_scope="head",
        seed=None,
    )
    request = request_schemas.parse_predict_batch(
        {**BODY, "batch_size": 4, "enable_dropout": False, "dropout_scope": "full", "seed": 7}
    )
    assert (request.batch_size, request.enable_dropout) == (4, False)
    assert (request.dropout_scope, request.seed) == ("full", 7)


def test_several_images():
    body = {name: BODY[name] for name in ("action", "food_type")}
    request = request_schemas.parse_predict_batch({**body, "images": ["aGVsbG8=", "Yg=="]})
    assert request.several and request.images == (b"hello", b"b")
    assert request_schemas.parse_predict_batch({**body, "images": [b"file"]}).images == (b"file",)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"images": []}, "'images': expected an array of 1 to 16 pictures.* got 0"),
        ({"images": ["aGVsbG8="] * 17}, "got 17"),
        ({"images": "aGVsbG8="}, "got a string"),
        ({"images": ["aGVsbG8=", 3]}, r"'images\[1\]': expected .* got a number"),
        ({"images": ["aGVsbG8=", "?"]}, r"'images\[1\]': expected base64"),
        ({"images": ["aGVsbG8="], "image": "aGVsbG8="}, "either 'image' or 'images', got both"),
        ({"image": "aGVsbG8=", "batch_size": 65}, "'batch_size': .* 1 to 64, got 65"),
        ({"image": "aGVsbG8=", "seed": 2**31}, "'seed': .* to 2147483647"),
        ({"image": "aGVsbG8=", "dropout_scope": "all"}, "'dropout_scope': expected one of head"),
    ],
)
def test_bad_batches_are_refused(fields, message):
    body = {"action": "skewering", "food_type": "strawberry", **fields}
    with pytest.raises(errors.RequestError, match=message) as caught:
        request_schemas.parse_predict_batch(body)
    assert caught.value.status == 400


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(
    st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
    | st.fixed_dictionaries(
        {},
        optional={
            name: VALUES | st.lists(st.text())
            for name in (
                *("image", "images", "action", "food_type", "text", "resize", "batch_size"),
                *("enable_dropout", "dropout_scope", "seed", "checkpoint_path"),
            )
        },
    )
)
def test_any_json_is_parsed_or_refused_with_a_reason(body):
    for parse in (
        request_schemas.parse_predict,
        request_schemas.parse_predict_batch,
        request_schemas.parse_load_model,
    ):
        try:
            assert parse(body)
        except errors.RequestError as error:
            assert error.status == 400
            assert len(error.message) < 1000 or len(str(body)) > 500
