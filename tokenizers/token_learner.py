"""TokenLearner: a few tokens that summarise a feature map (arXiv 2106.11297, v1.1 as in RT-1)."""

from __future__ import annotations

import gin
import tensorflow as tf

_HIDDEN_SIZE = 64


class MlpBlock(tf.keras.layers.Layer):
    """Two dense layers with a gelu (tanh approximation) between them: float [B, N, input_size] to
    [B, N, output_size]."""

    def __init__(self, input_size: int, output_size: int):
        super().__init__(name="mlp")
        self._hidden_layer, self._output_layer = (
            tf.keras.layers.Dense(
                units, bias_initializer=tf.keras.initializers.RandomNormal(stddev=1e-6)
            )
            for units in (_HIDDEN_SIZE, output_size)
        )
        self._hidden_layer.build((None, None, input_size))
        self._output_layer.build((None, None, _HIDDEN_SIZE))
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return self._output_layer(tf.nn.gelu(self._hidden_layer(inputs), approximate=True))


@gin.configurable(denylist=["input_size"])
class TokenLearner(tf.keras.layers.Layer):
    """Each token is a weighted mean over all positions; an MLP on the features gives the weights.

    Call arguments:
        features: float [B, N, D], N positions of the feature map.

    Returns:
        float [B, num_tokens, D].
    """

    def __init__(self, input_size: int, num_tokens: int = 8):
        """`input_size` is D."""
        super().__init__(name="token_learner")
        self.num_tokens = num_tokens
        self.layernorm = tf.keras.layers.LayerNormalization(epsilon=1e-6)
        self.layernorm.build((None, None, input_size))
        self.mlp = MlpBlock(input_size, num_tokens)
        self.built = True

    def call(self, features: tf.Tensor) -> tf.Tensor:
        scores = self.mlp(self.layernorm(features))
        weights = tf.nn.softmax(tf.transpose(scores, (0, 2, 1)), axis=-1)
        return tf.matmul(weights, features)
