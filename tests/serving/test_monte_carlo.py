"""Statistics of samples, worked by hand, and their limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from serving import monte_carlo


def test_worked_example():
    assert monte_carlo.statistics([[0.2, 0.4, 0.6, 0.4], [0.4, 0.4, 0.8, 0.4]]) == {
        "mean": pytest.approx([0.3, 0.4, 0.7, 0.4]),
        "std": pytest.approx([0.1, 0.0, 0.1, 0.0]),
        "total_variance": pytest.approx(0.02),
        "centroid_variance": pytest.approx(0.01),
        "size_variance": pytest.approx(0.0),
        # (sqrt(1.12) - sqrt(0.72))^2 / 4
        "distance_variance": pytest.approx(0.0110011136),
        "num_samples": 2,
    }


def test_a_motion_that_only_grows_has_no_centroid_variance():
    found = monte_carlo.statistics([[0.4, 0.5, 0.6, 0.5], [0.3, 0.5, 0.7, 0.5]])
    assert found["centroid_variance"] == pytest.approx(0.0)
    assert found["size_variance"] == pytest.approx(0.01)


def test_one_sample_has_no_spread():
    found = monte_carlo.statistics([[0.1, 0.2, 0.3, 0.4]])
    assert found["mean"] == [0.1, 0.2, 0.3, 0.4]
    spread = [found[name] for name in found if name.endswith("variance")]
    assert spread == [0.0] * 4 and found["std"] == [0.0] * 4


@given(hnp.arrays(np.float64, (5, 4), elements=st.floats(0, 1)))
def test_total_variance_splits_into_that_of_centroid_and_size(samples):
    # For each axis: var(a) + var(b) = 2 var((a + b) / 2) + var(b - a) / 2.
    found = monte_carlo.statistics(samples)
    parts = 2 * found["centroid_variance"] + found["size_variance"] / 2
    assert found["total_variance"] == pytest.approx(parts, abs=1e-12)
