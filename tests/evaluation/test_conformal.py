"""Conformal regions: by hand, and their promise over many splits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import conformal


def random_case(rng, number):
    """Errors in proportion to a hidden spread, of which uncertainty and std know something."""
    spread = rng.uniform(0.01, 0.1, number)
    labels = rng.uniform(0.3, 0.7, (number, 4))
    mean = labels + spread[:, None] * rng.standard_t(4, (number, 4))
    std = np.repeat(spread[:, None], 4, axis=1) * rng.uniform(0.5, 1.5, (number, 4))
    return mean, labels, std, spread * rng.uniform(0.5, 1.5, number)


def test_quantile_by_hand():
    nine = np.arange(1, 10) / 100
    assert conformal.conformal_quantile(nine, 0.9) == 0.09
    assert conformal.conformal_quantile(nine[::-1], 0.5) == 0.05
    assert conformal.conformal_quantile(np.arange(1, 20), 0.95) == 19
    assert conformal.conformal_quantile(np.arange(1, 101), 0.9) == 91


@pytest.mark.parametrize(("coverage", "needed"), [(0.9, 9), (0.95, 19), (0.99, 99), (0.5, 1)])
def test_too_few_samples_say_how_many_are_needed(coverage, needed):
    assert conformal.conformal_quantile(np.ones(needed), coverage) == 1
    with pytest.raises(
        ValueError, match=f"at least {needed} calibration samples, got {needed - 1}"
    ):
        conformal.conformal_quantile(np.ones(needed - 1), coverage)


def test_scores_by_hand():
    found = conformal.region_scores(
        [[0.2, 0.5, 0.8, 0.5]],
        [[0.3, 0.5, 0.9, 0.46]],
        [[0.01, 0.01, 0.04, 0.01]],
        [0.02],
        floor=0.01,
    )
    # The midpoint is off by (0.1, 0.02); the errors are 0.1, 0, 0.1, 0.04.
    distance = np.hypot(0.1, 0.02)
    np.testing.assert_allclose(found["disc"], [distance])
    np.testing.assert_allclose(found["disc_adaptive"], [distance / 0.03])
    np.testing.assert_allclose(found["box"], [0.1])
    np.testing.assert_allclose(found["box_adaptive"], [0.1 / 0.02])
    middle = conformal.midpoint_distances([[0.2, 0.5, 0.8, 0.5]], [[0.3, 0.5, 0.9, 0.46]])
    np.testing.assert_allclose(middle, [distance])


@settings(max_examples=30, deadline=None)
@given(
    number=st.integers(9, 60),
    coverage=st.floats(0.5, 0.9),
    seed=st.integers(0, 2**32 - 1),
)
def test_at_least_the_promised_share_of_the_calibrating_samples_is_covered(number, coverage, seed):
    case = random_case(np.random.default_rng(seed), number)
    regions = conformal.fit(*case, coverage=coverage)
    for name, covered in regions.covered(*case).items():
        assert covered.mean() >= coverage - 1e-9, name


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_new_samples_are_covered_with_the_promised_chance(coverage):
    """Over 300 splits of 40 and 20 samples: within 0..1/41 above the promise, and noise."""
    rng = np.random.default_rng(0)
    shares = {name: [] for name in conformal.REGIONS}
    for _ in range(300):
        case = random_case(rng, 60)
        regions = conformal.fit(*(array[:40] for array in case), coverage=coverage)
        for name, covered in regions.covered(*(array[40:] for array in case)).items():
            shares[name].append(covered.mean())
    for name, values in shares.items():
        assert coverage - 0.02 <= np.mean(values) <= coverage + 1 / 41 + 0.02, name


def test_regions_hold_what_covered_says():
    case = random_case(np.random.default_rng(1), 200)
    mean, labels, std, uncertainty = case
    for adaptive in (False, True):
        regions = conformal.fit(*case, adaptive=adaptive)
        covered = regions.covered(*case)
        ending = "_adaptive" if adaptive else ""
        inside = conformal.midpoint_distances(mean, labels) <= regions.disc_radius(uncertainty) * (
            1 + 1e-12
        )
        np.testing.assert_array_equal(inside, covered["disc" + ending])
        half = regions.box_half_widths(std) * (1 + 1e-12)
        inside = (np.abs(mean - labels) <= half).all(axis=1)
        np.testing.assert_array_equal(inside, covered["box" + ending])


def test_adaptive_regions_are_smaller_where_the_model_is_sure():
    case = random_case(np.random.default_rng(2), 500)
    adaptive, plain = conformal.fit(*case), conformal.fit(*case, adaptive=False)
    radii = adaptive.disc_radius(np.array([0.0, 0.1]))
    assert radii[0] < plain.disc < radii[1]
    assert (plain.disc_radius(np.array([0.0, 0.1])) == plain.disc).all()
    assert (plain.box_half_widths(np.zeros((2, 4))) == plain.box).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"std": np.full((20, 4), -1.0)}, "values from -1"),
        ({"uncertainty": np.full(20, np.nan)}, "finite"),
        ({"uncertainty": np.full(19, 0.1)}, r"\[N, 4\] and uncertainty \[N\], got"),
        ({"floor": 0}, "floor 0"),
        ({"coverage": 1}, "0 < coverage < 1, got 1"),
    ],
)
def test_bad_input_is_refused(changes, message):
    names = ("mean", "labels", "std", "uncertainty")
    case = dict(zip(names, random_case(np.random.default_rng(3), 20)))
    with pytest.raises(ValueError, match=message):
        conformal.fit(**{**case, **changes})


def test_nan_scores_and_impossible_regions_are_refused():
    with pytest.raises(ValueError, match="NaN in 1 samples"):
        conformal.conformal_quantile(np.array([1, np.nan]), 0.5)
    with pytest.raises(ValueError, match="disc: expected a finite number of at least 0, got -1"):
        conformal.ConformalRegions(0.9, 0.01, True, -1, 1, 1, 1)
    with pytest.raises(ValueError, match="got nan"):
        conformal.ConformalRegions(0.9, 0.01, True, 1, 1, float("nan"), 1)
