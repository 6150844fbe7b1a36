"""Standard deviations judged: by hand, against SciPy's normal distribution, and their limits."""

import numpy as np
import pytest
import scipy.stats

from evaluation import gaussian_metrics


def random_case(seed, number=300, factor=1.0):
    """Labels drawn from what is predicted, with `factor` times the predicted std."""
    rng = np.random.default_rng(seed)
    mean, std = rng.uniform(0, 1, (number, 4)), rng.uniform(0.01, 0.1, (number, 4))
    return mean, std, mean + factor * std * rng.normal(size=(number, 4))


def test_example_of_the_module():
    nll = gaussian_metrics.gaussian_nll([[0.5]], [[0.02]], [[0.53]])
    assert nll[0, 0] == pytest.approx(1.125 + np.log(0.02) + 0.918939, abs=1e-6)
    covered = gaussian_metrics.interval_coverage([[0.5]], [[0.02]], [[0.53]])
    assert {level: float(share[0]) for level, share in covered.items()} == {
        0.5: 0,
        0.8: 0,
        0.9: 1,
        0.95: 1,
    }
    _, observed = gaussian_metrics.calibration_curve([[0.5]], [[0.02]], [[0.53]], (0.93, 0.94))
    np.testing.assert_array_equal(observed, [[0], [1]])


@pytest.mark.parametrize("seed", range(3))
def test_equals_scipys_normal_distribution(seed):
    mean, std, labels = random_case(seed, factor=1.7)
    normal = scipy.stats.norm(mean, std)
    np.testing.assert_allclose(
        gaussian_metrics.gaussian_nll(mean, std, labels), -normal.logpdf(labels), atol=1e-9
    )
    at = normal.cdf(labels)
    expected, observed = gaussian_metrics.calibration_curve(mean, std, labels)
    np.testing.assert_allclose(
        observed, (at[None] <= expected[:, None, None]).mean(axis=1), atol=1e-9
    )
    errors = gaussian_metrics.calibration_errors(mean, std, labels)
    distance = observed - expected[:, None]
    np.testing.assert_allclose(errors["calibration_error"], np.abs(distance).mean(0), atol=1e-9)
    np.testing.assert_allclose(
        errors["calibration_error_squared"], np.square(distance).mean(0), atol=1e-9
    )
    for level, share in gaussian_metrics.interval_coverage(mean, std, labels).items():
        low, high = normal.interval(level)
        np.testing.assert_allclose(share, ((labels >= low) & (labels <= high)).mean(axis=0))


def test_ence_equals_a_plain_loop():
    mean, std, labels = random_case(4, number=100)
    found = gaussian_metrics.ence(mean, std, labels, num_bins=7)
    for coordinate in range(4):
        order = np.argsort(std[:, coordinate])
        parts = []
        for part in np.array_split(order, 7):
            rmv = np.sqrt(np.mean(std[part, coordinate] ** 2))
            rmse = np.sqrt(np.mean((mean - labels)[part, coordinate] ** 2))
            parts.append(abs(rmv - rmse) / rmv)
        assert found[coordinate] == pytest.approx(np.mean(parts), abs=1e-9)


def test_ence_by_hand_and_without_regard_to_the_order_of_ties():
    mean, labels = np.zeros((4, 1)), np.array([[0.0], [2], [1], [3]])
    std = np.ones((4, 1))
    # All stds equal: each bin has the mean of the squares, 14 / 4.
    expected = np.sqrt(3.5) - 1
    for order in ([0, 1, 2, 3], [3, 0, 2, 1]):
        found = gaussian_metrics.ence(mean, std, labels[order], num_bins=2)
        assert found[0] == pytest.approx(expected)
    found = gaussian_metrics.ence([[0.0], [0]], [[1.0], [2]], [[2.0], [2]], num_bins=2)
    assert found[0] == pytest.approx((1 + 0) / 2)


def test_a_calibrated_model_has_small_errors_and_others_have_not():
    good = gaussian_metrics.calibration_errors(*random_case(5, 20000))
    bad = gaussian_metrics.calibration_errors(*random_case(5, 20000, factor=2))
    assert good["calibration_error"].max() < 0.01
    assert bad["calibration_error"].min() > 0.05
    assert gaussian_metrics.ence(*random_case(5, 20000)).max() < 0.05
    np.testing.assert_allclose(gaussian_metrics.ence(*random_case(5, 20000, 2)), 1, atol=0.06)
    for level, share in gaussian_metrics.interval_coverage(*random_case(5, 20000)).items():
        np.testing.assert_allclose(share, level, atol=0.015)


def test_the_worst_that_calibration_can_be():
    errors = gaussian_metrics.calibration_errors([[0.0]], [[1e-6]], [[1.0]])
    assert errors["calibration_error"][0] == pytest.approx(0.5)
    assert 0.33 < errors["calibration_error_squared"][0] < 0.34


@pytest.mark.parametrize(
    ("mean", "std", "labels", "message"),
    [
        ([[0.5]], [[0.0]], [[0.5]], r"above 0, got 0.0 \(1 of 1 are not\)"),
        ([[0.5]], [[np.nan]], [[0.5]], "finite"),
        ([[0.5]], [[0.1]], [[np.inf]], "finite"),
        ([[0.5, 0.5]], [[0.1]], [[0.5]], r"alike"),
        (np.zeros((0, 4)), np.zeros((0, 4)), np.zeros((0, 4)), "N >= 1"),
    ],
)
def test_bad_input_is_refused(mean, std, labels, message):
    for function in (
        gaussian_metrics.gaussian_nll,
        gaussian_metrics.calibration_errors,
        gaussian_metrics.interval_coverage,
        gaussian_metrics.ence,
    ):
        with pytest.raises(ValueError, match=message):
            function(mean, std, labels)


def test_more_bins_than_samples_are_refused():
    with pytest.raises(ValueError, match="1 to 1 bins for 1 samples, got 2"):
        gaussian_metrics.ence([[0.5]], [[0.1]], [[0.5]], num_bins=2)
