"""Sparsification and risk-coverage: by hand, against a plain loop, and their limits."""

import itertools

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import rejection_curves


def test_example_of_the_module():
    curve = rejection_curves.rejection_curve([0.1, 0.3, 0.2, 0.9], [1, 2, 3, 6])
    np.testing.assert_allclose(curve.asked, [0, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(curve.coverage, [1, 0.75, 0.5, 0.25])
    np.testing.assert_allclose(curve.error, [3, 2, 2, 1])
    np.testing.assert_allclose(curve.oracle, [3, 2, 1.5, 1])
    assert curve.aurc == 2
    assert curve.excess_aurc == pytest.approx(0.125)
    assert curve.ause == pytest.approx((0.5 / 3) * 0.25)  # a triangle of two quarters
    # Distances 0, 1, 1.5, 2 over 3: trapezoids of a quarter each.
    assert curve.random_ause == pytest.approx((0.5 + 1.25 + 1.75) / 3 * 0.25)
    assert curve.relative_ause == pytest.approx(0.5 / 3.5)
    assert curve.gain(0.25) == pytest.approx(1 / 3)
    assert curve.gain(0.2) == pytest.approx(1 / 3)  # rounded up: one of four
    assert curve.gain(0) == 0


def _mean_over_orders(uncertainty, error):
    """The kept means, averaged over all orders of samples with equal uncertainty."""
    curves = []
    for order in itertools.permutations(range(len(error))):
        if all(uncertainty[a] <= uncertainty[b] for a, b in zip(order, order[1:])):
            ordered = np.array(error)[list(order)]
            curves.append([ordered[:k].mean() for k in range(len(error), 0, -1)])
    return np.mean(curves, axis=0)


def test_ties_give_the_expected_value_not_that_of_an_order():
    uncertainty, error = [1, 0, 1, 1, 2], [5.0, 1, 0, 2, 3]
    expected = _mean_over_orders(uncertainty, error)
    for order in ([0, 1, 2, 3, 4], [3, 2, 1, 0, 4], [4, 0, 3, 1, 2]):
        curve = rejection_curves.rejection_curve(
            np.array(uncertainty)[order], np.array(error)[order]
        )
        np.testing.assert_allclose(curve.error, expected)


def test_areas_equal_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    for _ in range(5):
        uncertainty, error = rng.normal(size=60), rng.exponential(size=60)
        curve = rejection_curves.rejection_curve(uncertainty, error)
        ordered, best = error[np.argsort(uncertainty)], np.sort(error)
        kept = np.array([ordered[: 60 - k].mean() for k in range(60)]) / error.mean()
        oracle = np.array([best[: 60 - k].mean() for k in range(60)]) / error.mean()
        asked = np.arange(60) / 60
        area = sklearn.metrics.auc(asked, kept) - sklearn.metrics.auc(asked, oracle)
        assert curve.ause == pytest.approx(area, abs=1e-9)
        area = sklearn.metrics.auc(asked, np.ones(60)) - sklearn.metrics.auc(asked, oracle)
        assert curve.random_ause == pytest.approx(area, abs=1e-9)
        assert curve.aurc == pytest.approx(kept.mean() * error.mean(), abs=1e-9)
        assert curve.gain(0.2) == pytest.approx(1 - kept[12], abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    error=st.lists(st.floats(0, 100), min_size=1, max_size=30).map(np.array),
    seed=st.integers(0, 1000),
)
def test_oracle_constant_and_order(error, seed):
    known = error.max() > 1e-6
    oracle = rejection_curves.rejection_curve(error, error)
    constant = rejection_curves.rejection_curve(np.zeros(len(error)), error)
    random = rejection_curves.rejection_curve(np.random.default_rng(seed).random(len(error)), error)
    assert oracle.excess_aurc == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(constant.error, error.mean(), atol=1e-9)
    assert (random.error - random.oracle >= -1e-9).all()
    if known:
        assert oracle.ause == pytest.approx(0, abs=1e-9)
        assert constant.ause == pytest.approx(constant.random_ause, abs=1e-9)
        assert random.ause >= -1e-9
        assert constant.gain(0.3) == pytest.approx(0, abs=1e-9)


def test_random_uncertainty_has_on_average_the_area_of_random():
    rng = np.random.default_rng(1)
    error = rng.exponential(size=50)
    areas = [
        rejection_curves.rejection_curve(rng.random(50), error).relative_ause for _ in range(400)
    ]
    assert np.mean(areas) == pytest.approx(1, abs=0.03)


def test_misleading_uncertainty_is_worse_than_none():
    error = np.arange(1.0, 11)
    curve = rejection_curves.rejection_curve(-error, error)
    assert curve.relative_ause > 1
    assert curve.gain(0.5) < 0


def test_gain_keeps_one_and_rounds_no_further_than_needed():
    curve = rejection_curves.rejection_curve(np.arange(15), np.arange(15.0))
    assert curve.gain(0.2) == pytest.approx(1 - 5.5 / 7)  # 3 of 15, not 4
    assert curve.gain(0.999) == 1
    with pytest.raises(ValueError, match="0 <= asked < 1, got 1"):
        curve.gain(1)


def test_without_errors_areas_are_unknown():
    curve = rejection_curves.rejection_curve([1, 2], [0, 0])
    assert np.isnan([curve.ause, curve.random_ause, curve.relative_ause, curve.gain(0.5)]).all()
    assert np.isnan(rejection_curves.rejection_curve([1, 2], [3, 3]).relative_ause)
    assert curve.aurc == 0


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="at least 0, got values from -1"):
        rejection_curves.rejection_curve([1, 2], [-1, 1])
    with pytest.raises(ValueError, match="NaN in 1"):
        rejection_curves.rejection_curve([1, np.nan], [1, 1])
    with pytest.raises(ValueError, match=r"got \(1,\) and \(2,\)"):
        rejection_curves.rejection_curve([1], [1, 1])
