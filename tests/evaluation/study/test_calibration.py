"""What a calibration made by hand does to samples made by hand."""

import dataclasses

import numpy as np
import pytest

from evaluation import ask_human, conformal, uncertainty_calibration, uncertainty_estimate
from evaluation.study import calibration as study_calibration

REGIONS = conformal.ConformalRegions(
    coverage=0.9, floor=0.01, adaptive=False, disc=0.035, disc_adaptive=1, box=0.015, box_adaptive=1
)
ASKING = ask_human.AskHuman(0.25, "query_rate", 0.2, 0.05, 0.95, 0.2, 0.1, 0.3)
FITTED_ON = uncertainty_calibration.FittedOn(
    "token_distribution", "credible_width", None, 1, "f", 3, "s", ("a", "b"), "w"
)
CALIBRATION = uncertainty_calibration.UncertaintyCalibration(
    1, FITTED_ON, (1.0, 1.0, 1.0, 1.0), 0.001, REGIONS, ASKING
)


def _estimate(offsets, scores):
    answers = np.full((len(offsets), 4), 0.5)
    answers[:, [0, 2]] += np.array(offsets)[:, None]
    return uncertainty_estimate.Estimate(
        answers, np.full(answers.shape, 0.01), {"credible_width": np.array(scores)}
    )


def test_coverage_asking_and_gain_by_hand():
    """Offsets 0.01 .. 0.1; the last one alone is above the threshold."""
    estimate = _estimate([0.01, 0.02, 0.03, 0.1], [0.1, 0.1, 0.25, 0.3])
    labels, pictures = np.full((4, 4), 0.5), np.array(["a", "b", "c", "d"])
    found = study_calibration.applied(CALIBRATION, estimate, labels, pictures)
    assert found["disc_coverage"]["mean"] == 0.75
    assert found["box_coverage"]["mean"] == 0.25
    assert found["disc_coverage"]["n"] == 4
    assert found["median_radius"] == pytest.approx(0.035)
    assert found["asked_share"] == 0.25
    assert found["error_of_all"] == pytest.approx(0.04)
    assert found["error_of_answered"] == pytest.approx(0.02)
    assert found["gain"] == pytest.approx(0.5)
    assert (found["wrong_of_all"], found["wrong_of_answered"]) == (0.25, 0)
    assert found["target"] == "query_rate 0.2"
    assert found["fitted_on"]["num_pictures"] == 2
    assert found["fitted_on"]["picture_ids"] is None


def test_adaptive_regions_are_those_that_are_tested():
    """Radius 1 * (u + 0.01): 0.02 and 0.31 about errors of 0.03."""
    regions = dataclasses.replace(REGIONS, adaptive=True)
    calibration = dataclasses.replace(CALIBRATION, regions=regions)
    estimate = _estimate([0.03, 0.03], [0.01, 0.3])
    found = study_calibration.applied(
        calibration, estimate, np.full((2, 4), 0.5), np.array(["a", "b"])
    )
    assert found["disc_coverage"]["mean"] == 0.5


def test_nothing_is_answered():
    estimate = _estimate([0.01, 0.02], [0.9, 0.9])
    found = study_calibration.applied(
        CALIBRATION, estimate, np.full((2, 4), 0.5), np.array(["a", "b"])
    )
    assert found["asked_share"] == 1
    assert found["error_of_answered"] is None
    assert found["gain"] is None
    assert found["wrong_of_answered"] is None


def test_a_calibration_of_another_score():
    estimate = uncertainty_estimate.Estimate(
        np.zeros((1, 4)), np.zeros((1, 4)), {"entropy": np.zeros(1)}
    )
    with pytest.raises(ValueError, match="expected one of the scores entropy, got 'credible_width"):
        study_calibration.applied(CALIBRATION, estimate, np.zeros((1, 4)), np.array(["a"]))


def test_coverage_over_random_splits_is_what_was_promised():
    rng = np.random.default_rng(0)
    std = rng.uniform(0.01, 0.05, 1000)
    answers = 0.5 + std[:, None] * rng.normal(size=(1000, 4))
    estimate = uncertainty_estimate.Estimate(answers, np.tile(std[:, None], 4), {"std": std})
    labels, pictures = np.full((1000, 4), 0.5), np.arange(1000) // 2
    found = study_calibration.coverage_over_splits(estimate, labels, pictures, seed=3)
    assert found["num_splits"] == len(found["disc"]["each"]) == 10
    for name in conformal.REGIONS:
        row = found[name]
        assert 0.88 < row["mean"] < 0.92
        assert row["low"] == min(row["each"]) < row["high"] == max(row["each"])
    again = study_calibration.coverage_over_splits(estimate, labels, pictures, seed=3)
    assert again == found
    with pytest.raises(ValueError, match="num_splits: expected at least 1, got 0"):
        study_calibration.coverage_over_splits(estimate, labels, pictures, num_splits=0)
