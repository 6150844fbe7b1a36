"""Intervals and comparisons by picture: by hand, against SciPy, and their promises."""

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
