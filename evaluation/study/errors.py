"""Errors of several kinds of answers with confidence intervals, and their parts.

Example: the model's `centroid_mae` on four samples of two pictures, 0.01 and 0.03, 0.05 and 0.07:
{"mean": 0.04, "low": 0.02, "high": 0.06, "n": 4}. Numbers that are not known are None, as JSON
wants them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

import hit_metrics
import metrics
from evaluation import bootstrap, paired_comparison, sample_errors
from evaluation.study import samples as study_samples

Columns = Mapping[str, np.ndarray]
_LENGTHS = {
    "centroid_mae": "midpoint, mean over x and y",
    "bbox_mae": "coordinates",
    "centroid_error": "midpoint, distance",
    "start_error": "start point, distance",
    "end_error": "end point, distance",
}
_UNITS = {"": "share of the picture", "_px": "px", "_mm": "mm"}
_SHOWN = {
    **{f"{name}{end}": (f"{text}", unit, "low")
       for end, unit in _UNITS.items() for name, text in _LENGTHS.items()},
    "angle_mae_mod180_deg": ("angle, reversed is the same", "degrees", "low"),
    "elongated_angle_mae_mod180_deg": ("the same, of long food", "degrees", "low"),
    "hit_rate": ("midpoint on the food", "share", "high"),
    "nearest_item_rate": ("nearest to the right food", "share", "high"),
    "nearest_item_chance": ("the same by chance", "share", "high"),
}  # fmt: skip
_GROUP_ARRAYS = {"action": "action_names", "food": "food_types", "source": "sources"}


def columns_of_kinds(
    kinds: Mapping[str, np.ndarray], samples: study_samples.Samples, mm_per_px: float | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """`columns_of` of several kinds of answers to the same samples.

    Args:
        kinds: {kind: float [n, 4]}.
        samples: n of them.
        mm_per_px: millimetres in a pixel; None: not known.

    Returns:
        {kind: {column: float64 [n]}}.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    for kind, answers in kinds.items():
        if not found or samples.dataset.masks is None:
            found[kind] = columns_of(answers, samples, mm_per_px)
            continue
        # Which food is elongated is known from the first kind: it takes as long as all the rest.
        first = next(iter(found.values()))
        columns = sample_errors.error_columns(answers, samples.labels, mm_per_px=mm_per_px)
        for name, values in first.items():
            if name.startswith("elongated_"):
                own = columns[name[len("elongated_") :]]
                columns[name] = np.where(np.isnan(values), np.nan, own)
        hits = hit_metrics.midpoint_hits(
            answers,
            samples.dataset.masks,
            samples.names("sources"),
            samples.names("food_types"),
            samples.indices,
        )
        columns |= {"hit_rate": hits.on_item, "nearest_item_rate": hits.nearest}
        found[kind] = columns | {"nearest_item_chance": hits.chance}
    return found


def columns_of(
    answers: np.ndarray, samples: study_samples.Samples, mm_per_px: float | None = None
) -> dict[str, np.ndarray]:
    """`sample_errors.error_columns` of answers float [n, 4] to samples."""
    return sample_errors.error_columns(
        answers,
        samples.labels,
        mm_per_px=mm_per_px,
        masks=samples.dataset.masks,
        sources=samples.names("sources"),
        foods=samples.names("food_types"),
        rows=samples.indices,
    )


def shown_metrics(columns: Columns) -> dict[str, dict[str, str]]:
    """{column: {'label', 'unit', 'better': 'low' or 'high'}} of those that tables show."""
    return {
        name: {"label": label, "unit": unit, "better": better}
        for name, (label, unit, better) in _SHOWN.items()
        if name in columns and not np.isnan(columns[name]).all()
    }


def intervals(columns: Columns, pictures: np.ndarray, seed: int = 0) -> dict[str, dict]:
    """Means with their 95 % intervals.

    Args:
        columns: {name: float [n]}.
        pictures: str [n], equal for samples of one picture.
        seed: of the drawings.

    Returns:
        {name: {'mean', 'low', 'high', 'n'}}.
    """
    found = bootstrap.mean_intervals(columns, pictures, seed=seed)
    return {name: interval_dict(one) for name, one in found.items()}


def interval_dict(interval: bootstrap.Interval) -> dict[str, float | int | None]:
    """An interval as JSON."""
    ends = {name: known(getattr(interval, name)) for name in ("mean", "low", "high")}
    return {**ends, "n": interval.num_samples}


def known(value: float) -> float | None:
    """The number, or None for NaN."""
    return None if math.isnan(value) else float(value)


def groups(
    columns: Columns, samples: study_samples.Samples, pictures: np.ndarray, seed: int = 0
) -> dict[str, dict[str, dict]]:
    """The shown columns by action, by food, and by folder of the pictures.

    Args:
        columns: {name: float [n]}.
        samples: n of them; what the data set does not name makes no groups.
        pictures: str [n].
        seed: of the drawings.

    Returns:
        {'action', 'food', 'source': {name: {'n': number of samples, column: interval}}}.
    """
    shown = {name: columns[name] for name in shown_metrics(columns)}
    found = {}
    for kind, array in _GROUP_ARRAYS.items():
        names = samples.names(array)
        if names is None:
            continue
        if kind == "source":
            names = np.array([name.rpartition("/")[0] or "." for name in names])
        found[kind] = {
            str(name): {
                "n": len(rows),
                **intervals({key: all_[rows] for key, all_ in shown.items()}, pictures[rows], seed),
            }
            for name, rows in metrics.groups(names)
        }
    return found


def comparison(
    first: Columns, second: Columns, pictures: np.ndarray, seed: int = 0
) -> dict[str, dict[str, float | None]]:
    """First minus second, of the columns that tables show.

    Args:
        first: {name: float [n]}.
        second: of the same samples.
        pictures: str [n].
        seed: of drawings and signs.

    Returns:
        {column: {'difference', 'low', 'high', 'p_value'}}; p is None if nothing differs.
    """
    found = {}
    for name in shown_metrics(first):
        one = paired_comparison.compare(first[name], second[name], pictures, seed=seed)
        found[name] = {
            "difference": known(one.difference.mean),
            "low": known(one.difference.low),
            "high": known(one.difference.high),
            "p_value": known(one.p_value),
        }
    return found
