"""How far execution parameters are from the labelled ones, and whether they mean the food.

Example: predicted [0.2, 0.5, 0.8, 0.5], labelled [0.3, 0.5, 0.9, 0.5]. The midpoints are (0.5, 0.5)
and (0.6, 0.5): centroid_error 0.1 (their distance), centroid_mae (0.1 + 0) / 2 = 0.05 (mean over x
and y), bbox_mae (0.1 + 0 + 0.1 + 0) / 4 = 0.05, angle errors 0. If a pixel of the food's mask
touches (0.5, 0.5), hit_rate is 1. If not, and another food of the picture is 3 pixels away and the
instructed one 5, nearest_item_rate is 0.

Lengths are in shares of the picture's side. Angles run from x towards y (down); the `mod180` ones
take a motion and its reverse for the same. `docs/evaluation.md` lists all columns with formula,
unit and range.

Masks are packed along x, as `np.packbits` does it: uint8 [N, 236, 30]. A mask without a pixel is
unknown; its sample is left out of the rates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import cv2
import numpy as np

# An answer whose midpoint is further off is wrong; share of the picture.
ERROR_LIMIT = 0.05
ELONGATED_RATIO = 1.5
_MEANS = (
    *("bbox_mse", "bbox_mae", "centroid_mse", "centroid_mae", "skewer_mse", "skewer_mae"),
    *("angle_mse_rad", "angle_mae_rad", "angle_mse_deg", "angle_mae_deg", "angle_mae_mod180_deg"),
)


def compute_bbox_metrics(predicted: np.ndarray, labelled: np.ndarray) -> dict[str, float]:
    """Mean errors over N predictions float [N, 4], clipped or not, with labels float [N, 4].

    Returns:
        {name: value}: bbox_*, centroid_* and skewer_* (the same: food is skewered at the midpoint)
        mse and mae over all coordinates, angle_mse_* and angle_mae_* in rad and deg,
        angle_mae_mod180_deg. Raises ValueError if shapes are others, N is 0, or a value is not
        finite.
    """
    columns = error_columns(predicted, labelled)
    return {name: float(columns[name].mean()) for name in _MEANS}


def error_columns(predicted: np.ndarray, labelled: np.ndarray) -> dict[str, np.ndarray]:
    """The errors of each prediction, {column: float64 [N]}: what `compute_bbox_metrics` averages,
    and start_error, end_error and centroid_error, the distances of the points."""
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
    first, second = predicted[:, 2:] - predicted[:, :2], labelled[:, 2:] - labelled[:, :2]
    for motion in (first, second):  # Without a length it points to the right, as arctan2 has it.
        motion[~motion.any(axis=1)] = (1, 0)
    crossed = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    angle = np.arctan2(crossed, (first * second).sum(axis=1))
    columns = {"angle_mae_mod180_deg": np.degrees(np.minimum(angle, np.pi - angle))}
    for unit, values in (("rad", angle), ("deg", np.degrees(angle))):
        columns |= {f"angle_mae_{unit}": values, f"angle_mse_{unit}": np.square(values)}
    error = (predicted - labelled).reshape(-1, 2, 2)
    points = {"start": error[:, 0], "end": error[:, 1], "centroid": error.mean(axis=1)}
    columns |= {f"{name}_error": np.linalg.norm(point, axis=1) for name, point in points.items()}
    parts = {"bbox": predicted - labelled, "centroid": points["centroid"]}
    for name, part in {**parts, "skewer": points["centroid"]}.items():
        columns[f"{name}_mse"] = np.square(part).mean(axis=1)
        columns[f"{name}_mae"] = np.abs(part).mean(axis=1)
    return columns


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


def group_means(
    values: Mapping[str, np.ndarray], names: np.ndarray
) -> dict[str, dict[str, float | int]]:
    """Means of columns [N] for each action, each food, or whatever `names` [N] are, sorted: {name:
    {'n': number of samples, column: mean of what is not NaN, or NaN}}."""
    return {
        str(name): {
            "n": len(group),
            **{column: mean_of_known(np.asarray(all_)[group]) for column, all_ in values.items()},
        }
        for name, group in groups(np.asarray(names))
    }


def midpoint_hits(
    predicted: np.ndarray,
    masks: np.ndarray,
    sources: np.ndarray | None = None,
    foods: np.ndarray | None = None,
    rows: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Where the midpoints of predictions [N, 4] lie among the foods of their pictures. Holds the
    masks of one picture at a time.

    `masks` packed uint8 [M, 236, 30] are of the food that an instruction means, `rows` int [N] says
    which belong to the predictions (None: all, in order). `sources` str [N] are equal for samples
    of one picture (None: each has its own). Samples of one picture with equal `foods` str [N] ask
    for any food of that name, so their masks are joined (None: those with equal masks do).

    Returns:
        Three columns float64 [N], NaN where one cannot be told: 'hit_rate', 1 if the midpoint lies
        on the instructed food, 0 if not; 'nearest_item_rate', 1 if no other food of the picture is
        nearer, 0 if one is, NaN too where there is no other; 'nearest_item_chance', 1 / number of
        foods in the picture.
    """
    predicted = np.asarray(predicted, np.float64)
    rows = np.arange(len(masks)) if rows is None else np.asarray(rows)
    midpoints = (predicted[:, :2] + predicted[:, 2:]) / 2 * masks.shape[1]
    on_item, nearest, chance = np.full((3, len(rows)), np.nan)
    for _, samples in groups(np.arange(len(rows)) if sources is None else np.asarray(sources)):
        items: dict[object, np.ndarray] = {}
        wanted = {}
        for sample in samples:
            mask = masks[rows[sample]]
            if mask.any():
                key = mask.tobytes() if foods is None else foods[sample]
                items[key] = items[key] | mask if key in items else mask
                wanted[sample] = key
        edges = {
            key: cv2.findNonZero(np.unpackbits(mask, axis=-1)).reshape(-1, 2) + 0.5
            for key, mask in items.items()
        }
        for sample, key in wanted.items():
            # To the nearest edge of a pixel of each food; 0 inside.
            distances = {
                other: np.square(np.maximum(np.abs(centres - midpoints[sample]) - 0.5, 0))
                .sum(axis=1)
                .min()
                for other, centres in edges.items()
            }
            on_item[sample] = distances[key] == 0
            if len(items) > 1:
                nearest[sample] = distances[key] <= min(distances.values())
                chance[sample] = 1 / len(items)
    return {"hit_rate": on_item, "nearest_item_rate": nearest, "nearest_item_chance": chance}


def elongations(masks: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """How many times as long as wide foods are: the ratio of the standard deviations of a mask's
    pixels along its two principal axes; a full ellipse or rectangle with sides a > b has a / b.
    Of `rows` int [N] of packed masks: float64 [N], NaN where one is empty, that is, unknown."""
    found = np.full(len(rows), np.nan)
    for number, row in enumerate(rows):
        moments = cv2.moments(np.unpackbits(np.asarray(masks[row]), axis=-1), binaryImage=True)
        if moments["m00"]:
            spread = [[moments["mu20"], moments["mu11"]], [moments["mu11"], moments["mu02"]]]
            # A pixel is a square with sides of 1: its own variance along an axis is 1 / 12.
            across, along = np.linalg.eigvalsh(np.array(spread) / moments["m00"]) + 1 / 12
            found[number] = np.sqrt(along / across)
    return found
