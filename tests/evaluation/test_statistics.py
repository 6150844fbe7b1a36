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
    pictures = np.array([0, 0, 1])
    found = statistics.bootstrap_interval(lambda rows: [1, 3, 5][rows[0]], pictures, 200)
    assert found == (1, 5)


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


def test_one_of_each_picture():
    pictures = np.array(["a", "b", "a", "c", "b", "a"])
    assert sorted(pictures[statistics.one_of_each_picture(pictures, seed=0)]) == ["a", "b", "c"]
    drawn = {tuple(statistics.one_of_each_picture(pictures, seed)) for seed in range(60)}
    assert len(drawn) == 6  # 3 samples of a, 2 of b


def test_the_bound_of_clopper_and_pearson():
    assert statistics.upper_bound(0, 59, 0.95) == pytest.approx(1 - 0.05 ** (1 / 59))
    bound = statistics.upper_bound(3, 40, 0.9)
    assert scipy.stats.binom.cdf(3, 40, bound) == pytest.approx(0.1)
    assert statistics.upper_bound(4, 4, 0.9) == statistics.upper_bound(0, 0, 0.9) == 1


def test_ranking_by_hand_and_where_nothing_can_be_told():
    error = np.array([0.01, 0.02, 0.03, 0.06])
    found = statistics.ranking_figures(np.array([0.1, 0.3, 0.2, 0.9]), error)
    assert found == {"auroc": 1, "gain_20": pytest.approx(1 / 3)}  # Rounded up: one of four.
    assert statistics.ranking_figures(np.array([1, 2, 4, 3]), error)["auroc"] == pytest.approx(
        2 / 3
    )
    assert np.isnan(list(statistics.ranking_figures(np.arange(2), np.zeros(2)).values())).all()
    # Of 15 samples 20 % are 3, not 4.
    gain = statistics.ranking_figures(np.arange(15.0), np.arange(15.0))["gain_20"]
    assert gain == pytest.approx(1 - 5.5 / 7)


def test_ties_give_the_expected_value_not_that_of_an_order():
    """The one that is asked about is any of the last three."""
    uncertainty, error = np.array([0, 0, 1, 1, 1]), np.array([5.0, 1, 0, 2, 4])
    kept = [error.sum() - error[last] for last in (2, 3, 4)]
    for order in itertools.permutations(range(5)):
        found = statistics.ranking_figures(uncertainty[[*order]], error[[*order]])
        assert found["gain_20"] == pytest.approx(1 - np.mean(kept) / 4 / error.mean())


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


def test_the_calibration_error_of_chances():
    """Ten answers in ten bins: each is off by its distance from 0 or 1."""
    chances, right = np.linspace(0.05, 0.95, 10), np.arange(10) >= 5
    found = statistics.chance_error(chances, right)
    assert found == pytest.approx(np.abs(chances - right).mean())
    # Bins of three and of two answers, each of which is off by a half.
    found = statistics.chance_error(np.full(25, 0.5), np.zeros(25, bool))
    assert found == pytest.approx(0.5)
