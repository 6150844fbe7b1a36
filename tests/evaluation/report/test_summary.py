from __future__ import annotations

import pytest

from evaluation.report import summary
from tests.evaluation.report import documents


def text(document) -> str:
    return " ".join(summary.sentences(document)).replace("\N{NO-BREAK SPACE}", " ")


def test_the_numbers_that_decide():
    assert text(documents.plain_document()) == (
        "2008 samples of 700 pictures (plates.npz, val) were asked. "
        "The model's midpoint is on average 0.0342 of the picture's side (95 % interval "
        "0.0308–0.0376; 8.1 px) from the labelled one. "
        "The best answer without a model (mean of the training labels) is 0.1026 off. "
        "It is on the instructed food in 81 % of the samples (73–89); the best answer without a "
        "model (mean of the training labels) in 27 %. "
        "Asking a human about the 20 % most uncertain plates (token distribution, one pass) lowers "
        "the mean error of the rest by 34 %. "
        "The region that should hold the labelled midpoint in 90 % of the samples holds it in "
        "90.3 %. "
        "Its midpoints are nearer than those of older checkpoint."
    )


def test_of_what_is_not_known_nothing_is_said():
    assert text({}) == "How many samples were evaluated is not known."
    document = documents.plain_document()
    document["errors"] = {"model": {"centroid_error": {"mean": 0.05, "low": None, "high": None}}}
    document |= {"uncertainty": [], "calibration": None, "comparison": None}
    assert text(document) == (
        "2008 samples of 700 pictures (plates.npz, val) were asked. The model's midpoint is on "
        "average 0.0500 of the picture's side from the labelled one."
    )


def test_a_gain_below_zero_is_said_as_it_is():
    document = documents.plain_document()
    document["uncertainty"][0]["figures"]["gain_20"] = -0.05
    assert "raises the mean error of the rest by 5 %" in text(document)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(-0.1, 0.1, "not shown to be nearer or farther"), (0.1, 0.2, "farther")],
)
def test_comparison(low, high, expected):
    document = documents.plain_document()
    document["comparison"]["columns"]["centroid_error"] |= {"low": low, "high": high}
    assert text(document).endswith(f"Its midpoints are {expected} than those of older checkpoint.")


def test_default_source():
    document = documents.plain_document()
    assert summary.default_source(document)["label"] == "token distribution, one pass"
    document["uncertainty"][0]["is_default"] = False
    assert summary.default_source(document) is None
    assert summary.default_source({}) is None
