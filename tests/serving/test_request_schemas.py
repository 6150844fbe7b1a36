"""What a body may hold; `test_app.py` has the table of what it may not, over HTTP."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import errors, request_schemas

BODY = {"image": "aGVsbG8=", "action": " skewering ", "food_type": "strawberry"}


def test_complete_body():
    assert request_schemas.parse_predict(BODY) == request_schemas.PredictRequest(
        image=b"hello", action="skewering", food_type="strawberry", text=None
    )
    assert request_schemas.parse_predict({**BODY, "text": "eat"}).text == "eat"


@pytest.mark.parametrize(
    "text",
    ["aGVsbG8=", "data:image/jpeg;base64,aGVsbG8=", "aGVs\nbG8=\n", "data:;base64,aGVsbG8="],
)
def test_forms_of_base64(text):
    assert request_schemas.decode_base64(text) == b"hello"


@given(st.binary(min_size=1), st.sampled_from([base64.b64encode, base64.encodebytes]))
def test_base64_round_trip(data, encode):
    assert request_schemas.decode_base64(encode(data).decode()) == data


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
    | st.fixed_dictionaries(
        {},
        optional={
            name: st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())
            for name in ("image", "action", "food_type", "text")
        },
    )
)
def test_any_json_is_parsed_or_refused_with_a_reason(body):
    try:
        request = request_schemas.parse_predict(body)
    except errors.RequestError as error:
        assert error.status in (400, 422)
        assert len(error.message) < 1000 or len(str(body)) > 500
    else:
        assert request.image and request.action and request.food_type


def test_long_names_are_refused():
    with pytest.raises(errors.RequestError, match="1 to 200 letters, got 201") as caught:
        request_schemas.parse_predict({**BODY, "food_type": "x" * 201})
    assert caught.value.status == 400


def test_text_with_only_one_of_action_and_food_names_the_other():
    body = {"image": BODY["image"], "action": "skewering", "text": "eat"}
    with pytest.raises(errors.RequestError, match="'food_type' is missing"):
        request_schemas.parse_predict(body)
