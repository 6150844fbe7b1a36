"""Intervals by picture, bounds and deviations: by hand, against plain loops and SciPy."""

import itertools

import numpy as np
import pytest
import scipy.stats

from evaluation import statistics


def interval(values, pictures):
    return statistics.mean_intervals({"": values}, np.array(pictures), 0)[""]


def test_two_pictures_by_hand():
    """Means of the drawings: 2 (chance 1/4), 3 (1/2), 5 (1/4)."""
    expected = {"mean": 3, "low": 2, "high": 5, "n": 3}
    assert interval([1.0, 3, 5], ["a", "a", "b"]) == expected
    values, pictures = np.array([1, 3, 5]), np.array([0, 0, 1])
    found = statistics.bootstrap_interval(lambda rows: values[rows].mean(), pictures)
    assert found == expected


def test_columns_share_their_drawings_and_unknown_values_do_not_count():
    first = np.array([1.0, np.nan, 3, 4])
    columns = {"a": first, "b": first * 2, "c": np.full(4, np.nan)}
    found = statistics.mean_intervals(columns, np.array([0, 0, 1, 2]))
    assert (found["a"]["mean"], found["a"]["n"]) == (pytest.approx(8 / 3), 3)
    assert found["b"]["low"] == pytest.approx(2 * found["a"]["low"])
    assert np.isnan([found["c"][name] for name in ("mean", "low", "high")]).all()
    one = interval([1.0, 2], ["a", "a"])
    assert one["mean"] == 1.5
    assert np.isnan([one["low"], one["high"]]).all()


def ranking(uncertainty, error):
    answers = np.array(error)[:, None] * [1, 0, 1, 0]
    zeros = np.zeros(answers.shape)
    return statistics.doubt_figures(np.array(uncertainty), answers, zeros + 1, zeros)


def test_ranking_by_hand_and_where_nothing_can_be_told():
    error = [0.01, 0.02, 0.03, 0.06]
    found = ranking([0.1, 0.3, 0.2, 0.9], error)
    # Rounded up: one of four.
    assert (found["auroc"], found["gain_20"]) == (1, pytest.approx(1 / 3))
    assert ranking([1, 2, 4, 3], error)["auroc"] == pytest.approx(2 / 3)
    found = ranking([1, 2], [0, 0])
    assert np.isnan([found["auroc"], found["gain_20"]]).all()
    # Of 15 samples 20 % are 3, not 4.
    assert ranking(range(15), range(15))["gain_20"] == pytest.approx(1 - 5.5 / 7)
    # Ties give the expected value: the one that is asked about is any of the last three.
    uncertainty, error = np.array([0, 0, 1, 1, 1]), np.array([5.0, 1, 0, 2, 4])
    kept = [error.sum() - error[last] for last in (2, 3, 4)]
    for order in map(list, itertools.permutations(range(5))):
        gain = ranking(uncertainty[order], error[order])["gain_20"]
        assert gain == pytest.approx(1 - np.mean(kept) / 4 / error.mean())


def test_equals_scipys_normal_distribution():
    """Labels drawn with 1.7 times the predicted deviations."""
    rng = np.random.default_rng(0)
    mean, std = rng.uniform(0, 1, (300, 4)), rng.uniform(0.01, 0.1, (300, 4))
    labels = mean + 1.7 * std * rng.normal(size=(300, 4))
    normal = scipy.stats.norm(mean, std)
    found = statistics.doubt_figures(std[:, 0], mean, std, labels)
    assert found["nll"] == pytest.approx(-normal.logpdf(labels).mean())
    low, high = normal.interval(0.9)
    assert found["coverage_90"] == pytest.approx(((labels >= low) & (labels <= high)).mean())


def test_the_calibration_error_of_chances():
    """Ten answers in ten bins: each is off by its distance from 0 or 1."""
    chances, right = np.linspace(0.05, 0.95, 10), np.arange(10) >= 5
    found = statistics.chance_error(chances, right)
    assert found == pytest.approx(np.abs(chances - right).mean())
