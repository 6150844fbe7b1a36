"""Intervals over pictures, and how well doubts, chances and deviations say what is wrong.

Three foods on one plate are three samples, but not three independent ones: light, camera and plate
are shared. So intervals draw whole pictures with replacement, each with all its samples. Example:
picture A has the errors 1 and 3, picture B the error 5; the mean is 3. Drawing two pictures gives
A A (mean 2), A B or B A (3), B B (5), with the chances 1/4, 1/2, 1/4. SciPy's `bootstrap` takes ten
times as long.

`docs/evaluation.md` has formulas and sources. SciPy and scikit-learn are imported where they are
used: they are slow, so not for --help.
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
    rng, size, left, drawn = np.random.default_rng(seed), len(names), _NUM_RESAMPLES, []
    with np.errstate(invalid="ignore"):  # 0 / 0: nothing known was drawn.
        while left:
            number = min(max(1, _AT_ONCE // size), left)
            picks = rng.integers(0, size, (number, size)) + size * np.arange(number)[:, None]
            times = np.bincount(picks.ravel(), minlength=picks.size).reshape(picks.shape)
            drawn.append((times @ sums) / (times @ counts))
            left -= number
        means = sums.sum(axis=0) / counts.sum(axis=0)
    found = {}
    for name, mean, count, means_drawn in zip(columns, means, counts.T, np.concatenate(drawn).T):
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
    import sklearn.metrics

    if np.all(positive) or not np.any(positive):
        return NAN
    return float(sklearn.metrics.roc_auc_score(positive, scores))


def doubt_figures(
    uncertainty: np.ndarray, answers: np.ndarray, std: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    """How well an uncertainty [N] ranks the errors of answers [N, 4], the distances of their
    midpoints, and how well standard deviations [N, 4], above 0, say how far coordinates are off.

    'auroc' of errors above `metrics.ERROR_LIMIT`; 'gain_20', by what share the mean error falls if
    a human is asked about the 20 % most uncertain (NaN without an error; equal ones count as in a
    random order). Errors 1, 2, 3, 6 with the uncertainties 0.1, 0.3, 0.2, 0.9: 20 % of four,
    rounded up, is the last one; the mean falls from 3 to 2, so the gain is a third. 'nll' in nats
    and 'coverage_90', the share of labels in 90 % intervals, take errors for normally distributed:
    answer 0.50, std 0.02, label 0.53 is z = 1.5 deviations off, inside 0.50 -+ 0.0329, with the nll
    1.5^2 / 2 + log(0.02) + log(2 pi) / 2 = -1.868."""
    import scipy.special

    error = metrics.midpoint_distances(answers, labels)
    # The mean over all orders of equal uncertainties is that of samples with the same mean error.
    _, group, counts = np.unique(uncertainty, return_inverse=True, return_counts=True)
    expected = (np.bincount(group, error) / counts)[group][np.argsort(uncertainty, kind="stable")]
    # 0.2 * 15 is a little more than 3; no fourth sample is asked for that.
    kept = max(1, len(error) - int(np.ceil(0.2 * len(error) - 1e-9)))
    z = (np.asarray(labels, np.float64) - answers) / np.asarray(std, np.float64)
    nll = np.square(z) / 2 + np.log(std) + np.log(2 * np.pi) / 2
    return {
        "auroc": auroc(uncertainty, error > metrics.ERROR_LIMIT),
        "gain_20": float(1 - expected[:kept].mean() / error.mean()) if error.any() else NAN,
        "nll": float(nll.mean()),
        "coverage_90": float((np.abs(z) <= scipy.special.ndtri(0.95)).mean()),
    }


def chance_error(chances: np.ndarray, right: np.ndarray) -> float:
    """The expected calibration error of chances [n] (Naeini et al. 2015), in ten bins of equally
    many answers: the mean distance of a bin's mean chance from its share of `right` answers."""
    order = np.argsort(chances, kind="stable")
    bins = np.array_split(order, min(10, len(order)))
    gaps = [abs(chances[one].mean() - right[one].mean()) * len(one) for one in bins]
    return float(sum(gaps) / len(order))
