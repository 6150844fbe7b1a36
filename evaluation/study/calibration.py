"""What a calibration is worth on samples that it has not seen, and on what luck it depends.

Example: 90 % discs of 1,000 plates hold 906 midpoints: `disc_coverage` 0.906 with the interval
[0.886, 0.924]. Asking about 19 % of the plates lowers the mean distance of the midpoints from 0.03
to 0.02: `gain` 0.33.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from evaluation import (
    bootstrap,
    calibration_split,
    conformal,
    uncertainty_calibration,
    uncertainty_estimate,
)
from evaluation.study import errors as study_errors


def applied(
    calibration: uncertainty_calibration.UncertaintyCalibration,
    estimate: uncertainty_estimate.Estimate,
    labels: np.ndarray,
    pictures: np.ndarray,
    seed: int = 0,
) -> dict[str, object]:
    """Coverage of the regions, and what asking the human does.

    Args:
        calibration: of the source that made the estimate.
        estimate: of n samples; the calibration must not have seen them.
        labels: float [n, 4].
        pictures: str [n], equal for samples of one picture.
        seed: of the intervals.

    Returns:
        'fitted_on' (without the pictures' ids), 'nominal', 'disc_coverage' and 'box_coverage' as
        intervals, 'median_radius', 'asked_share', 'error_of_all', 'error_of_answered', 'gain' (1 -
        answered / all; None if nothing is answered or nothing is wrong), 'wrong_of_all' and
        'wrong_of_answered' (shares above the error limit), 'target'.

    Raises:
        ValueError: if the calibration is of another score.
    """
    fitted_on, scores = calibration.fitted_on, estimate.scores
    if fitted_on.score not in scores:
        raise ValueError(
            f"uncertainty.json: expected one of the scores {', '.join(scores)}, got "
            f"{fitted_on.score!r}. Calibrate anew."
        )
    uncertainty = scores[fitted_on.score]
    regions, asking = calibration.regions, calibration.asking
    covered = regions.covered(estimate.answers, labels, estimate.std, uncertainty)
    ending = "_adaptive" if regions.adaptive else ""
    distances = conformal.midpoint_distances(estimate.answers, labels)
    answered = ~asking.ask(uncertainty)
    found = {
        "fitted_on": _summary(fitted_on),
        "nominal": regions.coverage,
        **{
            f"{kind}_coverage": study_errors.interval_dict(
                bootstrap.mean_interval(covered[kind + ending].astype(float), pictures, seed=seed)
            )
            for kind in ("disc", "box")
        },
        "median_radius": float(np.median(regions.disc_radius(uncertainty))),
        "asked_share": float(1 - answered.mean()),
        "target": f"{asking.target} {asking.target_rate:g}",
    }
    return found | _gain(distances, answered, asking.error_limit)


def coverage_over_splits(
    estimate: uncertainty_estimate.Estimate,
    labels: np.ndarray,
    pictures: np.ndarray,
    *,
    num_splits: int = 10,
    fraction: float = 0.5,
    coverage: float = 0.9,
    seed: int = 0,
) -> dict[str, object]:
    """Coverage of regions fitted to one part of the samples on the other, of several random parts.

    Args:
        estimate: of n samples.
        labels: float [n, 4].
        pictures: str [n]; whole pictures are parted.
        num_splits: how many times, at least 1.
        fraction: of the samples that calibrate.
        coverage: that the regions promise.
        seed: of the first split; the next has the next one.

    Returns:
        'num_splits', 'fraction', 'nominal', and for each of `conformal.REGIONS` 'mean', 'low',
        'high' (of the splits) and 'each', a list.

    Raises:
        ValueError: if a setting is out of range or a part is too small for the coverage.
    """
    if num_splits < 1:
        raise ValueError(f"num_splits: expected at least 1, got {num_splits}.")
    shares: dict[str, list[float]] = {name: [] for name in conformal.REGIONS}
    for number in range(num_splits):
        parts = calibration_split.split_calibration_test(pictures, fraction, seed + number)
        fitted, tested = (
            (estimate.answers[part], labels[part], estimate.std[part], estimate.score[part])
            for part in parts
        )
        for name, held in conformal.fit(*fitted, coverage=coverage).covered(*tested).items():
            shares[name].append(float(held.mean()))
    return {"num_splits": num_splits, "fraction": fraction, "nominal": coverage} | {
        name: {"mean": float(np.mean(each)), "low": min(each), "high": max(each), "each": each}
        for name, each in shares.items()
    }


def _summary(fitted_on: uncertainty_calibration.FittedOn) -> dict[str, object]:
    values = dataclasses.asdict(fitted_on)
    return values | {"picture_ids": None, "num_pictures": len(fitted_on.picture_ids)}


def _gain(
    distances: np.ndarray, answered: np.ndarray, error_limit: float
) -> dict[str, float | None]:
    kept, whole = distances[answered], float(distances.mean())
    rest = float(kept.mean()) if kept.size else None
    return {
        "error_of_all": whole,
        "error_of_answered": rest,
        "gain": None if rest is None or whole == 0 else 1 - rest / whole,
        "wrong_of_all": float((distances > error_limit).mean()),
        "wrong_of_answered": float((kept > error_limit).mean()) if kept.size else None,
    }
