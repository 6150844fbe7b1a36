"""How far execution parameters are from the labelled ones, and whether they mean the food.

Example: predicted [0.2, 0.5, 0.8, 0.5], labelled [0.3, 0.5, 0.9, 0.5]. The midpoints are (0.5, 0.5)
and (0.6, 0.5): centroid_error 0.1 (their distance), centroid_mae (0.1 + 0) / 2 = 0.05 (mean over x
and y), bbox_mae (0.1 + 0 + 0.1 + 0) / 4 = 0.05, angle errors 0. If a pixel of the food's mask
touches (0.5, 0.5), hit_rate is 1. If not, and another food of the picture is 3 pixels away and the
instructed one 5, nearest_item_rate is 0.

Lengths are in shares of the picture's side. Angles run from x towards y (down); the `mod180` ones
take a motion and its reverse for the same. Masks are packed along x, as `np.packbits` does it:
uint8 [N, 236, 30]. One without a pixel is unknown; its sample is left out of the rates.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

# An answer whose midpoint is further off is wrong; share of the picture.
ERROR_LIMIT = 0.05
ELONGATED_RATIO = 1.5


def compute_bbox_metrics(predicted: np.ndarray, labelled: np.ndarray) -> dict[str, float]:
    """Mean errors over N predictions float [N, 4], clipped or not, with labels float [N, 4]:
    {name: value} of bbox_*, centroid_* and skewer_* (the same: food is skewered at the midpoint)
    mse and mae over coordinates, angle_mse_* and angle_mae_* in rad and deg, angle_mae_mod180_deg.
    Raises ValueError if shapes are others, N is 0, or a value is not finite."""
    columns = error_columns(predicted, labelled)
    return {n: float(one.mean()) for n, one in columns.items() if n != "centroid_error"}


def error_columns(predicted: np.ndarray, labelled: np.ndarray) -> dict[str, np.ndarray]:
    """The errors of each prediction, {column: float64 [N]}: what `compute_bbox_metrics` averages,
    and centroid_error, the distance of the midpoints."""
    predicted, labelled = np.asarray(predicted, np.float64), np.asarray(labelled, np.float64)
    error = predicted - labelled if predicted.shape == labelled.shape else np.zeros(0)
    if error.ndim != 2 or error.shape[1] != 4 or not len(error) or not np.isfinite(error).all():
        raise ValueError(
            "compute_bbox_metrics: expected two arrays [N, 4] of finite values, N at least 1; got "
            f"{predicted.shape} and {labelled.shape}, or one not finite."
        )
    first, second = predicted[:, 2:] - predicted[:, :2], labelled[:, 2:] - labelled[:, :2]
    for motion in (first, second):  # Without a length it points to the right, as arctan2 has it.
        motion[~motion.any(axis=1)] = (1, 0)
    crossed = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    angle = np.arctan2(crossed, (first * second).sum(axis=1))
    columns = {"angle_mae_mod180_deg": np.degrees(np.minimum(angle, np.pi - angle))}
    for unit, values in (("rad", angle), ("deg", np.degrees(angle))):
        columns |= {f"angle_mae_{unit}": values, f"angle_mse_{unit}": np.square(values)}
    midpoint = error.reshape(-1, 2, 2).mean(axis=1)
    for name, part in (("bbox", error), ("centroid", midpoint), ("skewer", midpoint)):
        columns[f"{name}_mse"] = np.square(part).mean(axis=1)
        columns[f"{name}_mae"] = np.abs(part).mean(axis=1)
    return {**columns, "centroid_error": np.linalg.norm(midpoint, axis=1)}


def midpoint_distances(predicted: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """Distances float64 [N] between the midpoints of predictions [N, 4] and labels [N, 4]."""
    error = np.asarray(predicted, np.float64) - np.asarray(labelled, np.float64)
    return np.linalg.norm(error.reshape(-1, 2, 2).mean(axis=1), axis=1)


def groups(keys: np.ndarray) -> Iterator[tuple[object, np.ndarray]]:
    """Each distinct key of [N], sorted, with the numbers of the samples that have it, int [n]."""
    names, counts = np.unique(keys, return_counts=True)
    order = np.argsort(keys, kind="stable")
    yield from zip(names, np.split(order, np.cumsum(counts)[:-1]))


def mean_of_known(values: np.ndarray) -> float:
    """The mean of what is not NaN; NaN if nothing is left."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def midpoint_hits(
    predicted: np.ndarray,
    masks: np.ndarray,
    sources: np.ndarray | None = None,
    foods: np.ndarray | None = None,
    rows: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Where the midpoints of predictions [N, 4] lie among the foods of their pictures.

    `masks` packed uint8 [M, 236, 30] are of the food that an instruction means, `rows` int [N] says
    which belong to the predictions (None: all, in order). Samples with equal `sources` str [N] show
    one picture (None: each has its own); those of them with equal `foods` str [N] ask for any food
    of that name, so their masks are joined (None: those with equal masks do).

    Returns columns float64 [N], NaN where one cannot be told: 'hit_rate', 1 if the midpoint lies on
    the instructed food, 0 if not; 'any_food_rate', the same for any food of the picture;
    'nearest_item_rate', 1 if no other food is nearer, 0 if one is, NaN too where there is no other;
    'nearest_item_chance', 1 / number of foods in the picture.
    """
    predicted = np.asarray(predicted, np.float64)
    rows = np.arange(len(masks)) if rows is None else np.asarray(rows)
    midpoints = (predicted[:, :2] + predicted[:, 2:]) / 2 * masks.shape[1]
    found = np.full((4, len(rows)), np.nan)
    for _, samples in groups(np.arange(len(rows)) if sources is None else np.asarray(sources)):
        items: dict[object, np.ndarray] = {}
        wanted = {}
        for sample in samples:
            mask = masks[rows[sample]]
            if mask.any():
                wanted[sample] = key = mask.tobytes() if foods is None else foods[sample]
                items[key] = items.get(key, 0) | mask
        edges = {
            key: cv2.findNonZero(np.unpackbits(mask, axis=-1)).reshape(-1, 2) + 0.5
            for key, mask in items.items()
        }
        for sample, key in wanted.items():
            # To the nearest edge of a pixel of each food; 0 inside.
            gaps = {k: np.maximum(abs(at - midpoints[sample]) - 0.5, 0) for k, at in edges.items()}
            squares = {other: np.square(gap).sum(axis=1).min() for other, gap in gaps.items()}
            own, least = squares[key], min(squares.values())
            found[:2, sample] = own == 0, least == 0
            if len(items) > 1:
                found[2:, sample] = own <= least, 1 / len(items)
    names = ("hit_rate", "any_food_rate", "nearest_item_rate", "nearest_item_chance")
    return dict(zip(names, found))


def is_elongated(mask: np.ndarray) -> bool:
    """Whether a food has a direction by its packed mask: the standard deviations of its pixels
    along the two principal axes (of an ellipse: its sides) have a ratio of 1.5 or more."""
    moments = cv2.moments(np.unpackbits(np.asarray(mask), axis=-1), binaryImage=True)
    if not moments["m00"]:
        return False
    spread = [[moments["mu20"], moments["mu11"]], [moments["mu11"], moments["mu02"]]]
    # A pixel is a square with sides of 1: its own variance along an axis is 1 / 12.
    across, along = np.linalg.eigvalsh(np.array(spread) / moments["m00"]) + 1 / 12
    return bool(np.sqrt(along / across) >= ELONGATED_RATIO)
