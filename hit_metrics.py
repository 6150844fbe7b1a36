"""Whether predicted execution parameters mean the food that the instruction names.

The outline of the food is known (`masks`). Example: the midpoint of [0.2, 0.5, 0.8, 0.5] is (0.5,
0.5), in a picture of 236 pixels the corner of the pixels 117 and 118. If one of them belongs to the
food's mask, the midpoint is on the food: `hit_rate`. If not, and another food of the picture is 3
pixels away and the instructed one 5, the answer is nearest to the wrong food: `nearest_item_rate`.

Masks are packed along x, as `np.packbits` does it: uint8 [N, 236, 30]. A mask without a pixel is
one that nobody knows; its sample is left out of both shares.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

import metrics


@dataclasses.dataclass(frozen=True)
class MidpointHits:
    """Whether midpoints are where the instruction means; NaN where that cannot be told.

    Attributes:
        on_item: float64 [N], 1 if the midpoint lies on the instructed food, 0 if not.
        nearest: float64 [N], 1 if no other food of the picture is nearer to the midpoint, 0 if one
            is; NaN too where the picture has no other food.
        chance: float64 [N], 1 / number of foods in the picture; NaN where `nearest` is.
    """

    on_item: np.ndarray
    nearest: np.ndarray
    chance: np.ndarray

    def rates(self) -> dict[str, float]:
        """{'hit_rate', 'nearest_item_rate', 'nearest_item_chance'}: means of what is known."""
        return {
            "hit_rate": metrics.mean_of_known(self.on_item),
            "nearest_item_rate": metrics.mean_of_known(self.nearest),
            "nearest_item_chance": metrics.mean_of_known(self.chance),
        }


def midpoint_hits(
    predicted: np.ndarray,
    masks: np.ndarray,
    sources: np.ndarray | None = None,
    foods: np.ndarray | None = None,
    rows: np.ndarray | None = None,
) -> MidpointHits:
    """Where the midpoints of predictions lie among the foods of their pictures.

    Holds the masks of one picture at a time.

    Args:
        predicted: float [N, 4].
        masks: packed uint8 [M, 236, 30], of the food that each sample's instruction means.
        sources: str [N], equal for the samples of one picture; None: each has its own.
        foods: str [N]; samples of one picture with an equal name ask for any food of that name, so
            their masks are joined. None: samples with an equal mask ask for the same food.
        rows: int [N], which masks belong to the predictions; None: all of them, in order.

    Returns:
        The hits of each prediction.

    Raises:
        ValueError: if shapes do not fit or a prediction is not finite.
    """
    predicted = np.asarray(predicted, np.float64)
    rows = np.arange(len(masks)) if rows is None else np.asarray(rows)
    _check(predicted, masks, len(rows))
    midpoints = (predicted[:, :2] + predicted[:, 2:]) / 2 * masks.shape[1]
    hits = MidpointHits(*np.full((3, len(rows)), np.nan))
    for _, samples in metrics.groups(
        np.arange(len(rows)) if sources is None else np.asarray(sources)
    ):
        names = None if foods is None else np.asarray(foods)[samples]
        items, wanted = _distinct_items(masks[rows[samples]], names)
        known = wanted >= 0
        samples, wanted = samples[known], wanted[known]
        if not len(samples):
            continue
        distance = _distances(midpoints[samples], items)
        own = distance[np.arange(len(samples)), wanted]
        hits.on_item[samples] = own == 0
        if len(items) > 1:
            hits.nearest[samples] = own <= distance.min(axis=1)
            hits.chance[samples] = 1 / len(items)
    return hits


def hit_rate(predicted: np.ndarray, masks: np.ndarray) -> float:
    """Share of predictions [N, 4] whose midpoint lies on its sample's mask (see the module)."""
    return midpoint_hits(predicted, masks).rates()["hit_rate"]


def nearest_item_rate(predicted: np.ndarray, masks: np.ndarray, sources: np.ndarray) -> float:
    """On pictures with several foods: share of midpoints to which the instructed one is nearest.

    Args:
        predicted: float [N, 4].
        masks: packed, see the module.
        sources: str [N], equal for the samples of one picture.

    Returns:
        0..1; NaN if no picture has two foods.
    """
    return midpoint_hits(predicted, masks, sources).rates()["nearest_item_rate"]


def nearest_item_chance(masks: np.ndarray, sources: np.ndarray) -> float:
    """The `nearest_item_rate` of who picks a food of the picture blindly: the mean of 1 / foods."""
    anywhere = np.zeros((len(masks), 4))
    return midpoint_hits(anywhere, masks, sources).rates()["nearest_item_chance"]


def _check(predicted: np.ndarray, masks: np.ndarray, number: int) -> None:
    if predicted.shape != (number, 4) or len(masks.shape) != 3 or masks.dtype != np.uint8:
        raise ValueError(
            "midpoint_hits: expected predictions [N, 4] and packed masks uint8 [N, H, W / 8], got "
            f"{predicted.shape} and {masks.dtype} {masks.shape} ({number} of them asked for)."
        )
    if not np.isfinite(predicted).all():
        raise ValueError("midpoint_hits: expected finite predictions, got NaN or infinity.")


def _distinct_items(
    packed: np.ndarray, names: np.ndarray | None
) -> tuple[list[np.ndarray], np.ndarray]:
    """The foods of a picture, uint8 [H, W] each, and which one each sample means; -1: unknown."""
    keys = [mask.tobytes() for mask in packed] if names is None else list(names)
    joined: dict[object, np.ndarray] = {}
    for key, mask in zip(keys, packed):
        if mask.any():
            joined[key] = joined[key] | mask if key in joined else mask
    numbers = {key: number for number, key in enumerate(joined)}
    items = [np.unpackbits(mask, axis=-1) for mask in joined.values()]
    wanted = [numbers[key] if mask.any() else -1 for key, mask in zip(keys, packed)]
    return items, np.array(wanted)


def _distances(points: np.ndarray, items: list[np.ndarray]) -> np.ndarray:
    """Pixels [points, items] from each point to the nearest edge of an item's pixels; 0 inside."""
    distance = np.empty((len(points), len(items)))
    for column, item in enumerate(items):
        centres = cv2.findNonZero(item).reshape(-1, 2) + 0.5
        for row, point in enumerate(points):
            beyond = np.maximum(np.abs(centres - point) - 0.5, 0)
            distance[row, column] = np.sqrt(np.square(beyond).sum(axis=1).min())
    return distance
