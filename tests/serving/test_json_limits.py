"""JSON that is too deep, too much, or not JSON, however it hides."""

from __future__ import annotations

import json

import hypothesis
import pytest
from hypothesis import strategies as st

from serving import errors, json_limits


def depth_of(data, limit=20):
    """The smallest limit that lets it through."""
    for depth in range(limit):
        try:
            json_limits.check_depth(data, depth)
        except errors.RequestError:
            continue
        return depth
    raise AssertionError("deeper")


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("1", 0),
        ('"[[[["', 0),
        ("[]", 1),
        ('{"a": 1, "b": 2}', 1),
        ('{"a": [[1], "]"]}', 3),
        ("[[],[],[]]", 2),
        ('["\\"", [1], "\\\\", [1]]', 2),
        ('["\\\\\\"[[[["]', 1),
        ('["\\\\", [[1]]]', 3),
        ('{"a[": {"b{": [0]}}', 3),
        ('["', 1),
        ("]]]]", 0),
        ("", 0),
    ],
)
def test_depth(text, depth):
    assert depth_of(text.encode()) == depth


def real_depth(value):
    if isinstance(value, dict):
        return 1 + max((real_depth(one) for one in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((real_depth(one) for one in value), default=0)
    return 0


TEXTS = st.text(alphabet='[]{}"\\,: aé\u2028')
VALUES = st.recursive(
    TEXTS | st.integers() | st.none() | st.booleans() | st.floats(allow_nan=False).map(abs),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@hypothesis.settings(max_examples=40)
@hypothesis.given(VALUES, st.booleans())
def test_depth_is_that_of_the_parsed_value(value, is_ascii):
    data = json.dumps(value, ensure_ascii=is_ascii).encode()
    if "Infinity" not in data.decode():
        assert depth_of(data) == real_depth(value)
        assert json_limits.parse(data, 20) == value


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":[', '{"\\"":['])
@pytest.mark.parametrize("times", [9, 2000, 200_000])
def test_deep_json_is_refused_before_it_is_parsed(opening, times):
    with pytest.raises(errors.RequestError) as caught:
        json_limits.parse((opening * times).encode(), 8)
    assert caught.value.status == 400
    assert "at most" in caught.value.message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32-be"])
def test_other_encodings_cannot_hide_brackets(encoding):
    """U+2200 in UTF-16 holds the byte of a quote; what follows would count as a string."""
    data = ('["\u2200"' + ",[" * 3000).encode(encoding)
    with pytest.raises(errors.RequestError, match="UTF-8, got a body with zero bytes"):
        json_limits.parse(data, 8)


@pytest.mark.parametrize(
    "text",
    ["[" + "[]," * 10_000, "1," * 10_001, '""' * 20_001, "{}" * 10_001],
    ids=["arrays", "numbers", "strings", "objects"],
)
def test_many_values_are_refused(text):
    with pytest.raises(errors.RequestError, match="at most 10000 values"):
        json_limits.check_depth(text.encode(), 8)


def test_sixteen_large_pictures_are_not_many_values():
    body = {"images": ["A" * 100_000] * 16, "text": 'a "quoted" text, [with] {signs} \\'}
    assert json_limits.parse(json.dumps(body).encode(), 8) == body


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "got no JSON: Expecting property name"),
        (b"", "got no JSON: Expecting value"),
        (b"\xff{}", "got no JSON"),
        (b'{"a": NaN}', "expected a finite number, got NaN"),
        (b"[-Infinity]", "expected a finite number, got -Infinity"),
        (b"[1e999]", "expected a finite number, got 1e999"),
        (b"[-1e999]", "expected a finite number, got -1e999"),
        (b"1" * 5000, "got no JSON"),
        (b"]" * 1_000_000, "got no JSON"),
        (b'["\xed\xa0\x80"]', "got no JSON"),
    ],
)
def test_what_is_no_json(data, message):
    with pytest.raises(errors.RequestError, match=message) as caught:
        json_limits.parse(data, 8)
    assert caught.value.status == 400
    assert len(caught.value.message) < 200


def test_numbers_keep_their_values():
    assert json_limits.parse(b"[1e308, -0.5, 12345678901234567890]", 1) == [
        1e308,
        -0.5,
        12345678901234567890,
    ]
