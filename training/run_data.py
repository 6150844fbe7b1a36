"""The samples of a run: an .npz and its split, the batches made of them, and features kept of them.

Features of a frozen EfficientNet are computed once, so that later epochs cost only TokenLearner,
transformer and head. What is kept for each sample is the encoder's output [N, D], which depends on
its picture and its instruction (FiLM). That is right as long as the encoder is frozen and pictures
are not augmented. The encoder's own dropout (`DropoutSettings.spatial`, `top` and
`backbone_drop_connect`) is off in what is kept: one draw for ever would be no dropout.

Example: a 300 px picture gives 81 features of 512 numbers, 166 kB. 10,000 samples are 1.7 GB, in
memory or, memory-mapped, in a file.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from absl import logging

import agent_wrapper
import policy_specs
import transformer_network
from evaluation import metrics
from food_data import npz_dataset, pipeline, rlds, splits

_FEATURES_FILE = "efficientnet_features.f32"
_PREFETCH_BATCHES = 2


@dataclasses.dataclass(frozen=True)
class RunData:
    """The samples of a run, read once and shared by all that follows."""

    dataset: npz_dataset.FoodDataset
    split: splits.Split
    name: str = ""  # of the file

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

    def trained_pairs(self) -> list[list[str]] | None:
        """Each [action, food] of the training samples once, sorted; None without names."""
        names = self.dataset.action_names, self.dataset.food_types
        if any(array is None for array in names):
            return None
        chosen = (array[self.split.train_idx].tolist() for array in names)
        return [list(pair) for pair in sorted(set(zip(*chosen)))]

    def training_batches(self, batch_size: int, **options: object) -> tf.data.Dataset:
        """Of the training samples; options are those of `pipeline.create_npz_dataset`."""
        indices = self.split.train_idx
        return pipeline.create_npz_dataset(self.dataset, indices, batch_size, **options)

    def validation_batches(self, batch_size: int, part: slice = slice(None)) -> tf.data.Dataset:
        """Of the validation samples, in the order of the split; or of a part of them."""
        return pipeline.create_npz_dataset(self.dataset, self.split.val_idx[part], batch_size)


class FeatureCache:
    """Features, instructions and labels of n samples: `features` float32 [n, N, D], in memory or
    memory-mapped, of the sample numbers `indices`, int64 [n]."""

    def __init__(
        self,
        agent: agent_wrapper.Agent,
        dataset: npz_dataset.FoodDataset,
        indices: np.ndarray,
        batch_size: int,
        directory: str | os.PathLike[str] | None = None,
    ):
        """Runs the encoder once over the samples."""
        if agent.network.parts()["efficientnet"].trainable_variables:
            raise ValueError(
                "FeatureCache: expected a frozen EfficientNet, got one that learns, whose features "
                "change at every step. Use --freeze_efficientnet."
            )
        self.indices, self._dataset = np.asarray(indices, np.int64), dataset
        self._rows = np.argsort(self.indices)
        encode = tf.function(agent.network.image_features, reduce_retracing=True, autograph=False)
        features, done = None, 0
        for batch in pipeline.create_npz_dataset(dataset, indices, batch_size):
            keys = (policy_specs.IMAGE_KEY, policy_specs.EMBEDDING_KEY)
            found = encode({key: batch[key][:, tf.newaxis] for key in keys}).numpy()
            if features is None:
                shape = (len(indices), *found.shape[1:])
                if directory is None:
                    features = np.empty(shape, np.float32)
                else:
                    path = pathlib.Path(directory) / _FEATURES_FILE
                    features = np.memmap(path, np.float32, "w+", shape=shape)
            features[done : done + len(found)] = found
            done += len(found)
        self.features = features
        place = "memory" if directory is None else features.filename
        logging.info("features of %d samples, %d MB, in %s", done, features.nbytes >> 20, place)

    def batches(
        self,
        batch_size: int,
        *,
        shuffle_seed: int | None = None,
        first_epoch: int = 0,
        first_batch: int = 0,
    ) -> tf.data.Dataset:
        """What `pipeline.create_npz_dataset` gives, with features in the place of images."""
        passes = 0

        def next_pass() -> Iterator[dict[str, np.ndarray]]:
            nonlocal passes
            samples = pipeline.epoch_order(self.indices, shuffle_seed, first_epoch + passes)
            skipped = 0 if passes else first_batch * batch_size
            passes += 1
            for start in range(skipped, len(samples), batch_size):
                chosen = samples[start : start + batch_size]
                rows = self._rows[np.searchsorted(self.indices, chosen, sorter=self._rows)]
                yield {
                    transformer_network.FEATURES_KEY: np.asarray(self.features[rows]),
                    policy_specs.EMBEDDING_KEY: np.asarray(self._dataset.embeddings[chosen]),
                    policy_specs.ACTION_KEY: np.asarray(self._dataset.actions[chosen]),
                }

        shape = (None, *self.features.shape[1:])
        signature = {transformer_network.FEATURES_KEY: tf.TensorSpec(shape, tf.float32)}
        for key in (policy_specs.EMBEDDING_KEY, policy_specs.ACTION_KEY):
            signature[key] = pipeline.SIGNATURE[key]
        batches = tf.data.Dataset.from_generator(next_pass, output_signature=signature)
        return batches.prefetch(_PREFETCH_BATCHES)


@dataclasses.dataclass(frozen=True)
class CachedRunData(RunData):
    """As `RunData`; batches hold the features of a frozen EfficientNet in the place of pictures."""

    training_features: FeatureCache | None = None
    validation_features: FeatureCache | None = None  # None if no sample validates

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
        made = (
            FeatureCache(agent, data.dataset, indices, batch_size, folder) if len(indices) else None
        )
        caches.append(made)
    return CachedRunData(data.dataset, data.split, data.name, *caches)


def read_npz(
    dataset_file: str,
    split_file: str | None,
    validation_fraction: float,
    seed: int,
    dry_run: bool = False,
) -> RunData:
    """A data set and its split: read, or drawn by the seed and, except in a dry run, saved."""
    dataset = rlds.read_dataset(dataset_file)
    path, name = (
        pathlib.Path(split_file or splits.split_path(dataset_file)),
        pathlib.Path(dataset_file).name,
    )
    if path.is_file():
        return RunData(dataset, splits.read_split(path, len(dataset)), name)
    split = splits.make_split(dataset, validation_fraction, seed)
    if dry_run:
        logging.info("split: drawn with seed %d; a run saves it to %s", seed, path)
        return RunData(dataset, split, name)
    try:
        splits.write_split(path, split)
    except OSError as error:
        raise OSError(
            f"--split_file: the split that was drawn cannot be saved to {path}: "
            f"{error.strerror or error}. Give a --split_file in a folder that can be written, or "
            "make the folder of the data set writable."
        ) from error
    logging.info("split: drawn with seed %d, saved to %s", seed, path)
    return RunData(dataset, splits.read_split(path, len(dataset)), name)


def endless_batches(
    make_dataset: Callable[[int, int], tf.data.Dataset], batches_per_pass: int, start: int
) -> Iterator[dict[str, tf.Tensor]]:
    """Pass after pass over the training samples, from any batch on.

    Example: 5 batches a pass, start 12: pass 2 from its batch 2 on, then pass 3, and so on.
    """
    dataset = make_dataset(start // batches_per_pass, start % batches_per_pass)
    while True:
        yield from dataset
