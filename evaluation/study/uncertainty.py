"""Rows of the uncertainty table and points of its plots, from what sources said.

A source has several scores; each makes a row, the score it ranks by first. The figures of a row are
those of `uncertainty_metrics`. A calibration adds a row for its source, whose ranking is the same
and whose standard deviations are the calibrated ones.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from evaluation import (
    conformal,
    gaussian_metrics,
    rejection_curves,
    uncertainty_calibration,
    uncertainty_estimate,
    uncertainty_metrics,
    uncertainty_sources,
)
from evaluation.study import errors as study_errors
from evaluation.study import sources as study_sources

_POINTS = 101


@dataclasses.dataclass(frozen=True)
class Found:
    """What a source said about n samples.

    Attributes:
        source: that was asked.
        estimate: answers, std and scores.
        is_default: whether this is what decisions and examples are made with.
        calibration: fitted to this source; None: none is.
    """

    source: uncertainty_sources.Source
    estimate: uncertainty_estimate.Estimate
    is_default: bool
    calibration: uncertainty_calibration.UncertaintyCalibration | None = None

    @property
    def label(self) -> str:
        """For tables."""
        return study_sources.label(self.source)


def rows(
    found: Found, labels: np.ndarray, source_ms: float, plain_ms: float
) -> list[dict[str, object]]:
    """The rows of one source.

    Args:
        found: what it said about n samples.
        labels: float [n, 4].
        source_ms: milliseconds for a picture.
        plain_ms: the same of the answer alone.

    Returns:
        One for each score, then the calibrated one, if any: 'label', 'source', 'settings', 'score',
        'is_default', 'ms_per_image', 'relative_cost', 'figures'.
    """
    estimate, costs = found.estimate, (source_ms, plain_ms)
    distances = conformal.midpoint_distances(estimate.answers, labels)
    std = np.maximum(estimate.std, uncertainty_calibration.MIN_STD)
    spread = uncertainty_metrics.spread_figures(estimate.answers, std, labels)
    made = []
    for score, values in estimate.scores.items():
        figures = uncertainty_metrics.ranking_figures(values, distances) | spread
        is_default = found.is_default and not made
        made.append(_row(found, found.label, score, is_default, figures, costs))
    if found.calibration is not None:
        std = found.calibration.calibrated_std(estimate.std)
        first = uncertainty_metrics.ranking_figures(estimate.score, distances)
        figures = first | uncertainty_metrics.spread_figures(estimate.answers, std, labels)
        label = f"{found.label}, calibrated"
        made.append(_row(found, label, next(iter(estimate.scores)), False, figures, costs))
    return made


def curve(found: Found, labels: np.ndarray) -> dict[str, object]:
    """Risk-coverage and reliability of a source's first score.

    Args:
        found: what it said about n samples.
        labels: float [n, 4].

    Returns:
        'label'; 'coverage', 'error', 'oracle' (at most 101 points) and 'random', the error whatever
        is asked; 'expected' and 'observed' shares of labels below predicted quantiles, with the
        calibrated std if there is one.
    """
    estimate = found.estimate
    distances = conformal.midpoint_distances(estimate.answers, labels)
    whole = rejection_curves.rejection_curve(estimate.score, distances)
    number = min(len(distances), _POINTS)
    chosen = np.unique(np.linspace(0, len(distances) - 1, number).round().astype(int))
    std = np.maximum(estimate.std, uncertainty_calibration.MIN_STD)
    if found.calibration is not None:
        std = found.calibration.calibrated_std(estimate.std)
    expected, observed = gaussian_metrics.calibration_curve(estimate.answers, std, labels)
    return {
        "label": found.label,
        "coverage": whole.coverage[chosen].tolist(),
        "error": whole.error[chosen].tolist(),
        "oracle": whole.oracle[chosen].tolist(),
        "random": float(whole.error[0]),
        "expected": np.asarray(expected).tolist(),
        "observed": np.asarray(observed).mean(axis=-1).tolist(),
    }


def _row(
    found: Found,
    label: str,
    score: str,
    is_default: bool,
    figures: dict[str, float],
    costs: tuple[float, float],
) -> dict[str, object]:
    cost, plain_ms = costs
    return {
        "label": label,
        "source": found.source.name,
        "settings": dict(found.source.settings),
        "score": score,
        "is_default": is_default,
        "ms_per_image": study_errors.known(cost),
        "relative_cost": study_errors.known(cost / plain_ms if plain_ms > 0 else float("nan")),
        "figures": {name: study_errors.known(value) for name, value in figures.items()},
    }
