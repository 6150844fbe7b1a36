"""How good answers are, where there are labels.

Errors are in shares of the picture's width and height, as the answers are; `evaluate.py` measures
in the model's square, which is another unit where a picture was letterboxed or cropped. Example:
a picture of 200 x 100 pixels, a banana from (20, 50) to (60, 50), the answer 0.2, 0.5, 0.4, 0.5.
The midpoints are (40, 50) and (60, 50): centroid_mae = (0.1 + 0) / 2 = 0.05, 20 pixels apart.

Of several objects that the instruction may mean (three bananas) the one nearest to the answer's
midpoint counts. `on_food` says whether that midpoint lies on the mask of any of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluation import metrics
from folder_inference import drawing
from food_data import annotations

Labels = Mapping[str, Sequence[annotations.LabelledObject]]
CENTRE = np.array([0.25, 0.5, 0.75, 0.5])
_ERRORS = ("centroid_mae", "bbox_mae", "angle_mae_mod180_deg", "centroid_distance_px")


@dataclasses.dataclass(frozen=True)
class Score:
    """Of one answer; None where the labels do not tell.

    Attributes:
        centroid_mae, bbox_mae: mean error of the midpoint's and of all coordinates, 0..1.
        angle_mae_mod180_deg: a motion and its reverse count as the same.
        centroid_distance_px: between the midpoints, pixels.
        on_food: whether the midpoint lies on the food's mask.
    """

    centroid_mae: float | None = None
    bbox_mae: float | None = None
    angle_mae_mod180_deg: float | None = None
    centroid_distance_px: float | None = None
    on_food: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return dataclasses.asdict(self)


def asked_objects(record: Mapping[str, Any], labels: Labels) -> list[annotations.LabelledObject]:
    """The labelled objects that the instruction of an answer may mean."""
    return [
        one
        for one in labels.get(record["image"], ())
        if (one.action, one.label) == (record["action"], record["food_type"])
    ]


def score(
    motion: np.ndarray, size: tuple[int, int], objects: Sequence[annotations.LabelledObject]
) -> Score:
    """Compares a motion with labels.

    Args:
        motion: [4], x1, y1, x2, y2 in 0..1 of the picture.
        size: (width, height) of the picture, pixels.
        objects: that are meant.

    Raises:
        OSError, ValueError: if a mask cannot be read, or was made for another size.
    """
    errors = _axis_errors(motion, size, [one.axis for one in objects if one.axis is not None])
    return Score(**errors, on_food=_on_food(motion, size, objects))


def score_records(
    records: Sequence[Mapping[str, Any]], labels: Labels
) -> tuple[list[Score], dict[str, Any]]:
    """Scores answers, and beside them the answer that needs no model: the picture's centre.

    Args:
        records: answered, as `results` makes them.
        labels: picture -> objects.

    Returns:
        A score for each record, and the summary {'answers', 'centre of the picture': means,
        'without_label': records that nothing is known about, 'flawed': {picture: reason}}.
    """
    scores, centre, flawed = [], [], {}
    for record in records:
        size = (record["image_width"], record["image_height"])
        objects = asked_objects(record, labels)
        own = blind = Score()
        try:
            own = score(drawing.motion_of(record), size, objects)
            blind = score(CENTRE, size, objects)
        except (OSError, ValueError) as error:
            flawed[record["image"]] = str(error)
        scores.append(own)
        centre.append(blind)
    summary = {"answers": _means(scores), "centre of the picture": _means(centre)}
    without = sum(one == Score() for one in scores) - len(flawed)
    return scores, {**summary, "without_label": without, "flawed": flawed}


def _axis_errors(
    motion: np.ndarray, size: tuple[int, int], axes: Sequence[np.ndarray]
) -> dict[str, float]:
    if not axes:
        return {}
    labelled = np.stack([np.ravel(axis / size) for axis in axes])
    predicted = np.broadcast_to(motion, labelled.shape)
    offset = (predicted - labelled).reshape(-1, 2, 2).mean(axis=1) * size
    distance_px = np.hypot(*offset.T)
    nearest = int(distance_px.argmin())
    errors = metrics.error_columns(predicted, labelled)
    return {
        **{name: float(errors[name][nearest]) for name in _ERRORS[:3]},
        "centroid_distance_px": float(distance_px[nearest]),
    }


def _on_food(
    motion: np.ndarray, size: tuple[int, int], objects: Sequence[annotations.LabelledObject]
) -> bool | None:
    masks = [mask for mask in (one.mask(*size) for one in objects) if mask is not None]
    # Without the mask of one of three bananas, a midpoint beside the others may still be right.
    if not masks or len(masks) < len(objects):
        return None
    x, y = np.minimum((motion[:2] + motion[2:]) / 2 * size, np.subtract(size, 1)).astype(int)
    return any(bool(mask[y, x]) for mask in masks)


def _means(scores: Sequence[Score]) -> dict[str, Any]:
    """{'n': scored by an axis, each error's mean, 'n_masks', 'hit_rate'}; None where unknown."""
    hits = [one.on_food for one in scores if one.on_food is not None]
    means: dict[str, Any] = {"n": sum(one.centroid_mae is not None for one in scores)}
    for name in _ERRORS:
        values = [getattr(one, name) for one in scores if getattr(one, name) is not None]
        means[name] = float(np.mean(values)) if values else None
    return {**means, "n_masks": len(hits), "hit_rate": float(np.mean(hits)) if hits else None}


def combined(summaries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One summary of those of several shards, as `score_records` would have made it."""
    rows = ("answers", "centre of the picture")
    return {
        **{row: _combined_means([one[row] for one in summaries]) for row in rows},
        "without_label": sum(one["without_label"] for one in summaries),
        "flawed": {name: reason for one in summaries for name, reason in one["flawed"].items()},
    }


def _combined_means(means: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    combined_row: dict[str, Any] = {}
    for count, names in (("n", _ERRORS), ("n_masks", ("hit_rate",))):
        total = combined_row[count] = sum(one[count] for one in means)
        for name in names:
            weighted = [one[count] * one[name] for one in means if one[count]]
            combined_row[name] = sum(weighted) / total if total else None
    return combined_row
