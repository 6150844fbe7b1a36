"""Errors of execution parameters: literal answers, limits, bad input, the public figures."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

import metrics
from tests.golden import golden_inputs

GOLDEN = pathlib.Path(__file__).parent / "golden" / "e_hitl.npz"


def test_literal_example():
    found = metrics.compute_bbox_metrics(
        np.array([[0.2, 0.5, 0.8, 0.5], [0.5, 0.2, 0.5, 0.8]]),
        np.array([[0.3, 0.5, 0.9, 0.5], [0.5, 0.8, 0.5, 0.2]]),
    )
    assert found["centroid_mae"] == pytest.approx(0.025)  # (0.1 + 0 + 0 + 0) / 4
    assert found["centroid_mse"] == pytest.approx(0.0025)
    assert found["skewer_mae"] == found["centroid_mae"]
    assert found["bbox_mae"] == pytest.approx((0.1 + 0.1 + 0.6 + 0.6) / 8)
    assert found["angle_mae_deg"] == pytest.approx(90)  # 0 and 180 degrees
    assert found["angle_mse_deg"] == pytest.approx(180**2 / 2)
    assert found["angle_mae_mod180_deg"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("predicted_deg", "labelled_deg", "error_deg", "mod180_deg"),
    [(170, -170, 20, 20), (10, -10, 20, 20), (90, -90, 180, 0), (0, 135, 135, 45)],
)
def test_angle_errors_are_wrapped(predicted_deg, labelled_deg, error_deg, mod180_deg):
    def motion(angle_deg):
        angle = np.radians(angle_deg)
        return [[0.5, 0.5, 0.5 + 0.1 * np.cos(angle), 0.5 + 0.1 * np.sin(angle)]]

    found = metrics.compute_bbox_metrics(motion(predicted_deg), motion(labelled_deg))
    assert found["angle_mae_deg"] == pytest.approx(error_deg)
    assert found["angle_mae_mod180_deg"] == pytest.approx(mod180_deg, abs=1e-6)


@pytest.mark.parametrize("loss_type", ["cross_entropy", "l1", "smooth_l1"])
def test_equals_the_public_code(loss_type):
    golden = np.load(GOLDEN)
    labelled = golden_inputs.uniform(1042, (4, 4), 0, 1)
    found = metrics.compute_bbox_metrics(golden[f"{loss_type}/pred_bbox"], labelled)
    names = [name for name in golden.files if name.startswith(f"{loss_type}/metrics/")]
    assert len(names) == 10
    for name in names:
        assert found[name.rsplit("/", 1)[1]] == pytest.approx(float(golden[name]), rel=1e-5)


def test_mean_predictor_by_hand():
    train = np.array([[0.0, 0.0, 0.2, 0.2], [0.4, 0.4, 0.6, 0.6]])  # mean 0.2, 0.2, 0.4, 0.4
    found = metrics.mean_predictor_metrics(train, np.array([[0.2, 0.2, 0.4, 0.8]]))
    assert found["bbox_mae"] == pytest.approx(0.1)
    assert found["centroid_mae"] == pytest.approx(0.1)


def test_errors_of_each_sample_by_hand():
    found = metrics.sample_errors(
        np.array([[0.2, 0.5, 0.8, 0.5], [0.5, 0.2, 0.5, 0.8]]),
        np.array([[0.3, 0.5, 0.9, 0.5], [0.5, 0.8, 0.5, 0.2]]),
    )
    np.testing.assert_allclose(found["centroid_mae"], [0.05, 0], atol=1e-12)
    np.testing.assert_allclose(found["bbox_mae"], [0.05, 0.3])
    np.testing.assert_allclose(found["angle_mae_mod180_deg"], [0, 0], atol=1e-9)


def test_errors_of_the_samples_average_to_the_errors_of_all():
    predicted, labelled = np.random.default_rng(0).uniform(0, 1, (2, 50, 4))
    means = metrics.compute_bbox_metrics(predicted, labelled)
    for name, values in metrics.sample_errors(predicted, labelled).items():
        assert values.mean() == pytest.approx(means[name])


def test_means_of_groups_by_hand():
    values = {"error": np.array([1.0, 2, 3, 4]), "hit": np.array([1, np.nan, 0, np.nan])}
    found = metrics.group_means(values, np.array(["rice", "banana", "rice", "banana"]))
    assert list(found) == ["banana", "rice"]
    assert found["rice"] == {"n": 2, "error": 2, "hit": 0.5}
    assert found["banana"]["n"] == 2
    assert found["banana"]["error"] == 3
    assert np.isnan(found["banana"]["hit"])


def test_groups_hold_every_sample_once_and_in_order():
    found = {name: group.tolist() for name, group in metrics.groups(np.array([5, 3, 5, 4, 3]))}
    assert found == {3: [1, 4], 4: [3], 5: [0, 2]}


@pytest.mark.parametrize(
    ("predicted", "labelled", "message"),
    [
        (np.zeros((2, 4)), np.zeros((3, 4)), r"two arrays \[N, 4\], got \(2, 4\) and \(3, 4\)"),
        (np.zeros((2, 3)), np.zeros((2, 3)), "expected two arrays"),
        (np.zeros((0, 4)), np.zeros((0, 4)), "at least one prediction"),
        (np.full((1, 4), np.nan), np.zeros((1, 4)), "finite"),
    ],
)
def test_bad_input(predicted, labelled, message):
    with pytest.raises(ValueError, match=message):
        metrics.compute_bbox_metrics(predicted, labelled)
