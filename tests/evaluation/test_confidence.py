"""The chance to be right: by hand, and on drawn answers of which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation import (
    calibration,
    confidence,
    rank_metrics,
    token_uncertainty,
    uncertainty_estimate,
)

LEFT, RIGHT = 20, 75


def certain(*tokens, size=101):
    """Probabilities [1, 4, size] that are 1 at the tokens."""
    return np.eye(size)[list(tokens)][np.newaxis]


def test_example_of_the_module():
    known = confidence.Confidence(("x",), (2.0,), (1.0,), (3.0,), 1.0, 0.05, None)
    np.testing.assert_allclose(known.chance({"x": np.array([1.0, 2.0])}), [0.11920, 0.73106], 1e-4)


def test_errors_of_place_and_direction_by_hand():
    """Midpoints off by 0.03; the second is turned by 90 degrees, which counts on long food only."""
    label = [0.4, 0.5, 0.6, 0.5]
    answers = np.array([[0.43, 0.5, 0.63, 0.5], [0.53, 0.4, 0.53, 0.6], [0.63, 0.5, 0.43, 0.5]])
    long = np.array([True, True, True])
    found = confidence.errors(answers, np.array([label] * 3), long, 0.05, 20.0)
    # 90 degrees are 4.5 times the limit; a motion and its reverse are equal.
    np.testing.assert_allclose(found, [0.03, 0.225, 0.03])
    found = confidence.errors(answers, np.array([label] * 3), ~long, 0.05, 20.0)
    np.testing.assert_allclose(found, [0.03] * 3)


def test_two_equal_pieces_are_recognised():
    """Midpoints at 0.2 or 0.75 with 0.6 and 0.4; one place; and a flat distribution."""
    two = np.zeros((1, 2, 101))
    two[0, :, 50] = 1.0
    assert confidence.rivalry(two)[0] == 0
    two[0, 0] = 0.0
    two[0, 0, [LEFT, RIGHT]] = 0.6, 0.4
    assert confidence.rivalry(two)[0] == pytest.approx(0.4 / 0.6)
    assert confidence.rivalry(np.full((1, 2, 101), 1 / 101))[0] == pytest.approx(1)


@pytest.mark.parametrize("coding", ["endpoints", "midpoint_extent"])
def test_midpoint_and_extent_of_tokens(coding):
    """From (0.2, 0.4) to (0.6, 0.4): the midpoint is (0.4, 0.4), the extent (0.4, 0)."""
    tokens = (20, 40, 60, 40) if coding == "endpoints" else (40, 40, 80, 50)
    probabilities = certain(*tokens)
    places = token_uncertainty.midpoint_distributions(probabilities, coding)
    steps = np.linspace(0, 1, places.shape[-1])
    np.testing.assert_allclose(places @ steps, [[0.4, 0.4]], atol=0.01)
    extents, values = token_uncertainty.extent_distributions(probabilities, coding)
    np.testing.assert_allclose(extents @ values, [[0.4, 0.0]], atol=0.01)


def test_axis_spread_by_hand():
    """Half the chance along the answer and half across it: root of half a squared sine, 45."""
    answers = np.array([[0.4, 0.5, 0.6, 0.5]] * 3)
    doubled = np.array([1, (1 + np.exp(1j * np.pi)) / 2, np.exp(1j * np.pi)])
    np.testing.assert_allclose(confidence.axis_spread(answers, doubled), [0, 45, 90], atol=1e-6)
    # Extents (0.3, 0.3) point to 45 degrees, and so does (-0.3, -0.3).
    for token in (80, 20):
        extents, values = token_uncertainty.extent_distributions(
            certain(50, 50, token, token), "midpoint_extent"
        )
        doubled = confidence.mean_doubled_angle(extents, values)
        slanted = np.array([[0.4, 0.4, 0.6, 0.6]])
        assert confidence.axis_spread(slanted, doubled)[0] == pytest.approx(0, abs=1.5)


def test_calibration_error_by_hand():
    chances, right = np.array([0.2, 0.4, 0.9, 0.9]), np.array([False, False, False, True])
    assert confidence.calibration_error(chances, right, 2) == pytest.approx(0.35)


def drawn(number, seed):
    """Answers whose error grows with their spread; a third of them is turned, where it is unsure.

    Three samples of a picture. Returns data, and the chance that each is right.
    """
    rng = np.random.default_rng(seed)
    doubt, turn = rng.uniform(0.005, 0.04, number), rng.random(number)
    labels = np.tile([0.4, 0.5, 0.6, 0.5], (number, 1))
    moved = labels + np.tile(doubt[:, None] * rng.normal(size=(number, 2)), 2)
    turned = rng.random(number) < turn / 2
    middle = (moved[:, :2] + moved[:, 2:]) / 2
    across = np.hstack([middle - [0, 0.1], middle + [0, 0.1]])
    moved = np.where(turned[:, None], across, moved)
    estimate = uncertainty_estimate.Estimate(
        moved,
        np.full(moved.shape, 0.01),
        {"credible_width": doubt},
        features={"axis_spread": 90 * turn},
    )
    ids = np.array([f"{seed}-{n}" for n in range(number)])
    pictures = np.array([f"{seed}-{n // 3}" for n in range(number)])
    data = calibration.CalibrationData(
        moved,
        estimate.std,
        estimate.score,
        labels,
        ids,
        pictures,
        estimate.inputs,
        np.ones(number, bool),
    )
    return data, estimate


def test_chance_threshold_and_regions_hold_on_other_answers():
    settings = {"source": "s", "score": "credible_width", "dataset_fingerprint": "f"}
    data, _ = drawn(1500, 0)
    fitted = calibration.fit(data, **settings, weights_sha256="w", target_rate=0.3)
    test, estimate = drawn(3000, 1)
    wrong = confidence.errors(test.mean, test.labels, test.elongated, 0.05, 20.0) > 0.05
    chance = fitted.confidence.chance(estimate.inputs)
    assert confidence.calibration_error(chance, ~wrong) < 0.05
    # Place alone knows nothing of the turned ones.
    place = rank_metrics.auroc(estimate.score, wrong)
    assert rank_metrics.auroc(1 - chance, wrong) > place + 0.05
    asked = fitted.asking.ask(fitted.doubt(estimate))
    assert 0.25 < asked.mean() < 0.35
    assert wrong[~asked].mean() < 0.85 * wrong.mean()
    assert fitted.asking.angle_limit == 20.0
    angles = confidence.axis_errors(test.mean, test.labels, test.elongated)
    held = fitted.regions.covered(test.mean, test.labels, test.std, estimate.score)["disc_adaptive"]
    both = held & (angles <= fitted.regions.sector_half_angle(estimate.features["axis_spread"]))
    assert both.mean() == pytest.approx(0.9, abs=0.03)
    assert held.mean() > both.mean()


def test_answers_that_are_all_right_make_no_certainty():
    known = confidence.fit({"x": np.arange(20.0)}, np.ones(20, bool), 0.05, None)
    chance = known.chance({"x": np.arange(20.0)})
    assert (chance > 0.9).all() and (chance < 1).all()
    with pytest.raises(ValueError, match="expected finite inputs, got others of x"):
        confidence.fit({"x": np.array([1.0, np.nan])}, np.ones(2, bool), 0.05, None)
