"""How well a score ranks: AUROC, average precision, Spearman's correlation.

Example: the scores 0.1, 0.4, 0.35, 0.8 of answers that are right, right, wrong, wrong. Of the four
pairs (wrong, right) the wrong one has the higher score in three: AUROC 0.75.

Equal scores get the mean of their ranks (midranks), so that the order of the samples does not
matter: a pair with equal scores counts half.
"""

from __future__ import annotations

import numpy as np


def midranks(values: np.ndarray) -> np.ndarray:
    """Ranks 1..N of float [N]; equal values share the mean of theirs: 3, 1, 3 -> 2.5, 1, 2.5."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[group]


def tie_means(keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Each value replaced by the mean of those with an equal key.

    Whatever is linear in the values, taken in the order of the keys, then has its expected value
    over all orders of samples with equal keys.

    Args:
        keys: float [N].
        values: float [N].

    Returns:
        float64 [N], in the order given.
    """
    _, group, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return (np.bincount(group, values) / counts)[group]


def auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    """The chance that a positive sample has a higher score than a negative one.

    Hanley and McNeil (1982); the statistic of Mann and Whitney divided by the number of pairs.

    Args:
        scores: float [N], high for positive.
        positive: bool [N].

    Returns:
        0..1, 0.5 for a score that knows nothing; NaN if all are positive or none is.

    Raises:
        ValueError: if lengths differ or a score is NaN.
    """
    scores, positive = checked_pair(scores, positive, "auroc")
    wanted = positive.astype(bool)
    num_positive = int(wanted.sum())
    num_negative = len(wanted) - num_positive
    if not num_positive or not num_negative:
        return float("nan")
    above = midranks(scores)[wanted].sum() - num_positive * (num_positive + 1) / 2
    return float(above / (num_positive * num_negative))


def average_precision(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the precision-recall curve as a sum of steps: sum (R_k - R_k-1) P_k.

    Samples with equal scores are one step, as a threshold cannot part them.

    Args:
        scores: float [N], high for positive.
        positive: bool [N].

    Returns:
        0..1, the share of positives for a score that knows nothing; NaN without a positive.

    Raises:
        ValueError: as `auroc`.
    """
    scores, positive = checked_pair(scores, positive, "average_precision")
    if not positive.any():
        return float("nan")
    _, group, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    hits = np.bincount(group, positive)
    precision = np.cumsum(hits) / np.cumsum(counts)
    return float((hits / hits.sum() * precision).sum())


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rank correlation (1904): Pearson's of the midranks.

    Args:
        first: float [N].
        second: float [N].

    Returns:
        -1..1; NaN if either is constant.

    Raises:
        ValueError: as `auroc`.
    """
    first, second = checked_pair(first, second, "spearman")
    first, second = (ranks - ranks.mean() for ranks in (midranks(first), midranks(second)))
    scale = np.sqrt(np.square(first).sum() * np.square(second).sum())
    return float((first * second).sum() / scale) if scale > 0 else float("nan")


def checked_pair(first: np.ndarray, second: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 [N].

    Args:
        first: float [N].
        second: float [N].
        name: of who asks, for the error.

    Raises:
        ValueError: if the lengths differ, N is 0, or a value is NaN.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape or first.ndim != 1 or not first.size:
        raise ValueError(
            f"{name}: expected two arrays [N] with at least one sample, got {first.shape} and "
            f"{second.shape}."
        )
    unknown = np.isnan(first) | np.isnan(second)
    if unknown.any():
        raise ValueError(
            f"{name}: expected numbers, got NaN in {int(unknown.sum())} samples, the first is "
            f"{int(np.flatnonzero(unknown)[0])}. Leave those samples out."
        )
    return first, second
