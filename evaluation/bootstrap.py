"""Confidence intervals of means, by drawing pictures again (the cluster bootstrap).

Three foods on one plate are three samples, but not three independent ones: light, camera and plate
are shared. So whole pictures are drawn with replacement, each with all its samples, and the mean of
the samples drawn is computed each time (Davison and Hinkley, "Bootstrap Methods and their
Application", 1997, 3.8; Efron and Tibshirani, "An Introduction to the Bootstrap", 1993).

Example: picture A has the errors 1 and 3, picture B the error 5; the mean is 3. Drawing two
pictures gives A A (mean 2), A B or B A (3), B B (5), with the chances 1/4, 1/2, 1/4.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping

import numpy as np

METHODS = ("percentile", "bca")
_COUNTS_AT_ONCE = 1_000_000
_NORMAL = statistics.NormalDist()


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean and where it might have been with other pictures of the same kind.

    Attributes:
        mean: over all samples whose value is known; NaN without any.
        low, high: ends of the interval; NaN if fewer than two pictures have a known value.
        num_samples, num_pictures: with a known value.
    """

    mean: float
    low: float
    high: float
    num_samples: int
    num_pictures: int


def mean_intervals(
    columns: Mapping[str, np.ndarray],
    pictures: np.ndarray | None = None,
    *,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    method: str = "percentile",
    seed: int = 0,
) -> dict[str, Interval]:
    """Intervals of the means of several columns, all from the same drawings.

    Needs some 40 MB beside the columns, up to a million pictures.

    Args:
        columns: {name: float [N]}; NaN means unknown and counts neither way.
        pictures: [N], equal for samples of one picture (`sources`); None: each has its own.
        confidence: share of such intervals that hold the true mean, 0..1.
        num_resamples: drawings, at least 100; 2000 make the ends steady to about 3 % of the width.
        method: "percentile", or "bca" (Efron 1987: bias corrected and accelerated), which is better
            for skewed errors and few pictures.
        seed: of the drawings.

    Returns:
        {name: interval}.

    Raises:
        ValueError: if lengths differ, a value is infinite, or a setting is out of range.
    """
    _check_settings(confidence, num_resamples, method)
    names = list(columns)
    sums, counts = _picture_sums(columns, pictures)
    drawn = _drawn_means(sums, counts, num_resamples, seed)
    found = {}
    for column, name in enumerate(names):
        known = counts[:, column] > 0
        total = int(counts[:, column].sum())
        mean = float(sums[:, column].sum() / total) if total else float("nan")
        low = high = float("nan")
        if known.sum() > 1:
            means = drawn[~np.isnan(drawn[:, column]), column]
            tails = np.array([1 - confidence, 1 + confidence]) / 2
            if method == "bca":
                tails = _bca_tails(tails, mean, means, sums[known, column], counts[known, column])
            low, high = (float(end) for end in np.quantile(means, tails))
        found[name] = Interval(mean, low, high, total, int(known.sum()))
    return found


def mean_interval(
    values: np.ndarray, pictures: np.ndarray | None = None, **settings: float | str
) -> Interval:
    """`mean_intervals` of one column [N], with the same settings."""
    return mean_intervals({"": values}, pictures, **settings)[""]


def picture_numbers(pictures: np.ndarray | None, number: int, name: str) -> np.ndarray:
    """Of each sample the number of its picture, int [N], 0..K-1.

    Args:
        pictures: [N], equal for samples of one picture; None: each has its own.
        number: N.
        name: of who asks, for the error.

    Raises:
        ValueError: if there are not N.
    """
    if pictures is None:
        return np.arange(number)
    if np.shape(pictures) != (number,):
        raise ValueError(
            f"{name}: expected a picture for each of the {number} samples, got {np.shape(pictures)}"
            ". Give the sources of the same samples, in their order."
        )
    return np.unique(np.asarray(pictures), return_inverse=True)[1]


def _check_settings(confidence: float, num_resamples: int, method: str) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected 0 < confidence < 1, got {confidence}.")
    if num_resamples < 100:
        raise ValueError(f"num_resamples: expected at least 100, got {num_resamples}.")
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}; got {method!r}.")


def _picture_sums(
    columns: Mapping[str, np.ndarray], pictures: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the known values of each picture and column: float64 [K, C] both."""
    arrays = {name: np.asarray(values, np.float64) for name, values in columns.items()}
    if not arrays:
        return np.zeros((0, 0)), np.zeros((0, 0))
    number = len(next(iter(arrays.values())))
    group = picture_numbers(pictures, number, "mean_intervals")
    size = int(group.max(initial=-1)) + 1
    sums, counts = np.zeros((2, size, len(arrays)))
    for column, (name, values) in enumerate(arrays.items()):
        if values.shape != (number,) or np.isinf(values).any():
            raise ValueError(
                f"mean_intervals: {name}: expected finite numbers or NaN [{number}], got "
                f"{values.shape} with {int(np.isinf(values).sum())} infinite."
            )
        known = ~np.isnan(values)
        sums[:, column] = np.bincount(group[known], values[known], minlength=size)
        counts[:, column] = np.bincount(group[known], minlength=size)
    return sums, counts


def _drawn_means(sums: np.ndarray, counts: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Means of each drawing and column, float64 [number, C]; NaN if nothing known was drawn."""
    rng, size = np.random.default_rng(seed), len(sums)
    means = np.full((number, sums.shape[1]), np.nan)
    step = max(1, _COUNTS_AT_ONCE // max(size, 1))
    for start in range(0, number if size else 0, step):
        part = means[start : start + step]
        drawn = rng.integers(0, size, (len(part), size)) + size * np.arange(len(part))[:, None]
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        total = times @ counts
        np.divide(times @ sums, total, out=part, where=total > 0)
    return means


def _bca_tails(
    tails: np.ndarray, mean: float, drawn: np.ndarray, sums: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Which quantiles of the drawn means are the ends (Efron and Tibshirani 1993, 14.3)."""
    # Drawings equal to the mean count half, so that a constant column has no bias.
    below = ((drawn < mean).mean() + (drawn <= mean).mean()) / 2
    left_out = (sums.sum() - sums) / (counts.sum() - counts)
    deviations = left_out.mean() - left_out
    cubed = 6 * np.square(deviations).sum() ** 1.5
    if not 0 < below < 1 or cubed == 0:
        return tails
    bias, acceleration = _NORMAL.inv_cdf(below), np.power(deviations, 3).sum() / cubed
    shifted = [bias + _NORMAL.inv_cdf(tail) for tail in tails]
    return np.array([_NORMAL.cdf(bias + z / (1 - acceleration * z)) for z in shifted])
