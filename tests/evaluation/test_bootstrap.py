"""Intervals: by hand, against SciPy, against a loop over pictures, and their promise."""

import numpy as np
import pytest
import scipy.stats

from evaluation import bootstrap


def test_two_pictures_by_hand():
    # Means of the drawings: 2 (chance 1/4), 3 (1/2), 5 (1/4).
    found = bootstrap.mean_interval(
        np.array([1.0, 3, 5]), np.array(["a", "a", "b"]), confidence=0.9, num_resamples=4000
    )
    assert (found.mean, found.low, found.high) == (3, 2, 5)
    assert (found.num_samples, found.num_pictures) == (3, 2)
    narrow = bootstrap.mean_interval(
        np.array([1.0, 3, 5]), np.array(["a", "a", "b"]), confidence=0.4, num_resamples=4000
    )
    assert (narrow.low, narrow.high) == (3, 3)


def test_is_the_quantile_of_means_over_drawn_pictures():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 12, 40)
    values = rng.exponential(size=40)
    draws = np.random.default_rng(7).integers(0, len(set(pictures)), (300, len(set(pictures))))
    names = sorted(set(pictures))
    means = [np.concatenate([values[pictures == names[k]] for k in d]).mean() for d in draws]
    found = bootstrap.mean_interval(values, pictures, num_resamples=300, seed=7)
    np.testing.assert_allclose(
        [found.low, found.high], np.quantile(means, [0.025, 0.975]), atol=1e-9
    )


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_agrees_with_scipy_where_samples_are_independent(method):
    values = np.random.default_rng(1).exponential(size=60)
    name = {"percentile": "percentile", "bca": "BCa"}[method]
    other = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=20000, method=name, random_state=np.random.default_rng(2)
    ).confidence_interval
    found = bootstrap.mean_interval(values, num_resamples=20000, method=method)
    np.testing.assert_allclose([found.low, found.high], other, rtol=0.01)


def test_bca_is_scipys_on_the_same_drawings():
    """SciPy takes the drawings of an earlier result as they are, so its ends must be ours."""
    values = np.random.default_rng(3).exponential(size=25)
    draws = np.random.default_rng(5).integers(0, 25, (500, 25))
    means = values[draws].mean(axis=1)
    earlier = scipy.stats.bootstrap((values,), np.mean, n_resamples=2, method="percentile")
    earlier.bootstrap_distribution = means
    other = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=0, method="BCa", bootstrap_result=earlier
    ).confidence_interval
    found = bootstrap.mean_interval(values, num_resamples=500, method="bca", seed=5)
    np.testing.assert_allclose([found.low, found.high], other, rtol=1e-6)


def test_samples_of_one_picture_are_not_taken_for_independent():
    """Ten copies of each picture tell no more than one."""
    values = np.random.default_rng(4).normal(size=30)
    once = bootstrap.mean_interval(values)
    copies = bootstrap.mean_interval(np.repeat(values, 10), np.repeat(np.arange(30), 10))
    blind = bootstrap.mean_interval(np.repeat(values, 10))
    np.testing.assert_allclose([copies.low, copies.high], [once.low, once.high])
    assert blind.high - blind.low < 0.5 * (once.high - once.low)


def test_ninety_percent_of_the_intervals_hold_the_true_mean():
    rng = np.random.default_rng(6)
    held = 0
    for trial in range(200):
        pictures = np.repeat(np.arange(40), 2)
        values = np.repeat(rng.normal(size=40), 2) + rng.normal(size=80)
        found = bootstrap.mean_interval(
            values, pictures, confidence=0.9, num_resamples=200, seed=trial
        )
        held += found.low <= 0 <= found.high
    assert 0.82 <= held / 200 <= 0.96


def test_columns_share_their_drawings_and_unknown_values_do_not_count():
    first = np.array([1.0, np.nan, 3, 4])
    pictures = np.array([0, 0, 1, 2])
    found = bootstrap.mean_intervals(
        {"a": first, "b": first * 2, "c": np.full(4, np.nan)}, pictures
    )
    assert found["a"].mean == pytest.approx(8 / 3)
    assert (found["a"].num_samples, found["a"].num_pictures) == (3, 3)
    assert found["b"].low == pytest.approx(2 * found["a"].low)
    assert np.isnan([found["c"].mean, found["c"].low, found["c"].high]).all()
    assert found["c"].num_samples == 0


def test_one_picture_has_no_interval():
    found = bootstrap.mean_interval(np.array([1.0, 2]), np.array(["a", "a"]))
    assert found.mean == 1.5
    assert np.isnan([found.low, found.high]).all()


def test_constant_errors_have_an_interval_of_no_width():
    for method in bootstrap.METHODS:
        found = bootstrap.mean_interval(np.full(5, 0.25), method=method)
        assert (found.low, found.high) == (0.25, 0.25)


def test_same_seed_same_interval_however_memory_is_bounded(monkeypatch):
    values = np.random.default_rng(8).normal(size=50)
    whole = bootstrap.mean_interval(values, num_resamples=200, seed=3)
    monkeypatch.setattr(bootstrap, "_COUNTS_AT_ONCE", 70)
    parts = bootstrap.mean_interval(values, num_resamples=200, seed=3)
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), rel=1e-12)
    other = bootstrap.mean_interval(values, num_resamples=200, seed=4)
    assert other.low != pytest.approx(whole.low, rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"confidence": 1}, "confidence"),
        ({"num_resamples": 99}, "num_resamples"),
        ({"method": "normal"}, "percentile, bca; got 'normal'"),
        ({"pictures": np.zeros(2)}, "a picture for each of the 3 samples"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        bootstrap.mean_interval(np.ones(3), **settings)


def test_bad_values_are_refused():
    with pytest.raises(ValueError, match="1 infinite"):
        bootstrap.mean_interval(np.array([1, np.inf]))
    with pytest.raises(ValueError, match=r"b: expected .* \[2\], got \(3,\)"):
        bootstrap.mean_intervals({"a": np.ones(2), "b": np.ones(3)})
