from __future__ import annotations

import json
import math

import numpy as np
import pytest

from evaluation import strict_json
from evaluation.report import plain_json
from tests.evaluation.report import documents


def test_pictures_and_nan_go_and_sections_are_in_order():
    image = np.zeros((2, 2, 3), np.uint8)
    given = {
        "mine": (1, 2),
        "examples": {"best": [{"radius": math.nan, "image": image}]},
        "data": {"share": np.float32(0.5), "ids": np.arange(2), "high": math.inf},
        "title": "a",
        "format_version": 1,
    }
    found = plain_json.plain(given)
    assert found == {
        "format_version": 1,
        "title": "a",
        "data": {"share": 0.5, "ids": [0, 1], "high": None},
        "examples": {"best": [{"radius": None}]},
        "mine": [1, 2],
    }
    assert list(found) == ["format_version", "title", "data", "examples", "mine"]


def test_text_is_strict_json_and_the_same_for_another_order_of_sections():
    document = documents.document()
    text = plain_json.as_text(plain_json.plain(document))
    backwards = dict(reversed(list(document.items())))
    assert plain_json.as_text(plain_json.plain(backwards)) == text
    read = strict_json.parse(text, "report.json")
    assert plain_json.plain(read) == read
    assert read["errors"]["model"] == json.loads(json.dumps(document["errors"]["model"]))
    assert read["examples"]["worst"][1]["uncertainty"] is None


@pytest.mark.parametrize("version", [2, None, "1"])
def test_another_version_is_refused(version):
    with pytest.raises(ValueError, match="expected a document of format_version 1, got"):
        plain_json.plain({"format_version": version, "title": "a"})


def test_a_title_is_needed():
    with pytest.raises(ValueError, match="expected a title"):
        plain_json.plain({"format_version": 1})


def test_what_json_has_not_is_refused_with_its_place():
    given = {"format_version": 1, "title": "a", "data": {"ids": [0, {1}]}}
    with pytest.raises(ValueError, match=r"data\.ids\[1\]: expected a value .* got set"):
        plain_json.plain(given)
