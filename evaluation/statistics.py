"""Intervals over pictures, and how well doubts and chances say what is wrong.

Three foods on one plate are three samples, but not three independent ones: light, camera and plate
are shared. So intervals draw whole pictures with replacement, each with all its samples. Example:
picture A has the errors 1 and 3, picture B the error 5; the mean is 3. Drawing two pictures gives
A A (mean 2), A B or B A (3), B B (5), with the chances 1/4, 1/2, 1/4. SciPy's `bootstrap` takes ten
times as long. `docs/evaluation.md` has formulas and sources.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from evaluation import metrics

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
    rng, size, drawn = np.random.default_rng(seed), len(names), []
    with np.errstate(invalid="ignore"):  # 0 / 0: nothing known was drawn.
        for _ in range(2000):
            times = np.bincount(rng.integers(0, size, size), minlength=size)
            drawn.append((times @ sums) / (times @ counts))
        means = sums.sum(axis=0) / counts.sum(axis=0)
    found = {}
    for name, mean, count, means_drawn in zip(columns, means, counts.T, np.transpose(drawn)):
        low = high = NAN
        if (count > 0).sum() > 1:
            low, high = np.nanquantile(means_drawn, [0.025, 0.975]).tolist()
        found[name] = {"mean": float(mean), "low": low, "high": high, "n": int(count.sum())}
    return found


def bootstrap_interval(
    figure: Callable[[np.ndarray], float], pictures: np.ndarray, seed: int = 0
) -> dict[str, float | int]:
    """The same of a figure of sample numbers int [m], from 500 drawings of whole pictures."""
    rows = [one for _, one in metrics.groups(pictures)]
    rng, drawn = np.random.default_rng(seed), []
    for _ in range(500):
        some = rng.integers(0, len(rows), len(rows))
        drawn.append(figure(np.concatenate([rows[one] for one in some])))
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    everything = figure(np.arange(len(pictures)))
    return {"mean": everything, "low": low, "high": high, "n": len(pictures)}


def auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    """The chance that a positive sample has a higher score than a negative one, equal ones half:
    0.5 for a score that knows nothing; NaN if all of [N] are positive or none is."""
    import sklearn.metrics  # Slow, so not for --help.

    if np.all(positive) or not np.any(positive):
        return NAN
    return float(sklearn.metrics.roc_auc_score(positive, scores))


def chance_error(chances: np.ndarray, right: np.ndarray) -> float:
    """The expected calibration error of chances [n] (Naeini et al. 2015), in ten bins of equally
    many answers: the mean distance of a bin's mean chance from its share of `right` answers."""
    order = np.argsort(chances, kind="stable")
    bins = np.array_split(order, min(10, len(order)))
    gaps = [abs(chances[one].mean() - right[one].mean()) * len(one) for one in bins]
    return float(sum(gaps) / len(order))
