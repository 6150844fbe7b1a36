"""Whether a mean and a standard deviation of each coordinate mean what they say.

Each coordinate is taken for normally distributed about the answer. Example: answer 0.50, standard
deviation 0.02, label 0.53. The label is z = 1.5 standard deviations away, inside the 90 % interval
0.50 -+ 1.645 * 0.02, at the quantile Phi(1.5) = 0.933 of the prediction; its negative
log-likelihood is 1.5^2 / 2 + log(0.02) + log(2 pi) / 2 = -1.868 nats.

Arrays are [N samples, D coordinates]. A standard deviation of 0 claims certainty and would make any
error infinitely unlikely, so it is refused: `uncertainty_calibration.MIN_STD` is the least that a
standard deviation should be.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np

from evaluation import rank_metrics

LEVELS = (0.5, 0.8, 0.9, 0.95)
_NORMAL = statistics.NormalDist()
_QUANTILES = tuple(number / 100 for number in range(1, 100))


def gaussian_nll(mean: np.ndarray, std: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Negative log-likelihood of each coordinate.

    Args:
        mean: float [N, D].
        std: float [N, D], above 0.
        labels: float [N, D].

    Returns:
        float64 [N, D] in nats, any sign, low is good: z^2 / 2 + log(std) + log(2 pi) / 2.

    Raises:
        ValueError: if shapes differ, a value is not finite, or a std is not above 0.
    """
    z, std = deviations(mean, std, labels)
    return np.square(z) / 2 + np.log(std) + np.log(2 * np.pi) / 2


def interval_coverage(
    mean: np.ndarray,
    std: np.ndarray,
    labels: np.ndarray,
    levels: Sequence[float] = LEVELS,
) -> dict[float, np.ndarray]:
    """Share of labels inside the central intervals mean -+ Phi^-1((1 + level) / 2) std.

    Args:
        mean: float [N, D].
        std: float [N, D], above 0.
        labels: float [N, D].
        levels: what the intervals promise, 0..1.

    Returns:
        {level: float64 [D]}; the level itself for a calibrated model.

    Raises:
        ValueError: as `gaussian_nll`.
    """
    z = np.abs(deviations(mean, std, labels)[0])
    return {level: (z <= _NORMAL.inv_cdf((1 + level) / 2)).mean(axis=0) for level in levels}


def calibration_curve(
    mean: np.ndarray,
    std: np.ndarray,
    labels: np.ndarray,
    quantiles: Sequence[float] = _QUANTILES,
) -> tuple[np.ndarray, np.ndarray]:
    """Share of labels below each predicted quantile (Kuleshov, Fenner and Ermon 2018).

    Args:
        mean: float [N, D].
        std: float [N, D], above 0.
        labels: float [N, D].
        quantiles: expected shares p, 0..1.

    Returns:
        Expected float64 [Q] and observed float64 [Q, D]; equal for a calibrated model.

    Raises:
        ValueError: as `gaussian_nll`.
    """
    z = np.sort(deviations(mean, std, labels)[0], axis=0)
    limits = [_NORMAL.inv_cdf(quantile) for quantile in quantiles]
    below = [np.searchsorted(column, limits, side="right") for column in z.T]
    return np.array(quantiles), np.stack(below, axis=1) / len(z)


def calibration_errors(
    mean: np.ndarray, std: np.ndarray, labels: np.ndarray
) -> dict[str, np.ndarray]:
    """How far `calibration_curve` is from the diagonal, over the 99 quantiles 0.01..0.99.

    Args:
        mean: float [N, D].
        std: float [N, D], above 0.
        labels: float [N, D].

    Returns:
        {'calibration_error': mean of |observed - p|, 'calibration_error_squared': mean of its
        square, which is Kuleshov's with the weights 1 / 99}: float64 [D], 0..0.5 and
        0..0.34; 0 is the best. Finite N alone gives about 0.3 / sqrt(N).

    Raises:
        ValueError: as `gaussian_nll`.
    """
    expected, observed = calibration_curve(mean, std, labels)
    distance = observed - expected[:, None]
    return {
        "calibration_error": np.abs(distance).mean(axis=0),
        "calibration_error_squared": np.square(distance).mean(axis=0),
    }


def ence(mean: np.ndarray, std: np.ndarray, labels: np.ndarray, num_bins: int = 10) -> np.ndarray:
    """Expected normalised calibration error (Levi et al. 2019).

    Samples in the order of their std are cut into bins of equal size; in each, the root of the mean
    variance (RMV) should be the root of the mean squared error (RMSE). Squared errors of samples
    with equal std are averaged first, so that their order does not matter.

    Args:
        mean: float [N, D].
        std: float [N, D], above 0.
        labels: float [N, D].
        num_bins: at most N; sizes differ by one at most.

    Returns:
        float64 [D], mean of |RMV - RMSE| / RMV over the bins; 0 is the best, no upper bound.

    Raises:
        ValueError: as `gaussian_nll`, or if there are more bins than samples.
    """
    z, std = deviations(mean, std, labels)
    if not 1 <= num_bins <= len(z):
        raise ValueError(f"ence: expected 1 to {len(z)} bins for {len(z)} samples, got {num_bins}.")
    found = []
    for column, stds in zip(z.T, std.T):
        order = np.argsort(stds, kind="stable")
        squares = rank_metrics.tie_means(stds, np.square(column * stds))[order]
        errors = np.sqrt([part.mean() for part in np.array_split(squares, num_bins)])
        variances = np.array_split(np.square(stds[order]), num_bins)
        expected = np.sqrt([part.mean() for part in variances])
        found.append((np.abs(expected - errors) / expected).mean())
    return np.array(found)


def deviations(
    mean: np.ndarray, std: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How many standard deviations labels lie above means.

    Args:
        mean: float [N, D].
        std: float [N, D], above 0.
        labels: float [N, D].

    Returns:
        (label - mean) / std and std, float64 [N, D].

    Raises:
        ValueError: if shapes differ, a value is not finite, or a std is not above 0.
    """
    mean, std, labels = (np.asarray(array, np.float64) for array in (mean, std, labels))
    if not mean.shape == std.shape == labels.shape or mean.ndim != 2 or not mean.size:
        raise ValueError(
            f"expected mean, std and labels [N, D] alike with N >= 1, got {mean.shape}, "
            f"{std.shape} and {labels.shape}."
        )
    if not all(np.isfinite(array).all() for array in (mean, std, labels)):
        raise ValueError("expected finite mean, std and labels, got NaN or infinity.")
    if not (std > 0).all():
        raise ValueError(
            f"std: expected values above 0, got {std.min()} ({int((std <= 0).sum())} of {std.size} "
            "are not). Give each at least uncertainty_calibration.MIN_STD."
        )
    return (labels - mean) / std, std
