"""Whether one model is better than another on the same samples, or by luck.

The difference of two models' errors is taken sample by sample, which removes what both find hard.
Its interval comes from the cluster bootstrap (`bootstrap`). The p value comes from a permutation
test: if the models were equally good, the differences of a picture might as well have had the other
sign, so signs are flipped picture by picture, by lot, and it is counted how often the mean gets as
far from 0 as it is (Good, "Permutation Tests", 2000; Phipson and Smyth 2010 for the "+ 1").

Example: three pictures, each 0.1 better. Of the 8 ways to give signs, two (all plus, all minus)
reach a mean of 0.1: p = 2 / 8 = 0.25, the least that three pictures can give.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from evaluation import bootstrap

_SIGNS_AT_ONCE = 1_000_000
# Sums of the same numbers in another order differ by rounding; so much counts as equal.
_ROUND = 1e-9


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Mean of first minus second; below 0, the first has the smaller errors.

    Attributes:
        difference: bootstrap.Interval of the mean difference.
        p_value: two-sided, of "both are equally good"; NaN without a known difference.
    """

    difference: bootstrap.Interval
    p_value: float


def compare(
    first: np.ndarray,
    second: np.ndarray,
    pictures: np.ndarray | None = None,
    *,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    num_permutations: int = 9999,
    seed: int = 0,
) -> Comparison:
    """Compares two models' errors of the same samples.

    Args:
        first: float [N]; NaN means unknown, and leaves the sample out.
        second: float [N], of the same samples in the same order.
        pictures: [N], equal for samples of one picture; None: each has its own.
        confidence: of the interval.
        num_resamples: of the bootstrap.
        num_permutations: of the test; where there are no more than that, all are tried, once.
        seed: of both.

    Returns:
        Difference with interval, and p value.

    Raises:
        ValueError: if the lengths differ or a setting is out of range.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(
            f"compare: expected errors [N] of the same samples, got {first.shape} and "
            f"{second.shape}."
        )
    if num_permutations < 1:
        raise ValueError(f"num_permutations: expected at least 1, got {num_permutations}.")
    difference = first - second
    group = bootstrap.picture_numbers(pictures, len(first), "compare")
    interval = bootstrap.mean_interval(
        difference, group, confidence=confidence, num_resamples=num_resamples, seed=seed
    )
    known = ~np.isnan(difference)
    if not known.any():
        return Comparison(interval, float("nan"))
    _, group = np.unique(group[known], return_inverse=True)
    sums = np.bincount(group, difference[known])
    return Comparison(interval, _sign_flip_p_value(sums, num_permutations, seed))


def _sign_flip_p_value(sums: np.ndarray, number: int, seed: int) -> float:
    """Of the pictures' summed differences [K]: dividing by N changes no order, so nothing is."""
    scale = np.abs(sums).sum()
    reached = np.abs(sums.sum()) - _ROUND * scale
    if len(sums) < 63 and 2 ** len(sums) <= number:
        flips = np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1
        return float((np.abs((1 - 2 * flips) @ sums) >= reached).mean())
    rng, as_far = np.random.default_rng(seed), 0
    step = max(1, _SIGNS_AT_ONCE // len(sums))
    for start in range(0, number, step):
        flips = rng.integers(0, 2, (min(step, number - start), len(sums)), dtype=np.int8)
        as_far += int((np.abs((1 - 2 * flips) @ sums) >= reached).sum())
    return (as_far + 1) / (number + 1)
