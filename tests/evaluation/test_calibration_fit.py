"""Fitting a calibration: ranks and thresholds by hand, what they promise on drawn data."""

import dataclasses
import types

import numpy as np
import pytest
import scipy.stats

from evaluation import calibration_fit, statistics, uncertainty
from evaluation.samples import Pieces
from food_data import npz_dataset

SOURCE = uncertainty.Source(None, "mc_dropout", "head", 16)


@pytest.fixture(autouse=True)
def _no_data_set(monkeypatch):
    monkeypatch.setattr(npz_dataset, "dataset_fingerprint", lambda dataset: "f")


def drawn(seed, number):
    """Samples, three to a picture. Errors of coordinates are three times the claimed std; the
    angle is off in proportion to the axis spread, which the std knows nothing of."""
    rng = np.random.default_rng(seed)
    std = rng.uniform(0.002, 0.02, (number, 1)) * np.ones((1, 4))
    middle, turn = rng.uniform(0.3, 0.7, (number, 2)), rng.uniform(0, 30, number)
    labels = np.concatenate([middle - [0.1, 0], middle + [0.1, 0]], axis=1)
    angle = np.radians(turn * rng.normal(size=number))
    half = 0.1 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    mean = np.concatenate([middle - half, middle + half], axis=1)
    mean = mean + 3 * std * rng.normal(size=(number, 4))
    estimate = uncertainty.Estimate(
        mean, std, {"midpoint_spread": std[:, 0]}, {"axis_spread": turn}
    )
    samples = types.SimpleNamespace(
        pieces=Pieces(np.arange(number), labels, np.ones(number, bool)),
        picture_ids=np.array([f"{seed}-{n // 3:04}" for n in range(number)]),
        sample_ids=[f"{seed}-sample-{n}" for n in range(number)],
        dataset=None,
    )
    return samples, estimate


def fit(samples, estimate, **settings):
    return calibration_fit.fit(samples, estimate, SOURCE, weights_sha256="w", **settings)


def test_quantile_by_hand_and_too_few_samples():
    nine = np.arange(1, 10) / 100
    assert calibration_fit.conformal_quantile(nine[::-1], 0.9) == 0.09
    assert calibration_fit.conformal_quantile(nine, 0.5) == 0.05
    assert calibration_fit.conformal_quantile(np.arange(1, 101), 0.9) == 91
    for coverage, needed in ((0.9, 9), (0.95, 19), (0.99, 99)):
        assert calibration_fit.conformal_quantile(np.ones(needed), coverage) == 1
        with pytest.raises(ValueError, match=f"at least {needed} calibration samples"):
            calibration_fit.conformal_quantile(np.ones(needed - 1), coverage)


def choose(doubt, wrong, pictures=None):
    pictures = np.arange(len(doubt)) if pictures is None else pictures
    return calibration_fit.choose_threshold(doubt, wrong, 0.2, pictures, 0)


def test_the_threshold_by_hand():
    doubt = np.arange(1, 10) / 100
    assert choose(doubt, doubt > 0.045) == {
        "threshold": 0.08,  # Rank ceil(10 * 0.8) = 8 of 9.
        "expected_query_rate": pytest.approx(1 / 9),
        "expected_error_rate": pytest.approx(4 / 8),
        "error_rate_bound": pytest.approx(0.8071, abs=1e-4),
    }
    assert scipy.stats.binom.cdf(4, 8, 0.8071) == pytest.approx(0.05, abs=1e-4)
    assert choose(doubt, doubt > 0)["error_rate_bound"] == 1
    # Equal doubts are asked all or none.
    doubt = np.repeat([0.1, 0.2], 50)
    assert choose(doubt, doubt > 1)["threshold"] == 0.2


def test_bounds_count_pictures_not_samples():
    """Ten copies of each sample promise no more than one."""
    doubt = np.random.default_rng(2).random(60)
    copies = [np.repeat(one, 10) for one in (doubt, doubt > 0.7, np.arange(60))]
    assert choose(*copies) == choose(doubt, doubt > 0.7)


def test_an_answer_about_any_equal_piece_is_right():
    """A long piece that lies level at (0.3, 0.5), labelled, and one upright at (0.7, 0.5); answers
    on the second with its direction, on the second with the first one's, and on neither."""
    labels = np.tile([[0.2, 0.5, 0.4, 0.5], [0.7, 0.4, 0.7, 0.6]], (3, 1))
    pieces = Pieces(np.repeat(np.arange(3), 2), labels, np.ones(6, bool))
    answers = np.array([[0.71, 0.4, 0.71, 0.6], [0.61, 0.5, 0.81, 0.5], [0.4, 0.5, 0.6, 0.5]])
    assert calibration_fit.is_wrong(answers, pieces, 0.05, 20.0).tolist() == [False, True, True]
    round_ones = dataclasses.replace(pieces, elongated=np.zeros(6, bool))
    found = calibration_fit.is_wrong(answers[:, [2, 3, 0, 1]], round_ones, 0.05, 20.0)
    assert found.tolist() == [False, False, True]
    estimate = uncertainty.Estimate(
        answers, np.full((3, 4), 0.01), {"u": np.full(3, 0.02)}, {"axis_spread": np.zeros(3)}
    )
    # Disc and sector are those of one piece: the second answer is in no pair of rank 1.
    regions = calibration_fit.fit_regions(estimate, pieces, 0.5)
    assert (regions.disc, regions.sector) == (pytest.approx(0.01), pytest.approx(90))
    assert regions.box == pytest.approx(0.11)
    plain = calibration_fit.fit_regions(estimate, dataclasses.replace(pieces, elongated=None), 0.2)
    assert plain.disc_adaptive == pytest.approx(0.01 / 0.03)
    assert plain.box_adaptive == pytest.approx(0.01 / 0.02)


def test_what_is_fitted_holds_on_other_answers():
    fitted = fit(*drawn(0, 1500), query_rate=0.3)
    test, estimate = drawn(1, 3000)
    np.testing.assert_allclose(fitted.std_scale[::2], 3, rtol=0.15)
    wrong = calibration_fit.is_wrong(estimate.answers, test.pieces, 0.05, 20)
    chance = fitted.confidence.chance(estimate.inputs)
    assert statistics.chance_error(chance, ~wrong) < 0.05
    # The score of the place knows nothing of the turned ones.
    place = statistics.auroc(estimate.score, wrong)
    assert statistics.auroc(1 - chance, wrong) > place + 0.02
    asked = fitted.asking.ask(fitted.doubt(estimate))
    assert 0.25 < asked.mean() < 0.35
    assert wrong[~asked].mean() < 0.85 * wrong.mean()
    assert wrong[~asked].mean() < fitted.asking.error_rate_bound
    for adaptive in (True, False):
        regions = dataclasses.replace(fitted.regions, adaptive=adaptive)
        known = dataclasses.replace(fitted, regions=regions)
        held = calibration_fit.contained(known, estimate, test.pieces)
        shares = {kind: values.mean() for kind, values in held.items()}
        assert shares["both"] == pytest.approx(0.9, abs=0.02)
        assert shares["box"] == pytest.approx(0.9, abs=0.02)
        assert shares["disc"] > shares["both"]


def test_chances_of_few_answers():
    """Answers that are all right make no certainty; none is judged by its own picture."""
    inputs, limits = {"x": np.arange(20.0)}, calibration_fit.LIMITS
    chance = calibration_fit.fit_confidence(inputs, np.ones(20, bool), limits).chance(inputs)
    assert (chance > 0.9).all() and (chance < 1).all()
    pictures, right = np.array(["a", "a", "b", "b"]), np.array([True, True, False, False])
    held_out = calibration_fit._held_out_chances({"x": 1.0 * right}, right, pictures)
    assert (held_out > 0.5).tolist() == [False, False, True, True]


def test_too_little_and_bad_data_are_refused():
    samples, estimate = drawn(7, 30)
    nan = dataclasses.replace(estimate, features={"axis_spread": np.full(30, np.nan)})
    exact = dataclasses.replace(estimate, answers=samples.pieces.labels)
    for one, settings, message in (
        (drawn(6, 6), {}, "at least 9 calibration samples"),
        (drawn(6, 9), {}, "at least 4 calibration samples .*pictures"),
        ((samples, nan), {}, "NaN"),
        ((samples, exact), {}, "4 numbers above 0 as std_scale"),
        ((samples, estimate), {"query_rate": 1.0}, "Expected a chance between 0 and 1, got 0"),
        ((samples, estimate), {"coverage": 1.0}, "Expected a chance between 0 and 1, got 1"),
        ((samples, estimate), {"floor_error_rate": 1.5}, "a floor of 0..1"),
    ):
        with pytest.raises(ValueError, match=message):
            fit(*one, **settings)
