"""Intervals, groups and comparisons of errors that are known."""

import numpy as np
import pytest

from evaluation.study import errors as study_errors
from food_data import npz_dataset
from tests.evaluation.study import fixtures as study_fixtures


def _columns(samples, mm_per_px=None):
    places = np.argmax(samples.dataset.embeddings[samples.indices], axis=1)[:, None]
    answers = study_fixtures.LABEL + places / 100 * np.array([1, 0, 1, 0])
    return study_errors.columns_of(answers, samples, mm_per_px)


def test_the_example_of_the_module():
    values = {"centroid_mae": np.array([0.01, 0.03, 0.05, 0.07])}
    pictures = np.array(["a", "a", "b", "b"])
    found = study_errors.intervals(values, pictures)["centroid_mae"]
    assert found == pytest.approx({"mean": 0.04, "low": 0.02, "high": 0.06, "n": 4})


def test_errors_in_three_units():
    columns = _columns(study_fixtures.samples([0, 10]), mm_per_px=0.5)
    np.testing.assert_allclose(columns["centroid_error"], [0, 0.1], atol=1e-6)
    np.testing.assert_allclose(columns["centroid_error_px"], [0, 23.6], atol=1e-4)
    np.testing.assert_allclose(columns["start_error_mm"], [0, 11.8], atol=1e-4)
    shown = study_errors.shown_metrics(columns)
    assert shown["end_error_mm"] == {
        "label": "end point, distance",
        "unit": "mm",
        "better": "low",
    }
    assert "hit_rate" not in shown


def test_what_is_not_known_is_none():
    found = study_errors.intervals({"hit_rate": np.array([np.nan, np.nan])}, np.array(["a", "b"]))
    assert found["hit_rate"] == {"mean": None, "low": None, "high": None, "n": 0}


def test_groups_by_action_food_and_folder():
    samples = study_fixtures.samples([0, 2, 4, 6], foods=["rice", "grape", "rice", "grape"])
    found = study_errors.groups(_columns(samples), samples, samples.pictures)
    assert {kind: list(rows) for kind, rows in found.items()} == {
        "action": ["skewering"],
        "food": ["grape", "rice"],
        "source": ["day_0", "day_1"],
    }
    assert found["food"]["rice"]["n"] == 2
    assert found["food"]["rice"]["centroid_error"]["mean"] == pytest.approx(0.02, abs=1e-6)
    assert found["source"]["day_1"]["centroid_error"]["mean"] == pytest.approx(0.04, abs=1e-6)


def test_a_data_set_without_names_has_no_groups():
    bare = {"sources": None, "food_types": None, "action_names": None}
    samples = study_fixtures.samples([0, 1], **bare)
    assert study_errors.groups(_columns(samples), samples, samples.pictures) == {}


def test_the_better_model_has_the_negative_difference():
    """Three pictures, each 0.1 better: the least p that three can give is 2 / 8."""
    pictures = np.array(["a", "b", "c"])
    worse = {"centroid_mae": np.array([0.2, 0.3, 0.4])}
    better = {"centroid_mae": worse["centroid_mae"] - 0.1}
    found = study_errors.comparison(better, worse, pictures)["centroid_mae"]
    expected = {"difference": -0.1, "low": -0.1, "high": -0.1, "p_value": 0.25}
    assert found == pytest.approx(expected)


def test_kinds_of_answers_have_the_columns_that_each_would_have_alone():
    """With masks: a long food, a round one and one that nobody knows."""
    masks = np.zeros((3, 236, 236), bool)
    masks[0, 110:126, 80:160] = True
    masks[1, 100:140, 100:140] = True
    samples = study_fixtures.samples([0, 1, 2], masks=npz_dataset.pack_masks(masks))
    kinds = {
        "model": samples.labels.astype(float),
        "other": np.array([[0.1, 0.2, 0.3, 0.4], [0.45, 0.5, 0.55, 0.6], [0, 0, 1, 1.0]]),
    }
    found = study_errors.columns_of_kinds(kinds, samples, mm_per_px=2)
    for kind, answers in kinds.items():
        alone = study_errors.columns_of(answers, samples, mm_per_px=2)
        assert found[kind].keys() == alone.keys()
        for name, values in alone.items():
            np.testing.assert_array_equal(found[kind][name], values, err_msg=name)
    assert found["other"]["hit_rate"][:2].tolist() == [0, 1]
    assert np.isnan(found["other"]["elongated_angle_mae_deg"]).tolist() == [False, True, True]
