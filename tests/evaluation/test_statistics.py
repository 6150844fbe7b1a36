"""Intervals by picture, rankings and deviations: by hand, against plain loops and SciPy."""

import itertools

import numpy as np
import pytest
import scipy.stats

from evaluation import statistics


def interval(values, pictures, seed=0):
    return statistics.mean_intervals({"": values}, pictures, seed)[""]


def test_two_pictures_by_hand():
    """Means of the drawings: 2 (chance 1/4), 3 (1/2), 5 (1/4)."""
    found = interval([1.0, 3, 5], np.array(["a", "a", "b"]))
    assert found == {"mean": 3, "low": 2, "high": 5, "n": 3}


def test_columns_share_their_drawings_and_unknown_values_do_not_count():
    first = np.array([1.0, np.nan, 3, 4])
    columns = {"a": first, "b": first * 2, "c": np.full(4, np.nan)}
    found = statistics.mean_intervals(columns, np.array([0, 0, 1, 2]))
    assert (found["a"]["mean"], found["a"]["n"]) == (pytest.approx(8 / 3), 3)
    assert found["b"]["low"] == pytest.approx(2 * found["a"]["low"])
    assert np.isnan([found["c"][name] for name in ("mean", "low", "high")]).all()
    one = interval([1.0, 2], np.array(["a", "a"]))
    assert one["mean"] == 1.5
    assert np.isnan([one["low"], one["high"]]).all()


def test_one_of_each_picture():
    pictures = np.array(["a", "b", "a", "c", "b", "a"])
    found = statistics.one_of_each_picture(pictures, seed=0)
    assert sorted(pictures[found]) == ["a", "b", "c"]
    drawn = {tuple(statistics.one_of_each_picture(pictures, seed)) for seed in range(60)}
    assert len(drawn) == 6  # 3 samples of a, 2 of b


def test_the_bound_of_clopper_and_pearson():
    assert statistics.upper_bound(0, 59, 0.95) == pytest.approx(1 - 0.05 ** (1 / 59))
    bound = statistics.upper_bound(3, 40, 0.9)
    assert scipy.stats.binom.cdf(3, 40, bound) == pytest.approx(0.1)
    assert statistics.upper_bound(4, 4, 0.9) == statistics.upper_bound(0, 0, 0.9) == 1


def test_rank_figures_by_hand_and_where_nothing_can_be_told():
    scores, positive = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    assert statistics.auroc(scores, positive) == 0.75
    assert statistics.auroc(np.ones(3), np.array([True, False, False])) == 0.5
    assert np.isnan(statistics.auroc([1, 2], np.array([True, True])))


def test_example_of_the_module():
    uncertainty, error = np.array([0.1, 0.3, 0.2, 0.9]), np.array([1.0, 2, 3, 6])
    coverage, curve, oracle = statistics.rejection_curve(uncertainty, error)
    np.testing.assert_allclose(coverage, [1, 0.75, 0.5, 0.25])
    np.testing.assert_allclose(curve, [3, 2, 2, 1])
    np.testing.assert_allclose(oracle, [3, 2, 1.5, 1])
    found = statistics.ranking_figures(uncertainty, error)
    expected = {
        # A triangle of two quarters; distances 0, 1, 1.5, 2: trapezoids of a quarter each.
        "relative_ause": 0.5 / 3.5,
        "gain_20": 1 / 3,  # rounded up: one of four
        "mean_error": 3,
        "wrong_share": 1,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert np.isnan(found["auroc"])


def test_ties_give_the_expected_value_not_that_of_an_order():
    uncertainty, error = np.array([1, 0, 1, 1, 2]), np.array([5.0, 1, 0, 2, 3])
    curves = [
        [error[list(order)][:k].mean() for k in range(5, 0, -1)]
        for order in itertools.permutations(range(5))
        if all(uncertainty[a] <= uncertainty[b] for a, b in zip(order, order[1:]))
    ]
    for order in ([0, 1, 2, 3, 4], [3, 2, 1, 0, 4], [4, 0, 3, 1, 2]):
        curve = statistics.rejection_curve(uncertainty[order], error[order])[1]
        np.testing.assert_allclose(curve, np.mean(curves, axis=0))


def test_oracle_constant_and_misleading():
    error = np.random.default_rng(0).uniform(0.1, 100, 30)
    oracle = statistics.ranking_figures(error, error)
    constant = statistics.ranking_figures(np.zeros(30), error)
    misleading = statistics.ranking_figures(-error, error)
    found = [one["relative_ause"] for one in (oracle, constant)]
    assert found == pytest.approx([0, 1], abs=1e-9)
    assert misleading["relative_ause"] > 1
    # Of 15 samples 20 % are 3, not 4.
    gain = statistics.ranking_figures(np.arange(15.0), np.arange(15.0))["gain_20"]
    assert gain == pytest.approx(1 - 5.5 / 7)
    found = statistics.ranking_figures(np.array([1, 2]), np.zeros(2))
    assert np.isnan([found["relative_ause"], found["gain_20"]]).all()
    assert found["mean_error"] == 0


def test_equals_scipys_normal_distribution():
    """Labels drawn with 1.7 times the predicted deviations."""
    rng = np.random.default_rng(0)
    mean, std = rng.uniform(0, 1, (300, 4)), rng.uniform(0.01, 0.1, (300, 4))
    labels = mean + 1.7 * std * rng.normal(size=(300, 4))
    normal = scipy.stats.norm(mean, std)
    found = statistics.spread_figures(mean, std, labels)
    assert found["nll"] == pytest.approx(-normal.logpdf(labels).mean())
    low, high = normal.interval(0.9)
    assert found["coverage_90"] == pytest.approx(((labels >= low) & (labels <= high)).mean())
    expected, observed = statistics.reliability_curve(mean, std, labels)
    below = (normal.cdf(labels)[None] <= expected[:, None, None]).mean(axis=1)
    np.testing.assert_allclose(observed, below, atol=1e-9)
    assert found["calibration_error"] == pytest.approx(np.abs(below - expected[:, None]).mean())


def test_the_calibration_error_of_chances():
    """Ten answers in ten bins: each is off by its distance from 0 or 1."""
    chances, right = np.linspace(0.05, 0.95, 10), np.arange(10) >= 5
    found = statistics.chance_error(chances, right)
    assert found == pytest.approx(np.abs(chances - right).mean())
    # Bins of three and of two answers, each of which is off by a half.
    found = statistics.chance_error(np.full(25, 0.5), np.zeros(25, bool))
    assert found == pytest.approx(0.5)
    chances = np.repeat([0.2, 0.8], 1000)
    right = np.random.default_rng(0).random(2000) < chances
    assert statistics.chance_error(chances, right) < 0.06
