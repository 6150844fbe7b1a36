"""How far predicted execution parameters are from the labelled ones.

Example: predicted [0.2, 0.5, 0.8, 0.5], labelled [0.3, 0.5, 0.9, 0.5]. The midpoints are (0.5, 0.5)
and (0.6, 0.5): centroid_mae = (0.1 + 0) / 2 = 0.05 (mean over x and y), bbox_mae = (0.1 + 0 + 0.1 +
0) / 4 = 0.05, angle errors 0.

All lengths are in shares of the image's side, angles in radians or degrees as the name says,
measured from x towards y (down). Angle errors are wrapped to -180..180 degrees; the `mod180` one
also takes a motion and its reverse for the same.
"""

from __future__ import annotations

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
    angle = _wrap(_angle(predicted) - _angle(labelled), 2 * np.pi)
    mod180 = _wrap(angle, np.pi)
    metrics = {f"bbox_{name}": value for name, value in _mean_errors(error).items()}
    for point in ("centroid", "skewer"):
        metrics |= {f"{point}_{name}": value for name, value in _mean_errors(centroid).items()}
    for unit, values in (("rad", angle), ("deg", np.degrees(angle))):
        metrics |= {f"angle_{name}_{unit}": v for name, v in _mean_errors(values).items()}
    return metrics | {"angle_mae_mod180_deg": float(np.abs(np.degrees(mod180)).mean())}


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


def _mean_errors(error: np.ndarray) -> dict[str, float]:
    return {"mse": float(np.square(error).mean()), "mae": float(np.abs(error).mean())}


def _angle(parameters: np.ndarray) -> np.ndarray:
    return np.arctan2(parameters[:, 3] - parameters[:, 1], parameters[:, 2] - parameters[:, 0])


def _wrap(angle: np.ndarray, period: float) -> np.ndarray:
    """To -period / 2 .. period / 2."""
    return (angle + period / 2) % period - period / 2
