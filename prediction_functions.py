"""The traced functions behind `Agent.forward`: one answer, or samples with dropout in two scopes.

Only the batch size and the number of samples are open in their signatures, so each is traced once.
Each gives the answers and the outputs behind them. With the loss cross_entropy those are logits of
tokens, whose softmax says more: a coordinate that may be 0.2 or 0.6 has two hills.

Inference engines need the parts: `features` is everything before TokenLearner, `outputs` and
`execution_parameters` what follows, `samples_and_outputs` the same with dropout. `features` then
`samples_and_outputs` is scope 'head'; with a seed given to both, scope 'full'.
"""

from __future__ import annotations

import keras2  # noqa: F401

import functools
import os
from collections.abc import Mapping

import tensorflow as tf
from tf_agents.specs import tensor_spec
from tf_agents.utils import common

import dropout_settings
import policy_specs
import transformer_network

DROPOUT_SCOPES = ("off", "head", "full")


def check_sampling(dropout: str, num_samples: int | None, seed: int | None) -> None:
    """Raises ValueError for arguments of `Agent.forward` or engines that contradict each other."""
    if dropout not in DROPOUT_SCOPES:
        raise ValueError(f"forward: expected dropout in {DROPOUT_SCOPES}, got {dropout!r}.")
    if dropout == "off" and (num_samples is not None or seed is not None):
        raise ValueError("forward: num_samples and seed need dropout 'head' or 'full', got 'off'.")
    if (num_samples is not None and num_samples < 1) or not 0 <= (seed or 0) < 2**31:
        raise ValueError(
            "forward: expected num_samples >= 1 and seed in 0 .. 2^31 - 1, got "
            f"{num_samples} and {seed}."
        )


def no_distributions() -> ValueError:
    """What to raise for a model that regresses coordinates."""
    return ValueError(
        "token distributions: expected a model with loss_type 'cross_entropy', got one that "
        "regresses; compare samples of forward(dropout='head', num_samples=16)."
    )


def fresh_seed() -> int:
    """A random seed, 0 .. 2^31 - 1."""
    return int.from_bytes(os.urandom(4), "little") & 0x7FFFFFFF


class PredictionFunctions:
    """Inference on batches of single images (T = 1).

    Attributes:
        answers: {'off': (image [B, H, W, 3], embedding [B, D]) -> answers [B, 4], outputs [B, ...];
            'head': (image, embedding, num_samples, seed [2]) -> the same with a first axis S,
            features computed once; 'full': like 'head', each image goes through all S times}.
        has_distributions: whether outputs are logits of tokens.
        image_shape: (H, W, 3).
        image_dtype: tf.uint8 or tf.float32.
        feature_shape: (N, D) of an image's features.
        action_coding: what the tokens stand for.
    """

    def __init__(
        self,
        network: transformer_network.TransformerNetwork,
        action_spec: Mapping[str, tensor_spec.BoundedTensorSpec],
        image_shape: tf.TensorShape,
        image_dtype: tf.DType,
    ):
        self._network, self._action_spec = network, action_spec
        self.image_shape, self.image_dtype = tuple(image_shape), image_dtype
        self.action_coding = network.action_tokenizer.coding
        self.has_distributions = network.loss_type == "cross_entropy"
        encoder = network.parts()["efficientnet"]
        num_features = encoder.num_features(*self.image_shape[:2])
        self.feature_shape = (num_features, encoder.conv1x1.filters)
        image = tf.TensorSpec((None, *image_shape), image_dtype)
        embedding = tf.TensorSpec((None, policy_specs.EMBEDDING_SIZE), tf.float32)
        sampling = (tf.TensorSpec((), tf.int32), tf.TensorSpec((2,), tf.int32))
        # Nothing here needs AutoGraph, whose conversion doubles tracing time.
        trace = functools.partial(tf.function, autograph=False)
        self.answers = {"off": trace(self._one, input_signature=(image, embedding))}
        for scope in ("head", "full"):
            function = functools.partial(self._samples, scope)
            self.answers[scope] = trace(function, input_signature=(image, embedding, *sampling))

    def features(
        self, image: tf.Tensor, embedding: tf.Tensor, seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Images [B, H, W, 3] and embeddings [B, D_context] to float32 [B, N, D], not traced;
        `seed`, int32 [2], is that of a sample of scope 'full', None for no dropout."""
        observation = {
            policy_specs.IMAGE_KEY: image[:, tf.newaxis],
            policy_specs.EMBEDDING_KEY: embedding[:, tf.newaxis],
        }
        seed = dropout_settings.split_seed(seed, 0)
        return self._network.image_features(observation, training=False, seed=seed)

    def outputs(self, features: tf.Tensor) -> tf.Tensor:
        """Features [B, N, D] to what the network puts out for the step, not traced: float32 [B, 4]
        or [B, 4, vocab_size] logits, of what `action_coding` says."""
        return self._network.head(features)[:, -1]

    def execution_parameters(self, outputs: tf.Tensor) -> tf.Tensor:
        """Outputs of a step to float32 [B, 4], clipped to the spec as the policy does."""
        action = self._network.actions(outputs)[policy_specs.ACTION_KEY]
        return common.clip_to_spec(action, self._action_spec[policy_specs.ACTION_KEY])

    def samples_and_outputs(
        self, features: tf.Tensor, num_samples: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Execution parameters [S, B, 4] and the outputs [S, B, ...] behind them, not traced: of
        features [S * B, N, D], in which sample s of image b is row s * B + b, and a seed int32 [2]
        of the dropout."""
        outputs = self._network.head(features, dropout_settings.split_seed(seed, 1))[:, -1]
        parameters = self.execution_parameters(outputs)
        return (
            tf.reshape(parameters, (num_samples, -1, policy_specs.NUM_COORDINATES)),
            tf.reshape(outputs, (num_samples, -1, *outputs.shape[1:])),
        )

    def _one(self, image: tf.Tensor, embedding: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        outputs = self.outputs(self.features(image, embedding))
        return self.execution_parameters(outputs), outputs

    def _samples(
        self,
        scope: str,
        image: tf.Tensor,
        embedding: tf.Tensor,
        num_samples: tf.Tensor,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        if scope == "head":
            features = tf.tile(self.features(image, embedding), (num_samples, 1, 1))
        else:
            images = tf.tile(image, (num_samples, 1, 1, 1))
            features = self.features(images, tf.tile(embedding, (num_samples, 1)), seed)
        return self.samples_and_outputs(features, num_samples, seed)
