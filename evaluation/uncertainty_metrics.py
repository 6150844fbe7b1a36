"""All figures of one source of uncertainty on one set of samples: a row of the uncertainty table.

`rejection_curves`, `rank_metrics` and `gaussian_metrics` compute them and say what they mean;
`docs/evaluation.md` lists them with formula, unit and range.
"""

from __future__ import annotations

import numpy as np

from evaluation import ask_human, gaussian_metrics, rank_metrics, rejection_curves

ASKED = (0.1, 0.2, 0.5)


def ranking_figures(
    uncertainty: np.ndarray, error: np.ndarray, error_limit: float = ask_human.ERROR_LIMIT
) -> dict[str, float]:
    """How well an uncertainty says which answers are far off.

    Args:
        uncertainty: float [N].
        error: float [N], at least 0; the distance of the midpoints.
        error_limit: an answer with a larger error is wrong.

    Returns:
        {'auroc', 'average_precision', 'wrong_share', 'spearman', 'ause', 'random_ause',
        'relative_ause', 'aurc', 'excess_aurc', 'mean_error', 'gain_10', 'gain_20', 'gain_50'}; NaN
        where one has no meaning. gain_20: by what share the mean error falls if a human is asked
        about the 20 % most uncertain.

    Raises:
        ValueError: as `rejection_curves.rejection_curve`.
    """
    curve = rejection_curves.rejection_curve(uncertainty, error)
    wrong = np.asarray(error) > error_limit
    found = {
        "auroc": rank_metrics.auroc(uncertainty, wrong),
        "average_precision": rank_metrics.average_precision(uncertainty, wrong),
        "wrong_share": float(wrong.mean()),
        "spearman": rank_metrics.spearman(uncertainty, error),
    }
    for name in ("ause", "random_ause", "relative_ause", "aurc", "excess_aurc"):
        found[name] = getattr(curve, name)
    found["mean_error"] = float(curve.error[0])
    return found | {f"gain_{asked * 100:.0f}": curve.gain(asked) for asked in ASKED}


def spread_figures(mean: np.ndarray, std: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """How well standard deviations say how far off answers are; the mean over the coordinates.

    Args:
        mean: float [N, D], the answers.
        std: float [N, D], above 0; calibrated or not.
        labels: float [N, D].

    Returns:
        {'nll' in nats per coordinate, 'calibration_error', 'calibration_error_squared', 'ence',
        'coverage_50', 'coverage_80', 'coverage_90', 'coverage_95', 'mean_std'}. ENCE has ten bins,
        or N if there are fewer samples.

    Raises:
        ValueError: as `gaussian_metrics.gaussian_nll`.
    """
    found = {"nll": gaussian_metrics.gaussian_nll(mean, std, labels)}
    found |= gaussian_metrics.calibration_errors(mean, std, labels)
    found["ence"] = gaussian_metrics.ence(mean, std, labels, num_bins=min(10, len(mean)))
    for level, covered in gaussian_metrics.interval_coverage(mean, std, labels).items():
        found[f"coverage_{level * 100:.0f}"] = covered
    found["mean_std"] = np.asarray(std, np.float64)
    return {name: float(values.mean()) for name, values in found.items()}
