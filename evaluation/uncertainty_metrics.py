"""How well an uncertainty ranks errors, and whether standard deviations mean what they say.

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

import numpy as np

from evaluation import metrics, statistics

_QUANTILES = np.arange(1, 100) / 100


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
        "auroc": statistics.auroc(uncertainty, wrong),
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
