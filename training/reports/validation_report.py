"""What the predictions on the validation samples say, beside what a constant answer would get."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from evaluation import metrics
from food_data import npz_dataset, splits

# File, the data set's array that names the groups.
GROUP_FILES = {"per_action.csv": "action_names", "per_food.csv": "food_types"}
GROUP_COLUMNS = (
    "epoch",
    "name",
    "n",
    "centroid_mae",
    "bbox_mae",
    "angle_mae_mod180_deg",
    "hit_rate",
)

_SAMPLE_COLUMNS = ("centroid_mae", "bbox_mae", "angle_mae_mod180_deg", "hit_rate")


class RunData(Protocol):
    """The samples of a run: `training_loop.RunData` is one."""

    dataset: npz_dataset.FoodDataset
    split: splits.Split


@dataclasses.dataclass(frozen=True)
class ValidationResult:
    """Of one epoch.

    Attributes:
        means: {metric: mean over the validation samples}; hit rates only where masks are known.
        samples: {'centroid_mae', 'bbox_mae', 'angle_mae_mod180_deg', 'hit_rate': float [n_val]}.
    """

    means: dict[str, float]
    samples: dict[str, np.ndarray]


class ValidationReport:
    """Turns predictions into metrics.

    Attributes:
        indices: the validation samples, int64 [n_val].
        labels: their execution parameters, float32 [n_val, 4].
        baseline: `ValidationResult.means` of always answering the mean of the training labels, and
            'nearest_item_chance'; empty if there are no validation samples.
    """

    def __init__(self, data: RunData):
        """Holds on to the data set and copies none of its pictures or masks."""
        self._dataset = data.dataset
        self.indices = np.asarray(data.split.val_idx, np.int64)
        self.labels = data.dataset.actions[self.indices]
        self.baseline: dict[str, float] = {}
        if len(self.indices):
            train_labels = data.dataset.actions[data.split.train_idx]
            mean = np.mean(train_labels, axis=0, dtype=np.float64)
            constant = np.broadcast_to(mean, self.labels.shape)
            hits = self._hits(constant)
            chance = {name: metrics.mean_of_known(values) for name, values in hits.items()}
            self.baseline = {**metrics.compute_bbox_metrics(constant, self.labels), **chance}

    def names(self, field: str) -> np.ndarray | None:
        """The validation samples' 'action_names' or 'food_types', str [n_val]; None if unknown."""
        names = getattr(self._dataset, field)
        return None if names is None else names[self.indices]

    def evaluate(self, predictions: np.ndarray) -> ValidationResult:
        """Metrics of one epoch's predictions.

        Args:
            predictions: float [n_val, 4], in the order of `indices`.

        Returns:
            The result; empty if there are no validation samples.

        Raises:
            ValueError: if the shape is another one or a value is not finite.
        """
        if len(predictions) != len(self.indices):
            raise ValueError(
                f"Expected a prediction for each of {len(self.indices)} validation samples, got "
                f"{len(predictions)}."
            )
        if not len(self.indices):
            return ValidationResult({}, {})
        means = metrics.compute_bbox_metrics(predictions, self.labels)
        columns = metrics.error_columns(predictions, self.labels)
        columns["hit_rate"] = np.full(len(self.indices), np.nan)
        hits = self._hits(predictions)
        columns |= hits
        # nearest_item_chance is the same in each epoch: see `baseline`.
        rates = {n: metrics.mean_of_known(v) for n, v in hits.items() if n != "nearest_item_chance"}
        return ValidationResult(
            {**means, **rates}, {name: columns[name] for name in _SAMPLE_COLUMNS}
        )

    def group_rows(self, field: str, samples: Mapping[str, np.ndarray]) -> list[dict[str, object]]:
        """Rows of `GROUP_COLUMNS` without the epoch; none where the data set has no such names."""
        names = self.names(field)
        if names is None or not len(names):
            return []
        means = metrics.group_means(samples, names)
        return [{"name": name, **columns} for name, columns in means.items()]

    def _hits(self, predictions: np.ndarray) -> dict[str, np.ndarray]:
        masks = self._dataset.masks
        if masks is None:
            return {}
        sources, foods = self._dataset.sources, self.names("food_types")
        return metrics.midpoint_hits(
            predictions,
            masks,
            sources=None if sources is None else sources[self.indices],
            foods=foods,
            rows=self.indices,
        )
