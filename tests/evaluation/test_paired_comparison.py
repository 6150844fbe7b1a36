"""Comparing two models: by hand, against SciPy's permutation test, and its false alarms."""

import numpy as np
import pytest
import scipy.stats

from evaluation import paired_comparison


def test_three_pictures_by_hand():
    found = paired_comparison.compare([0.1, 0.2, 0.3], [0.2, 0.3, 0.4])
    assert found.difference.mean == pytest.approx(-0.1)
    assert (found.difference.low, found.difference.high) == pytest.approx((-0.1, -0.1))
    assert found.p_value == 2 / 8


def test_signs_are_flipped_picture_by_picture():
    # Two pictures with three samples each: 4 ways, 2 as far from 0.
    found = paired_comparison.compare(np.zeros(6), np.ones(6), np.array([0, 0, 0, 1, 1, 1]))
    assert found.p_value == 0.5
    assert found.difference.num_pictures == 2
    assert paired_comparison.compare(np.zeros(6), np.ones(6)).p_value == 2 / 64


def _scipys_p_value(first, second, **settings):
    return scipy.stats.permutation_test(
        (first, second),
        lambda one, other, axis: np.mean(one - other, axis=axis),
        permutation_type="samples",
        vectorized=True,
        **settings,
    ).pvalue


def test_equals_scipys_exact_test():
    rng = np.random.default_rng(0)
    for number in (2, 5, 10):
        first, second = rng.exponential(size=(2, number))
        found = paired_comparison.compare(first, second, num_permutations=2000)
        assert found.p_value == pytest.approx(_scipys_p_value(first, second), abs=1e-6)


def test_agrees_with_scipys_random_test():
    rng = np.random.default_rng(1)
    first = rng.exponential(size=80)
    second = first + rng.normal(0.05, 0.3, 80)
    other = _scipys_p_value(first, second, n_resamples=9999, random_state=np.random.default_rng(2))
    assert paired_comparison.compare(first, second).p_value == pytest.approx(other, abs=0.02)


def test_equal_models_are_found_different_as_often_as_stated():
    rng = np.random.default_rng(2)
    p_values = []
    for seed in range(300):
        pictures = np.repeat(np.arange(20), 2)
        differences = np.repeat(rng.normal(size=20), 2) + 0.3 * rng.normal(size=40)
        found = paired_comparison.compare(
            differences,
            np.zeros(40),
            pictures,
            num_resamples=100,
            num_permutations=199,
            seed=seed,
        )
        p_values.append(found.p_value)
    assert 0.02 <= np.mean(np.array(p_values) <= 0.05) <= 0.09


def test_unknown_values_leave_the_sample_out():
    first, second = np.array([1, np.nan, 3, 4.0]), np.array([2, 2, np.nan, 5.0])
    found = paired_comparison.compare(first, second)
    assert found.difference.num_samples == 2
    assert found.difference.mean == -1
    assert found.p_value == 0.5
    assert np.isnan(paired_comparison.compare([np.nan], [1.0]).p_value)


def test_equal_answers_are_not_different():
    assert paired_comparison.compare(np.ones(30), np.ones(30)).p_value == 1


def test_order_of_the_models_changes_the_sign_only():
    first, second = np.random.default_rng(3).exponential(size=(2, 40))
    one, other = paired_comparison.compare(first, second), paired_comparison.compare(second, first)
    assert one.difference.mean == pytest.approx(-other.difference.mean)
    assert one.p_value == other.p_value


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"same samples, got \(2,\) and \(3,\)"):
        paired_comparison.compare(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="num_permutations"):
        paired_comparison.compare(np.ones(2), np.ones(2), num_permutations=0)
    with pytest.raises(ValueError, match="a picture for each"):
        paired_comparison.compare(np.ones(2), np.ones(2), np.array(["a"]))
