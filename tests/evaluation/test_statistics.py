"""Intervals by picture and the calibration error of chances, by hand."""

import numpy as np
import pytest

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


def test_doubt_that_ranks_and_chances_that_hold():
    """Equal doubts count half; ten answers in ten bins are each off by their distance to 0 or 1."""
    wrong = np.array([False, False, True, True])
    assert statistics.auroc([1, 2, 2, 3], wrong) == pytest.approx(3.5 / 4)
    assert np.isnan([statistics.auroc(wrong, one) for one in (wrong | True, wrong & False)]).all()
    chances, right = np.linspace(0.05, 0.95, 10), np.arange(10) >= 5
    found = statistics.chance_error(chances, right)
    assert found == pytest.approx(np.abs(chances - right).mean())
