"""The samples of a run: an .npz and its split, and the batches made of them."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from absl import logging

import agent_wrapper
from evaluation import metrics
from food_data import npz_dataset, pipeline, splits
from training import feature_cache


@dataclasses.dataclass(frozen=True)
class RunData:
    """The samples of a run, read once and shared by all that follows.

    Attributes:
        dataset: all N samples.
        split: which of them train and which validate.
        name: of the file.
    """

    dataset: npz_dataset.FoodDataset
    split: splits.Split
    name: str = ""

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of what the data set holds."""
        return npz_dataset.dataset_fingerprint(self.dataset)

    def baseline(self, indices: np.ndarray) -> dict[str, float]:
        """Errors of the mean of the training labels as the answer to every sample of `indices`."""
        labels = self.dataset.actions
        mean = np.mean(labels[self.split.train_idx], axis=0, dtype=np.float64)
        asked = labels[indices]
        return metrics.compute_bbox_metrics(np.broadcast_to(mean, asked.shape), asked)

    def training_batches(self, batch_size: int, **options: object) -> tf.data.Dataset:
        """Of the training samples."""
        indices = self.split.train_idx
        return pipeline.create_npz_dataset(self.dataset, indices, batch_size, **options)

    def validation_batches(self, batch_size: int, part: slice = slice(None)) -> tf.data.Dataset:
        """Of the validation samples, in the order of the split; or of a part of them."""
        return pipeline.create_npz_dataset(self.dataset, self.split.val_idx[part], batch_size)


@dataclasses.dataclass(frozen=True)
class CachedRunData(RunData):
    """As `RunData`; batches hold the features of a frozen EfficientNet in the place of pictures.

    Attributes:
        training_features: of the training samples.
        validation_features: of the validation samples; None if there are none.
    """

    training_features: feature_cache.FeatureCache | None = None
    validation_features: feature_cache.FeatureCache | None = None

    def training_batches(self, batch_size: int, **options: object) -> tf.data.Dataset:
        """See `RunData`; there is nothing that could be augmented."""
        if options.pop("augmentation", None) is not None:
            raise ValueError("CachedRunData: expected no augmentation, got one.")
        return self.training_features.batches(batch_size, **options)

    def validation_batches(self, batch_size: int, part: slice = slice(None)) -> tf.data.Dataset:
        """See `RunData`; all of them."""
        if part != slice(None):
            raise ValueError(f"CachedRunData: expected all validation samples, got {part}.")
        return self.validation_features.batches(batch_size)


def with_cached_features(
    data: RunData,
    agent: agent_wrapper.Agent,
    batch_size: int,
    directory: pathlib.Path | None = None,
) -> CachedRunData:
    """Computes the features of all samples once."""
    caches = []
    for name, indices in (("train", data.split.train_idx), ("val", data.split.val_idx)):
        folder = None
        if directory is not None:
            folder = directory / f"{name}_features"
            folder.mkdir(parents=True, exist_ok=True)
        build = feature_cache.FeatureCache.build
        cache = build(agent, data.dataset, indices, batch_size, folder) if len(indices) else None
        caches.append(cache)
    return CachedRunData(data.dataset, data.split, data.name, *caches)


def read_npz(
    dataset_file: str, split_file: str | None, validation_fraction: float, seed: int
) -> RunData:
    """A data set and its split: read, or drawn by the seed and saved."""
    dataset = npz_dataset.read_npz(dataset_file)
    path = pathlib.Path(split_file or splits.split_path(dataset_file))
    if not path.is_file():
        splits.write_split(path, splits.make_split(dataset, validation_fraction, seed))
        logging.info("split: drawn with seed %d, saved to %s", seed, path)
    split = splits.read_split(path, len(dataset))
    return RunData(dataset, split, pathlib.Path(dataset_file).name)


def endless_batches(
    make_dataset: Callable[[int, int], tf.data.Dataset], batches_per_pass: int, start: int
) -> Iterator[dict[str, tf.Tensor]]:
    """Pass after pass over the training samples, from any batch on.

    Example: 5 batches a pass, start 12: pass 2 from its batch 2 on, then pass 3, and so on.
    """
    dataset = make_dataset(start // batches_per_pass, start % batches_per_pass)
    while True:
        yield from dataset
