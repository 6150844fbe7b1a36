"""Single fields: right values pass, others are refused with a 400 that names the field."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import errors, request_fields


@pytest.mark.parametrize(
    "text",
    ["aGVsbG8=", "data:image/jpeg;base64,aGVsbG8=", "aGVs\nbG8=\n", "data:;base64,aGVsbG8="],
)
def test_forms_of_base64(text):
    assert request_fields.decode_base64(text) == b"hello"


@given(st.binary(min_size=1), st.sampled_from([base64.b64encode, base64.encodebytes]))
def test_base64_round_trip(data, encode):
    assert request_fields.decode_base64(encode(data).decode()) == data


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (lambda f: request_fields.integer(f, "x", (1, 64)), 64, 64),
        (lambda f: request_fields.integer(f, "x", (1, 64)), "16", 16),
        (lambda f: request_fields.integer(f, "x", (1, 64)), None, None),
        (lambda f: request_fields.boolean(f, "x", default=True), None, True),
        (lambda f: request_fields.boolean(f, "x", default=True), False, False),
        (lambda f: request_fields.boolean(f, "x", default=False), "True", True),
        (lambda f: request_fields.choice(f, "x", ("head", "full")), "full", "full"),
        (lambda f: request_fields.choice(f, "x", ("head", "full")), None, None),
        (lambda f: request_fields.coordinate(f, "x"), 1, 1.0),
        (lambda f: request_fields.coordinate(f, "x"), "0.25", 0.25),
        (lambda f: request_fields.optional_text(f, "x"), "a b", "a b"),
        (lambda f: request_fields.name(f, "x", "a name"), " a b ", "a b"),
    ],
)
def test_good_values(read, value, expected):
    assert read({"x": value}) == expected


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (lambda f: request_fields.integer(f, "x", (1, 64)), 0, "from 1 to 64, got 0"),
        (lambda f: request_fields.integer(f, "x", (1, 64)), 65, "got 65"),
        (lambda f: request_fields.integer(f, "x", (1, 64)), 1.0, "got 1.0"),
        (lambda f: request_fields.integer(f, "x", (1, 64)), True, "got True"),
        (lambda f: request_fields.integer(f, "x", (1, 64)), "²", "got a string"),
        (lambda f: request_fields.integer(f, "x", (1, 64)), "9" * 5000, "got a string"),
        (lambda f: request_fields.integer(f, "x", (1, 64)), [], "got an array"),
        (lambda f: request_fields.boolean(f, "x", default=True), 1, "true or false, got a number"),
        (lambda f: request_fields.boolean(f, "x", default=True), "yes", "got a string"),
        (lambda f: request_fields.choice(f, "x", ("head", "full")), "Head", "got 'Head'"),
        (lambda f: request_fields.choice(f, "x", ("head", "full")), {}, "got an object"),
        (lambda f: request_fields.coordinate(f, "x"), 1.01, "from 0 to 1, got 1.01"),
        (lambda f: request_fields.coordinate(f, "x"), float("nan"), "got nan"),
        (lambda f: request_fields.coordinate(f, "x"), None, "got null"),
        (lambda f: request_fields.coordinate(f, "x"), "left", "got 'left'"),
        (lambda f: request_fields.optional_text(f, "x"), "a" * 1001, "got 1001 letters"),
        (lambda f: request_fields.name(f, "x", "a name"), "a" * 201, "1 to 200 letters, got 201"),
        (lambda f: request_fields.name(f, "x", "a name"), b"\xff", "got a file"),
        (lambda f: request_fields.name(f, "y", "a name"), "a", r"'y' is missing.*\['x'\]"),
    ],
)
def test_bad_values_are_named(read, value, message):
    with pytest.raises(errors.RequestError, match=message) as caught:
        read({"x": value})
    assert caught.value.status == 400
