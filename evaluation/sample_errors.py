"""The errors of each single answer, as columns: what tables, intervals and plots are made of.

Example: answered [0.2, 0.5, 0.8, 0.5], labelled [0.3, 0.5, 0.9, 0.5], a picture of 236 pixels. The
start and the end are both 0.1 too far left: start_error 0.1, start_error_px 23.6; so is the
midpoint: centroid_error 0.1, while centroid_mae is (0.1 + 0) / 2 = 0.05, its mean over x and y.

A column has the name that `metrics.compute_bbox_metrics` or `hit_metrics.MidpointHits.rates` gives
its mean, so that a table of means and this one agree. `docs/evaluation.md` lists all columns with
formula, unit and range. Lengths are in shares of the picture's side; `_px` columns are in pixels,
`_mm` columns in millimetres (squared for `_mse`). Angles run from x towards y (down).
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

import hit_metrics
import metrics

PICTURE_PX = 236.0
ELONGATED_RATIO = 1.5
# A pixel is a square with sides of 1: its own variance along an axis is 1 / 12.
_PIXEL_VARIANCE = 1 / 12


def error_columns(
    predicted: np.ndarray,
    labelled: np.ndarray,
    *,
    size_px: float | np.ndarray = PICTURE_PX,
    mm_per_px: float | np.ndarray | None = None,
    masks: np.ndarray | None = None,
    sources: np.ndarray | None = None,
    foods: np.ndarray | None = None,
    rows: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Errors of N answers.

    Args:
        predicted: float [N, 4], x1, y1, x2, y2.
        labelled: float [N, 4].
        size_px: width and height of the pictures: a number, [2], or [N, 2].
        mm_per_px: how many millimetres of the table a pixel shows: a number or [N]; None: unknown,
            then there are no `_mm` columns. NaN where it is known of other pictures only.
        masks: packed uint8 [M, H, W / 8] of the instructed foods, see `hit_metrics`; None: unknown,
            then there are no hit rates and no `elongated_` columns.
        sources: str [N], equal for the samples of one picture; used with masks only.
        foods: str [N]; used with masks only.
        rows: int [N], which masks belong to the samples; None: all of them, in order.

    Returns:
        {column: float64 [N]}; NaN where a column has no meaning for a sample.

    Raises:
        ValueError: if shapes do not fit, N is 0, or a value is not finite.
    """
    columns = metrics.sample_errors(predicted, labelled)
    predicted, labelled = np.asarray(predicted, np.float64), np.asarray(labelled, np.float64)
    error = (predicted - labelled).reshape(-1, 2, 2)
    columns |= dict(_length_columns(error, ""))
    scale = _per_sample(size_px, len(error), 2, "size_px")
    columns |= dict(_length_columns(error * scale[:, None], "_px"))
    if mm_per_px is not None:
        scale = scale * _per_sample(mm_per_px, len(error), 1, "mm_per_px")
        columns |= dict(_length_columns(error * scale[:, None], "_mm"))
    columns |= _angle_columns(predicted, labelled)
    if masks is not None:
        rows = np.arange(len(masks)) if rows is None else np.asarray(rows)
        hits = hit_metrics.midpoint_hits(predicted, masks, sources, foods, rows)
        columns["hit_rate"], columns["nearest_item_rate"] = hits.on_item, hits.nearest
        columns["nearest_item_chance"] = hits.chance
        elongated = elongations(masks, rows) >= ELONGATED_RATIO
        for name in ("angle_mae_deg", "angle_mae_mod180_deg"):
            columns[f"elongated_{name}"] = np.where(elongated, columns[name], np.nan)
    return columns


def elongations(masks: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """How many times as long as wide foods are.

    The ratio of the standard deviations of a mask's pixels along its two principal axes; a full
    ellipse or rectangle with sides a > b has a / b. Unpacks one mask at a time.

    Args:
        masks: packed uint8 [M, H, W / 8].
        rows: int [N], which of them.

    Returns:
        float64 [N], at least 1; NaN where the mask is empty, that is, unknown.
    """
    found = np.full(len(rows), np.nan)
    for number, row in enumerate(rows):
        moments = cv2.moments(np.unpackbits(np.asarray(masks[row]), axis=-1), binaryImage=True)
        if moments["m00"]:
            spread = np.array(
                [[moments["mu20"], moments["mu11"]], [moments["mu11"], moments["mu02"]]]
            )
            across, along = np.linalg.eigvalsh(spread / moments["m00"]) + _PIXEL_VARIANCE
            found[number] = np.sqrt(along / across)
    return found


def _length_columns(error: np.ndarray, unit: str) -> Iterator[tuple[str, np.ndarray]]:
    """Of errors [N, 2 points, 2 axes] in one unit."""
    centroid = error.mean(axis=1)
    for name, values in (
        ("bbox", error.reshape(-1, 4)),
        ("centroid", centroid),
        ("skewer", centroid),  # Food is skewered at the midpoint.
    ):
        yield f"{name}_mse{unit}", np.square(values).mean(axis=1)
        yield f"{name}_mae{unit}", np.abs(values).mean(axis=1)
    for name, point in (("start", error[:, 0]), ("end", error[:, 1]), ("centroid", centroid)):
        yield f"{name}_error{unit}", np.linalg.norm(point, axis=1)


def _angle_columns(predicted: np.ndarray, labelled: np.ndarray) -> dict[str, np.ndarray]:
    first, second = predicted[:, 2:] - predicted[:, :2], labelled[:, 2:] - labelled[:, :2]
    # A motion without length points right, as in `metrics`: arctan2(0, 0) is 0.
    for motion in (first, second):
        motion[~motion.any(axis=1)] = (1, 0)
    crossed = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    angle = np.arctan2(crossed, (first * second).sum(axis=1))
    columns = {}
    for unit, values in (("rad", angle), ("deg", np.degrees(angle))):
        columns[f"angle_mae_{unit}"] = values
        columns[f"angle_mse_{unit}"] = np.square(values)
    return columns


def _per_sample(value: float | np.ndarray, number: int, axes: int, name: str) -> np.ndarray:
    """Positive numbers float64 [N, axes]; NaN means unknown."""
    values = np.asarray(value, np.float64)
    if axes == 1 and values.ndim == 1:
        values = values[:, None]
    shapes = [(), (axes,), (number, axes)]
    if values.shape not in shapes or (values <= 0).any() or np.isinf(values).any():
        raise ValueError(
            f"{name}: expected a positive number for all of them or one for each of the {number} "
            f"samples (shapes {shapes}), got {values.shape} with values from "
            f"{values.min() if values.size else 'none'}."
        )
    return np.broadcast_to(values, (number, axes))
