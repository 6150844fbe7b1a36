"""The lists can be written into requests, and hold what must be tried."""

from __future__ import annotations

import json

from tools.fuzzing import broken_values


def test_each_value_stands_for_one_value_in_json():
    for text in broken_values.VALUES:
        if len(text) <= 4300:  # Python refuses numbers of more digits.
            assert len(json.loads(f"[{text}]")) == 1, text[:20]


def test_lists_hold_what_must_be_tried():
    assert {"NaN", "Infinity", "1e999", '"\\ud800"', "null"} <= set(broken_values.VALUES)
    assert any(body.count(b"[") >= 100_000 for body in broken_values.BODIES)
    assert any(".." in path for path in broken_values.PATHS)
    assert any(b"Content-Length: -1" in raw for raw in broken_values.RAW)


def test_headers_fit_into_a_request():
    for name, value in broken_values.HEADERS:
        assert name.isascii() and "\n" not in value
        assert value.encode("latin-1")
