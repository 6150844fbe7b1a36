"""Intervals and rank figures in which the samples of one picture count as one.

Three foods on one plate are three samples, but not three independent ones: light, camera and plate
are shared. So intervals draw whole pictures with replacement, each with all its samples (the
cluster bootstrap: Davison and Hinkley 1997, 3.8; Efron and Tibshirani 1993).

Example: picture A has the errors 1 and 3, picture B the error 5; the mean is 3. Drawing two
pictures gives A A (mean 2), A B or B A (3), B B (5), with the chances 1/4, 1/2, 1/4. SciPy's
`bootstrap` gives the same intervals for the same seed and takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from evaluation import metrics

_NUM_RESAMPLES = 2000
# Numbers that are drawn at once, so that memory does not grow with the pictures.
_AT_ONCE = 1_000_000
NAN = float("nan")


def mean_intervals(
    columns: Mapping[str, np.ndarray], pictures: np.ndarray, seed: int = 0
) -> dict[str, dict[str, float | int]]:
    """95 % intervals of the means of columns [N], all from the same 2,000 drawings of pictures [N].
    NaN means unknown and does not count. {column: {'mean', 'low', 'high', 'n'}}: 'low' and 'high'
    are NaN if fewer than two pictures have a known value, 'n' samples have one."""
    names, group = np.unique(pictures, return_inverse=True)
    values = np.stack([np.asarray(column, np.float64) for column in columns.values()])
    known = ~np.isnan(values)
    counts, sums = (
        np.stack([np.bincount(group, row, len(names)) for row in rows], axis=1)
        for rows in (known, np.where(known, values, 0.0))
    )
    drawn = np.empty((_NUM_RESAMPLES, len(values)))
    rng, size = np.random.default_rng(seed), len(names)
    step = max(1, _AT_ONCE // size)
    with np.errstate(invalid="ignore"):  # 0 / 0: nothing known was drawn.
        for start in range(0, _NUM_RESAMPLES, step):
            number = min(step, _NUM_RESAMPLES - start)
            picks = rng.integers(0, size, (number, size)) + size * np.arange(number)[:, None]
            times = np.bincount(picks.ravel(), minlength=picks.size).reshape(picks.shape)
            drawn[start : start + number] = (times @ sums) / (times @ counts)
        means = sums.sum(axis=0) / counts.sum(axis=0)
    found = {}
    for column, name in enumerate(columns):
        low = high = NAN
        if (counts[:, column] > 0).sum() > 1:
            low, high = np.nanquantile(drawn[:, column], [0.025, 0.975]).tolist()
        number = int(counts[:, column].sum())
        found[name] = {"mean": float(means[column]), "low": low, "high": high, "n": number}
    return found


def bootstrap_interval(
    figure: Callable[[np.ndarray], float], pictures: np.ndarray, number: int, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a figure of sample numbers int [m]; `number` drawings of whole pictures."""
    rows = [one for _, one in metrics.groups(pictures)]
    rng, drawn = np.random.default_rng(seed), []
    for _ in range(number):
        some = rng.integers(0, len(rows), len(rows))
        drawn.append(figure(np.concatenate([rows[one] for one in some])))
    return tuple(np.quantile(drawn, [0.025, 0.975]).tolist())


def one_of_each_picture(pictures: np.ndarray, seed: int) -> np.ndarray:
    """One sample of each picture [N], by lot: sorted sample numbers, int [K]."""
    order = np.random.default_rng(seed).permutation(len(pictures))
    return np.sort(order[np.unique(np.asarray(pictures)[order], return_index=True)[1]])


def upper_bound(num_errors: int, number: int, confidence: float) -> float:
    """The highest error rate that k errors among n independent samples leave likely: that at which
    k or fewer errors have the chance 1 - confidence (Clopper and Pearson 1934). No error among 59
    samples: (1 - p)^59 = 0.05 at p = 0.0495."""
    if num_errors == number:
        return 1.0
    import scipy.special  # Slow, so not for --help.

    return float(scipy.special.betaincinv(num_errors + 1, number - num_errors, confidence))


def auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    """The chance that a positive sample has a higher score than a negative one, equal ones half:
    0.5 for a score that knows nothing; NaN if all of [N] are positive or none is."""
    if np.all(positive) or not np.any(positive):
        return NAN
    import sklearn.metrics  # slow, so not for --help

    return float(sklearn.metrics.roc_auc_score(positive, scores))
