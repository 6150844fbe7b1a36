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
import pathlib

import numpy as np
import tensorflow as tf
from absl import logging

import agent_wrapper
import policy_specs
from evaluation import metrics
from food_data import npz_dataset, pipeline, rlds, splits

_FEATURES_FILE = "efficientnet_features.f32"


@dataclasses.dataclass(frozen=True)
class RunData:
    """The samples of a run, read once and shared by all that follows."""

    dataset: npz_dataset.FoodDataset
    split: splits.Split
    name: str = ""  # of the file
    features: FeatureCache | None = None  # in the place of pictures

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
        return self._batches(self.split.train_idx, batch_size, **options)

    def validation_batches(self, batch_size: int, part: slice = slice(None)) -> tf.data.Dataset:
        """Of the validation samples, in the order of the split; or of a part of them."""
        return self._batches(self.split.val_idx[part], batch_size)

    def _batches(self, indices: np.ndarray, *options: int, **more: object) -> tf.data.Dataset:
        more["features"] = self.features
        return pipeline.create_npz_dataset(self.dataset, indices, *options, **more)


class FeatureCache:
    """Features float32 [n, N, D] of some samples, in memory or memory-mapped: `cache[samples]`."""

    def __init__(
        self,
        agent: agent_wrapper.Agent,
        data: RunData,
        batch_size: int,
        directory: pathlib.Path | None = None,
    ):
        """Runs the encoder once over all samples of a run."""
        if agent.network.parts()["efficientnet"].trainable_variables:
            raise ValueError(
                "FeatureCache: expected a frozen EfficientNet, got one that learns, whose features "
                "change at every step. Use --freeze_efficientnet."
            )
        sides = data.split.train_idx, data.split.val_idx
        samples = np.concatenate(sides)
        self._rows = np.full(len(data.dataset), -1)
        self._rows[samples] = np.arange(len(samples))
        encode = tf.function(agent.network.image_features, reduce_retracing=True, autograph=False)
        keys, done = (policy_specs.IMAGE_KEY, policy_specs.EMBEDDING_KEY), 0
        for indices in filter(len, sides):
            for batch in pipeline.create_npz_dataset(data.dataset, indices, batch_size):
                found = encode({key: batch[key][:, tf.newaxis] for key in keys}).numpy()
                if not done:
                    shape = (len(samples), *found.shape[1:])
                    if directory is None:
                        self._features = np.empty(shape, np.float32)
                    else:
                        path = directory / _FEATURES_FILE
                        self._features = np.memmap(path, np.float32, "w+", shape=shape)
                self._features[done : done + len(found)] = found
                done += len(found)
        self.shape = self._features.shape
        place = directory or "memory"
        logging.info(
            "features of %d samples, %d MB, in %s", done, self._features.nbytes >> 20, place
        )

    def __getitem__(self, samples: np.ndarray) -> np.ndarray:
        """Float32 [B, N, D] of B sample numbers."""
        return self._features[self._rows[samples]]


def read_npz(
    dataset_file: str,
    split_file: str | None,
    validation_fraction: float,
    seed: int,
    dry_run: bool = False,
) -> RunData:
    """A data set and its split: read, or drawn by the seed and, except in a dry run, saved."""
    dataset, name = rlds.read_dataset(dataset_file), pathlib.Path(dataset_file).name
    path = pathlib.Path(split_file or splits.split_path(dataset_file))
    if not path.is_file():
        split = splits.make_split(dataset, validation_fraction, seed)
        if dry_run:
            logging.info("split: drawn with seed %d; a run saves it to %s", seed, path)
            return RunData(dataset, split, name)
        try:
            splits.write_split(path, split)
        except OSError as error:
            raise OSError(
                f"--split_file: the split that was drawn cannot be saved to {path}: "
                f"{error.strerror or error}. Give a --split_file in a folder that can be written, "
                "or make the folder of the data set writable."
            ) from error
        logging.info("split: drawn with seed %d, saved to %s", seed, path)
    return RunData(dataset, splits.read_split(path, len(dataset)), name)
