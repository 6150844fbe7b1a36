"""The traced functions behind `Agent.forward`: one answer, or samples with dropout in two scopes.

Each is a `tf.function` with a fixed signature in which only the batch size and the number of
samples are open, so each is traced once.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import tensorflow as tf
from tf_agents.specs import tensor_spec
from tf_agents.utils import common

import dropout_settings
import policy_specs
import transformer_network


class PredictionFunctions:
    """Inference on batches of single images (T = 1).

    Attributes:
        deterministic: (image [B, H, W, 3], embedding [B, D]) -> [B, 4].
        sample_head: (image, embedding, num_samples, seed [2]) -> [S, B, 4]; features computed once.
        sample_full: the same arguments and shapes; every image goes through the whole network S
            times.
    """

    def __init__(
        self,
        network: transformer_network.TransformerNetwork,
        action_spec: Mapping[str, tensor_spec.BoundedTensorSpec],
        image_shape: tf.TensorShape,
        image_dtype: tf.DType,
    ):
        """Defines the functions; each is traced at its first call.

        Args:
            network: the network.
            action_spec: answers are clipped to it.
            image_shape: (H, W, 3).
            image_dtype: tf.uint8 or tf.float32.
        """
        self._network = network
        self._action_spec = action_spec
        image = tf.TensorSpec((None, *image_shape), image_dtype)
        embedding = tf.TensorSpec((None, policy_specs.EMBEDDING_SIZE), tf.float32)
        num_samples, seed = tf.TensorSpec((), tf.int32), tf.TensorSpec((2,), tf.int32)
        sampling = (image, embedding, num_samples, seed)
        # Nothing here needs AutoGraph, whose conversion of all that is called doubles tracing time.
        trace = functools.partial(tf.function, autograph=False)
        self.deterministic = trace(self._deterministic, (image, embedding))
        self.sample_head = trace(self._sample_head, sampling)
        self.sample_full = trace(self._sample_full, sampling)

    def trace_counts(self) -> dict[str, int]:
        """How often each function was traced."""
        functions = ("deterministic", "sample_head", "sample_full")
        return {name: getattr(self, name).experimental_get_tracing_count() for name in functions}

    def _execution_parameters(self, outputs: tf.Tensor) -> tf.Tensor:
        """Network outputs [B, T, ...] to [B, 4], clipped to the spec as the policy does."""
        action = self._network.actions(outputs[:, -1])[policy_specs.ACTION_KEY]
        return common.clip_to_spec(action, self._action_spec[policy_specs.ACTION_KEY])

    def _features(
        self, image: tf.Tensor, embedding: tf.Tensor, seed: tf.Tensor | None
    ) -> tf.Tensor:
        observation = {
            policy_specs.IMAGE_KEY: image[:, tf.newaxis],
            policy_specs.EMBEDDING_KEY: embedding[:, tf.newaxis],
        }
        return self._network.image_features(observation, training=False, seed=seed)

    def _deterministic(self, image: tf.Tensor, embedding: tf.Tensor) -> tf.Tensor:
        return self._execution_parameters(
            self._network.head(self._features(image, embedding, None))
        )

    def _sample_head(
        self, image: tf.Tensor, embedding: tf.Tensor, num_samples: tf.Tensor, seed: tf.Tensor
    ) -> tf.Tensor:
        features = self._features(image, embedding, None)
        features = tf.tile(features, (num_samples, 1, 1))
        outputs = self._network.head(features, dropout_settings.split_seed(seed, 1))
        return self._with_sample_axis(outputs, num_samples)

    def _sample_full(
        self, image: tf.Tensor, embedding: tf.Tensor, num_samples: tf.Tensor, seed: tf.Tensor
    ) -> tf.Tensor:
        image, embedding = (
            tf.tile(image, (num_samples, 1, 1, 1)),
            tf.tile(embedding, (num_samples, 1)),
        )
        features = self._features(image, embedding, dropout_settings.split_seed(seed, 0))
        outputs = self._network.head(features, dropout_settings.split_seed(seed, 1))
        return self._with_sample_axis(outputs, num_samples)

    def _with_sample_axis(self, outputs: tf.Tensor, num_samples: tf.Tensor) -> tf.Tensor:
        """[S * B, T, ...] to [S, B, 4]."""
        parameters = self._execution_parameters(outputs)
        return tf.reshape(parameters, (num_samples, -1, policy_specs.NUM_COORDINATES))
