"""The errors of several kinds of answers to the same samples, side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

import hit_metrics
import metrics
from food_data import npz_dataset

COLUMNS = (
    "centroid_mae",
    "bbox_mae",
    "angle_mae_mod180_deg",
    "hit_rate",
    "nearest_item_rate",
    "nearest_item_chance",
)


def answer_metrics(
    answers: Mapping[str, np.ndarray], dataset: npz_dataset.FoodDataset, indices: np.ndarray
) -> dict[str, dict[str, float]]:
    """Errors of each kind of answer.

    Args:
        answers: {kind: float [n, 4]}.
        dataset: N samples; without `masks` there are no hit rates.
        indices: which of them were asked, int [n].

    Returns:
        {kind: {metric: value}}: all of `metrics.compute_bbox_metrics` and, with masks, the rates of
        `hit_metrics.MidpointHits`. Other foods of a picture are those among `indices`.
    """
    labels, found = dataset.actions[indices], {}
    sources = None if dataset.sources is None else dataset.sources[indices]
    foods = None if dataset.food_types is None else dataset.food_types[indices]
    for kind, predicted in answers.items():
        found[kind] = metrics.compute_bbox_metrics(predicted, labels)
        if dataset.masks is not None:
            hits = hit_metrics.midpoint_hits(predicted, dataset.masks, sources, foods, indices)
            found[kind] |= hits.rates()
    return found


def format_table(found: Mapping[str, Mapping[str, float]]) -> str:
    """A line for each kind of answer, a column for each metric that any of them has."""
    columns = [name for name in COLUMNS if any(name in row for row in found.values())]
    width = max(len(kind) for kind in found)
    lines = ["".join([" " * width, *(f"  {name}" for name in columns)])]
    for kind, row in found.items():
        cells = [f"  {_cell(row.get(name)):>{len(name)}}" for name in columns]
        lines.append("".join([f"{kind:{width}}", *cells]))
    return "\n".join(lines)


def without_unknown(found: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """The same without what is not known: JSON has no NaN."""
    return {
        kind: {name: value for name, value in row.items() if not math.isnan(value)}
        for kind, row in found.items()
    }


def _cell(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"
