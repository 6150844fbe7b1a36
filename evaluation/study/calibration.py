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
    confidence,
    conformal,
    rank_metrics,
    uncertainty_calibration,
    uncertainty_estimate,
)
from evaluation.study import errors as study_errors

_RESAMPLES = 500


def applied(
    calibration: uncertainty_calibration.UncertaintyCalibration,
    estimate: uncertainty_estimate.Estimate,
    labels: np.ndarray,
    pictures: np.ndarray,
    seed: int = 0,
    *,
    elongated: np.ndarray | None = None,
) -> dict[str, object]:
    """Coverage of the regions, and what asking the human does.

    Args:
        calibration: of the source that made the estimate.
        estimate: of n samples; the calibration must not have seen them.
        labels: float [n, 4].
        pictures: str [n], equal for samples of one picture.
        seed: of the intervals.
        elongated: bool [n], which food has a direction; None: only places are judged.

    Returns:
        'fitted_on' (without the pictures' ids), 'nominal', 'disc_coverage', 'box_coverage' and,
        where the calibration has sectors, 'both_coverage' (disc and sector together) as intervals,
        'median_radius', 'asked_share', 'error_of_all', 'error_of_answered', 'gain' (1 - answered /
        all; None if nothing is answered or nothing is wrong), 'wrong_of_all' and
        'wrong_of_answered' (shares whose place or direction is wrong), 'target', and 'chance' of
        `_chance_figures`, None in calibrations without a chance.

    Raises:
        ValueError: if the calibration is of another score.
    """
    fitted_on, uncertainty = calibration.fitted_on, calibration.uncertainty(estimate)
    regions, asking = calibration.regions, calibration.asking
    covered = regions.covered(estimate.answers, labels, estimate.std, uncertainty)
    ending = "_adaptive" if regions.adaptive else ""
    distances = conformal.midpoint_distances(estimate.answers, labels)
    answered = ~asking.ask(calibration.doubt(estimate))
    judged = None if asking.angle_limit is None else elongated
    wrong = asking.error_limit < confidence.errors(
        estimate.answers, labels, judged, asking.error_limit, asking.angle_limit
    )
    kinds = {kind: covered[kind + ending] for kind in ("disc", "box")}
    if regions.sector is not None and elongated is not None:
        angles = confidence.axis_errors(estimate.answers, labels, elongated)
        half_angles = regions.sector_half_angle(estimate.features["axis_spread"])
        kinds["both"] = kinds["disc"] & (angles <= half_angles)
    found = {
        "fitted_on": _summary(fitted_on),
        "nominal": regions.coverage,
        **{
            f"{kind}_coverage": study_errors.interval_dict(
                bootstrap.mean_interval(held.astype(float), pictures, seed=seed)
            )
            for kind, held in kinds.items()
        },
        "median_radius": float(np.median(regions.disc_radius(uncertainty))),
        "asked_share": float(1 - answered.mean()),
        "target": f"{asking.target} {asking.target_rate:g}",
        "chance": None,
    }
    if calibration.confidence is not None:
        chance = calibration.confidence.chance(estimate.inputs)
        found["chance"] = _chance_figures(chance, ~wrong, pictures, seed)
    return found | _gain(distances, answered, wrong)


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


def _chance_figures(
    chance: np.ndarray, right: np.ndarray, pictures: np.ndarray, seed: int
) -> dict[str, object]:
    """How well the chance to be right is known: 'mean' of it, 'right' (share), 'auroc' of doubt for
    wrong answers, 'ece' with its interval over pictures drawn with replacement."""
    group = bootstrap.picture_numbers(pictures, len(right), "chance")
    rows = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    rng, drawn = np.random.default_rng(seed), []
    for _ in range(_RESAMPLES):
        some = np.concatenate([rows[number] for number in rng.integers(0, len(rows), len(rows))])
        drawn.append(confidence.calibration_error(chance[some], right[some]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {
        "mean": float(chance.mean()),
        "right": float(right.mean()),
        "auroc": study_errors.known(rank_metrics.auroc(1 - chance, ~right)),
        "ece": {
            "mean": confidence.calibration_error(chance, right),
            "low": float(low),
            "high": float(high),
            "n": len(right),
        },
    }


def _gain(
    distances: np.ndarray, answered: np.ndarray, wrong: np.ndarray
) -> dict[str, float | None]:
    kept, whole = distances[answered], float(distances.mean())
    rest = float(kept.mean()) if kept.size else None
    return {
        "error_of_all": whole,
        "error_of_answered": rest,
        "gain": None if rest is None or whole == 0 else 1 - rest / whole,
        "wrong_of_all": float(wrong.mean()),
        "wrong_of_answered": float(wrong[answered].mean()) if kept.size else None,
    }
