"""TokenLearner: a few tokens that summarise a feature map (arXiv 2106.11297, the v1.1 variant of
RT-1)."""

from __future__ import annotations

import gin
import tensorflow as tf

import dropout_settings


class MlpBlock(tf.keras.layers.Layer):
    """Two dense layers with a gelu (tanh approximation) and dropout between them: float [B, N, D]
    to [B, N, output_size]."""

    def __init__(self, input_size: int, hidden_size: int, output_size: int, dropout_rate: float):
        super().__init__(name="mlp")
        self._dropout_rate = dropout_rate
        self._hidden_layer, self._output_layer = (
            tf.keras.layers.Dense(
                units, bias_initializer=tf.keras.initializers.RandomNormal(stddev=1e-6)
            )
            for units in (hidden_size, output_size)
        )
        self._hidden_layer.build((None, None, input_size))
        self._output_layer.build((None, None, hidden_size))
        self.built = True

    def call(self, inputs: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        hidden = tf.nn.gelu(self._hidden_layer(inputs), approximate=True)
        hidden = dropout_settings.dropout(hidden, self._dropout_rate, dropout_seed)
        return self._output_layer(hidden)


@gin.configurable(denylist=["input_size", "dropout"])
class TokenLearner(tf.keras.layers.Layer):
    """Each token is a weighted mean over all positions; an MLP on the features gives the weights.

    Call arguments:
        features: float [B, N, D], N positions of the feature map.
        dropout_seed: int32 [2], None for no dropout.

    Returns:
        float [B, num_tokens, D].
    """

    def __init__(
        self,
        input_size: int,
        dropout: dropout_settings.DropoutSettings,
        num_tokens: int = 8,
        hidden_size: int = 64,
    ):
        """`input_size` is D, `hidden_size` that of the MLP; `dropout.token_learner` is read."""
        super().__init__(name="token_learner")
        self.num_tokens = num_tokens
        self.layernorm = tf.keras.layers.LayerNormalization(epsilon=1e-6)
        self.layernorm.build((None, None, input_size))
        self.mlp = MlpBlock(input_size, hidden_size, num_tokens, dropout.token_learner)
        self.built = True

    def call(self, features: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        scores = self.mlp(self.layernorm(features), dropout_seed=dropout_seed)
        weights = tf.nn.softmax(tf.transpose(scores, (0, 2, 1)), axis=-1)
        return tf.matmul(weights, features)
