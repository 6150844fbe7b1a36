"""How far predicted execution parameters are from the labelled ones.

Example: predicted [0.2, 0.5, 0.8, 0.5], labelled [0.3, 0.5, 0.9, 0.5]. The midpoints are (0.5, 0.5)
and (0.6, 0.5): centroid_mae = (0.1 + 0) / 2 = 0.05 (mean over x and y), bbox_mae = (0.1 + 0 + 0.1 +
0) / 4 = 0.05, angle errors 0.

All lengths are in shares of the image's side, angles in radians or degrees as the name says,
measured from x towards y (down). Angle errors are wrapped to -180..180 degrees; the `mod180` one
also takes a motion and its reverse for the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np


def compute_bbox_metrics(predicted: np.ndarray, labelled: np.ndarray) -> dict[str, float]:
    """Mean errors over N predictions.

    Args:
        predicted: float [N, 4], x1, y1, x2, y2; clipped or not.
        labelled: float [N, 4].

    Returns:
        {name: value}: bbox_*, centroid_* and skewer_* (the same: food is skewered at the midpoint)
        mse and mae over all coordinates, angle_mse_* and angle_mae_* in rad and deg,
        angle_mae_mod180_deg.

    Raises:
        ValueError: if shapes differ from [N, 4] and each other, N is 0, or a value is not finite.
    """
    error, centroid, angle = _errors(predicted, labelled)
    mod180 = _wrap(angle, np.pi)
    metrics = {f"bbox_{name}": value for name, value in _mean_errors(error).items()}
    for point in ("centroid", "skewer"):
        metrics |= {f"{point}_{name}": value for name, value in _mean_errors(centroid).items()}
    for unit, values in (("rad", angle), ("deg", np.degrees(angle))):
        metrics |= {f"angle_{name}_{unit}": v for name, v in _mean_errors(values).items()}
    return metrics | {"angle_mae_mod180_deg": float(np.abs(np.degrees(mod180)).mean())}


def sample_errors(predicted: np.ndarray, labelled: np.ndarray) -> dict[str, np.ndarray]:
    """What `compute_bbox_metrics` averages, one number for each sample.

    Args:
        predicted: float [N, 4].
        labelled: float [N, 4].

    Returns:
        {'centroid_mae', 'bbox_mae', 'angle_mae_mod180_deg': float64 [N]}.

    Raises:
        ValueError: as `compute_bbox_metrics`.
    """
    error, centroid, angle = _errors(predicted, labelled)
    return {
        "centroid_mae": np.abs(centroid).mean(axis=1),
        "bbox_mae": np.abs(error).mean(axis=1),
        "angle_mae_mod180_deg": np.abs(np.degrees(_wrap(angle, np.pi))),
    }


def group_means(
    values: Mapping[str, np.ndarray], names: np.ndarray
) -> dict[str, dict[str, float | int]]:
    """Means of each action, each food, or whatever `names` are.

    Args:
        values: {column: float [N]}; NaN counts neither way.
        names: str [N].

    Returns:
        {name: {'n': number of samples, and each column: its mean, NaN if every value is}}, sorted.
    """
    means = {}
    for name, group in groups(np.asarray(names)):
        columns = {
            column: mean_of_known(np.asarray(all_)[group]) for column, all_ in values.items()
        }
        means[str(name)] = {"n": len(group), **columns}
    return means


def groups(keys: np.ndarray) -> Iterator[tuple[object, np.ndarray]]:
    """Each distinct key of [N], sorted, with the numbers of the samples that have it, int [n]."""
    names, counts = np.unique(keys, return_counts=True)
    order = np.argsort(keys, kind="stable")
    yield from zip(names, np.split(order, np.cumsum(counts)[:-1]))


def mean_of_known(values: np.ndarray) -> float:
    """The mean of what is not NaN; NaN if nothing is left."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def mean_predictor_metrics(train_labels: np.ndarray, labelled: np.ndarray) -> dict[str, float]:
    """The baseline: always answer with the mean of the training labels.

    Args:
        train_labels: float [M, 4].
        labelled: float [N, 4], what is asked.

    Returns:
        As `compute_bbox_metrics`.
    """
    mean = np.mean(train_labels, axis=0, dtype=np.float64)
    return compute_bbox_metrics(np.broadcast_to(mean, np.shape(labelled)), labelled)


def _errors(
    predicted: np.ndarray, labelled: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each sample: coordinates [N, 4], midpoint [N, 2], angle in radians -pi..pi [N]."""
    predicted, labelled = np.asarray(predicted, np.float64), np.asarray(labelled, np.float64)
    if predicted.shape != labelled.shape or predicted.ndim != 2 or predicted.shape[1] != 4:
        raise ValueError(
            f"compute_bbox_metrics: expected two arrays [N, 4], got {predicted.shape} and "
            f"{labelled.shape}."
        )
    if not len(predicted):
        raise ValueError("compute_bbox_metrics: expected at least one prediction, got none.")
    if not (np.isfinite(predicted).all() and np.isfinite(labelled).all()):
        raise ValueError("compute_bbox_metrics: expected finite values, got NaN or infinity.")
    error = predicted - labelled
    centroid = (error[:, :2] + error[:, 2:]) / 2
    return error, centroid, _wrap(_angle(predicted) - _angle(labelled), 2 * np.pi)


def _mean_errors(error: np.ndarray) -> dict[str, float]:
    return {"mse": float(np.square(error).mean()), "mae": float(np.abs(error).mean())}


def _angle(parameters: np.ndarray) -> np.ndarray:
    return np.arctan2(parameters[:, 3] - parameters[:, 1], parameters[:, 2] - parameters[:, 0])


def _wrap(angle: np.ndarray, period: float) -> np.ndarray:
    """To -period / 2 .. period / 2."""
    return (angle + period / 2) % period - period / 2
