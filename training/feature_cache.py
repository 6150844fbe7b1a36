"""Features of a frozen EfficientNet, computed once: later epochs cost only TokenLearner,
transformer and head.

What is kept for each sample is the encoder's output [N, D], which depends on its picture and its
instruction (FiLM). That is right as long as the encoder is frozen and pictures are not augmented.
The encoder's own dropout (`DropoutSettings.spatial`, `top` and `backbone_drop_connect`) is off in
what is kept: one draw for ever would be no dropout.

Example: a 300 px picture gives 81 features of 512 numbers, 166 kB. 10,000 samples are 1.7 GB, in
memory or, memory-mapped, in a file.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from absl import logging

import agent_wrapper
import policy_specs
import transformer_network
from food_data import npz_dataset, pipeline

FILE_NAME = "efficientnet_features.f32"
_PREFETCH_BATCHES = 2


class FeatureCache:
    """Features, instructions and labels of n samples; `build` makes one.

    Attributes:
        features: float32 [n, N, D], in memory or memory-mapped.
        indices: the sample numbers, int64 [n].
    """

    def __init__(self, features: np.ndarray, dataset: npz_dataset.FoodDataset, indices: np.ndarray):
        """Wraps features that are there."""
        if len(features) != len(indices):
            raise ValueError(
                f"FeatureCache: expected features of {len(indices)} samples, got {len(features)}."
            )
        self.features, self.indices = features, np.asarray(indices, np.int64)
        self._dataset = dataset
        self._rows = np.argsort(self.indices)

    @classmethod
    def build(
        cls,
        agent: agent_wrapper.Agent,
        dataset: npz_dataset.FoodDataset,
        indices: np.ndarray,
        batch_size: int,
        directory: str | os.PathLike[str] | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> FeatureCache:
        """Runs the encoder once over the samples."""
        if agent.network.parts()["efficientnet"].trainable_variables:
            raise ValueError(
                "FeatureCache: expected a frozen EfficientNet, got one that learns, whose features "
                "change at every step. Use --freeze_efficientnet."
            )
        encode = tf.function(agent.network.image_features, reduce_retracing=True, autograph=False)
        features, done = None, 0
        for batch in pipeline.create_npz_dataset(dataset, indices, batch_size):
            found = encode(_observation(batch)).numpy()
            if features is None:
                features = _new_array((len(indices), *found.shape[1:]), directory)
            features[done : done + len(found)] = found
            done += len(found)
            if progress is not None:
                progress(done)
        place = "memory" if directory is None else features.filename
        logging.info("features of %d samples, %d MB, in %s", done, features.nbytes >> 20, place)
        return cls(features, dataset, indices)

    def batches(
        self,
        batch_size: int,
        *,
        shuffle_seed: int | None = None,
        first_epoch: int = 0,
        first_batch: int = 0,
    ) -> tf.data.Dataset:
        """What `pipeline.create_npz_dataset` gives, with features in the place of images."""
        if batch_size < 1:
            raise ValueError(f"FeatureCache.batches: expected batch_size >= 1, got {batch_size}.")
        passes = 0

        def next_pass() -> Iterator[dict[str, np.ndarray]]:
            nonlocal passes
            samples = pipeline.epoch_order(self.indices, shuffle_seed, first_epoch + passes)
            skipped = 0 if passes else first_batch * batch_size
            passes += 1
            for start in range(skipped, len(samples), batch_size):
                yield self._batch(samples[start : start + batch_size])

        signature = {
            transformer_network.FEATURES_KEY: tf.TensorSpec(
                (None, *self.features.shape[1:]), tf.float32
            ),
            policy_specs.EMBEDDING_KEY: pipeline.SIGNATURE[policy_specs.EMBEDDING_KEY],
            policy_specs.ACTION_KEY: pipeline.SIGNATURE[policy_specs.ACTION_KEY],
        }
        batches = tf.data.Dataset.from_generator(next_pass, output_signature=signature)
        return batches.prefetch(_PREFETCH_BATCHES)

    def _batch(self, samples: np.ndarray) -> dict[str, np.ndarray]:
        rows = self._rows[np.searchsorted(self.indices, samples, sorter=self._rows)]
        return {
            transformer_network.FEATURES_KEY: np.asarray(self.features[rows]),
            policy_specs.EMBEDDING_KEY: np.asarray(self._dataset.embeddings[samples]),
            policy_specs.ACTION_KEY: np.asarray(self._dataset.actions[samples]),
        }


def _observation(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Of a batch of one-step sequences."""
    keys = (policy_specs.IMAGE_KEY, policy_specs.EMBEDDING_KEY)
    return {key: batch[key][:, tf.newaxis] for key in keys}


def _new_array(shape: tuple[int, ...], directory: str | os.PathLike[str] | None) -> np.ndarray:
    if directory is None:
        return np.empty(shape, np.float32)
    path = pathlib.Path(directory) / FILE_NAME
    return np.memmap(path, np.float32, "w+", shape=shape)
