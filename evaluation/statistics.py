"""Intervals over pictures; how well an uncertainty ranks errors, and what deviations are worth.

Three foods on one plate are three samples, but not three independent ones: light, camera and plate
are shared. So intervals draw whole pictures with replacement, each with all its samples (the
cluster bootstrap: Davison and Hinkley 1997, 3.8; Efron and Tibshirani 1993).

Example: picture A has the errors 1 and 3, picture B the error 5; the mean is 3. Drawing two
pictures gives A A (mean 2), A B or B A (3), B B (5), with the chances 1/4, 1/2, 1/4. SciPy's
`bootstrap` gives the same intervals for the same seed and takes ten times as long.

Ranking: samples are put in the order of their uncertainty; the model keeps the k least uncertain
and a human is asked about the rest. Errors 1, 2, 3, 6 with the uncertainties 0.1, 0.3, 0.2, 0.9:

| kept k | coverage | asked | error of the kept     | oracle       |
|--------|----------|-------|-----------------------|--------------|
| 4      | 1        | 0     | (1 + 3 + 2 + 6)/4 = 3 | 3            |
| 3      | 0.75     | 0.25  | (1 + 3 + 2)/3 = 2     | 2            |
| 2      | 0.5      | 0.5   | (1 + 3)/2 = 2         | (1 + 2)/2    |
| 1      | 0.25     | 0.75  | 1                     | 1            |

The oracle orders the samples as their errors do; an uncertainty that knows nothing keeps the mean
error, 3. This is the sparsification curve (Ilg et al. 2018), or, by coverage, the risk-coverage
curve (Geifman and El-Yaniv 2017). Samples with equal uncertainty count as in a random order.

Deviations: each coordinate is taken for normally distributed about the answer. Answer 0.50,
standard deviation 0.02, label 0.53: z = 1.5 deviations, inside the 90 % interval 0.50 -+ 0.0329,
negative log-likelihood 1.5^2 / 2 + log(0.02) + log(2 pi) / 2 = -1.868 nats.

`docs/evaluation.md` lists all figures with formula, unit and range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from evaluation import metrics

_NUM_RESAMPLES = 2000
# Numbers that are drawn at once, so that memory does not grow with the pictures.
_AT_ONCE = 1_000_000
NAN = float("nan")
_QUANTILES = np.arange(1, 100) / 100


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


def rejection_curve(
    uncertainty: np.ndarray, error: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coverage 1 .. 1/N, mean error of the kept, and the oracle's, float64 [N] each: the module's
    table, of uncertainties [N] and errors [N]."""
    order = np.argsort(uncertainty, kind="stable")
    # The mean over all orders of equal uncertainties is that of samples with the same mean error.
    _, group, counts = np.unique(uncertainty, return_inverse=True, return_counts=True)
    expected = (np.bincount(group, error) / counts)[group][order]
    kept = np.arange(1, len(order) + 1)
    means = [(np.cumsum(values) / kept)[::-1] for values in (expected, np.sort(error))]
    return kept[::-1] / len(order), *means


def ranking_figures(uncertainty: np.ndarray, error: np.ndarray) -> dict[str, float]:
    """How well an uncertainty [N] says which answers are far off; errors [N] are distances of the
    midpoints, wrong above `metrics.ERROR_LIMIT`. NaN where a figure has no meaning. gain_20: by
    what share the mean error falls if a human is asked about the 20 % most uncertain."""
    import scipy.stats  # slow, so not for --help

    coverage, curve, oracle = rejection_curve(uncertainty, error)
    wrong, whole, number = np.asarray(error) > metrics.ERROR_LIMIT, float(curve[0]), len(curve)
    rank = relative_ause = gain = np.nan
    if np.ptp(uncertainty) > 0 and np.ptp(error) > 0:
        rank = float(scipy.stats.spearmanr(uncertainty, error).statistic)
    if whole > 0:
        own, constant = (
            np.trapezoid(values - oracle, 1 - coverage)
            for values in (curve, np.full(number, whole))
        )
        relative_ause = float(own / constant) if constant > 0 else np.nan
        # 0.2 * 15 is a little more than 3; no fourth sample is asked for that.
        gain = float(1 - curve[min(int(np.ceil(0.2 * number - 1e-9)), number - 1)] / whole)
    return {
        "auroc": auroc(uncertainty, wrong),
        "spearman": rank,
        "relative_ause": relative_ause,
        "gain_20": gain,
        "mean_error": whole,
        "wrong_share": float(wrong.mean()),
    }


def reliability_curve(
    mean: np.ndarray, std: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Share of labels below each predicted quantile (Kuleshov, Fenner and Ermon 2018): expected
    shares 0.01 .. 0.99, [99], and observed ones [99, D], equal for a calibrated model."""
    import scipy.special  # Slow, so not for --help; `spread_figures` below, too.

    limits = scipy.special.ndtri(_QUANTILES)
    z = np.sort((np.asarray(labels, np.float64) - mean) / std, axis=0)
    below = [np.searchsorted(column, limits, side="right") for column in z.T]
    return _QUANTILES, np.stack(below, axis=1) / len(z)


def spread_figures(mean: np.ndarray, std: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """How well standard deviations [N, D], above 0, say how far answers `mean` [N, D] are off
    labels [N, D]; the mean over the coordinates ('nll' in nats)."""
    import scipy.special

    std = np.asarray(std, np.float64)
    z = (np.asarray(labels, np.float64) - mean) / std
    expected, observed = reliability_curve(mean, std, labels)
    found = {
        "nll": (np.square(z) / 2 + np.log(std) + np.log(2 * np.pi) / 2).mean(),
        "calibration_error": np.abs(observed - expected[:, None]).mean(),
        "mean_std": std.mean(),
    }
    for level in (0.5, 0.9, 0.95):
        inside = np.abs(z) <= scipy.special.ndtri((1 + level) / 2)
        found[f"coverage_{level * 100:.0f}"] = inside.mean()
    return {name: float(value) for name, value in found.items()}


def chance_error(chances: np.ndarray, right: np.ndarray) -> float:
    """The expected calibration error of chances [n] (Naeini et al. 2015), in ten bins of equally
    many answers: the mean distance of a bin's mean chance from its share of `right` answers."""
    order = np.argsort(chances, kind="stable")
    bins = np.array_split(order, min(10, len(order)))
    gaps = [abs(chances[one].mean() - right[one].mean()) * len(one) for one in bins]
    return float(sum(gaps) / len(order))
