"""The bound of Clopper and Pearson."""

import numpy as np
import pytest
import scipy.stats

from evaluation import binomial_bound


def test_example_of_the_module():
    assert binomial_bound.upper_bound(0, 59, 0.95) == pytest.approx(1 - 0.05 ** (1 / 59))
    assert binomial_bound.upper_bound(0, 1, 0.95) == pytest.approx(0.95)


@pytest.mark.parametrize("number", [1, 7, 100, 3000])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.9975])
def test_equals_scipys_beta_quantile(number, confidence):
    for num_errors in {0, 1, number // 10, number // 2, number - 1}:
        if num_errors < number:
            expected = scipy.stats.beta.ppf(confidence, num_errors + 1, number - num_errors)
            found = binomial_bound.upper_bound(num_errors, number, confidence)
            assert found == pytest.approx(expected, abs=1e-9)


def test_limits():
    assert binomial_bound.upper_bound(5, 5, 0.95) == 1
    assert binomial_bound.upper_bound(0, 0, 0.95) == 1
    for bad in (-1, 6):
        with pytest.raises(ValueError, match=f"0 <= errors <= 5, got {bad}"):
            binomial_bound.upper_bound(bad, 5, 0.95)


def test_more_errors_raise_it_and_it_lies_above_the_share():
    bounds = [binomial_bound.upper_bound(errors, 50, 0.9) for errors in range(51)]
    assert (np.diff(bounds) > 0).all()
    assert all(bound > errors / 50 for errors, bound in enumerate(bounds[:-1]))
