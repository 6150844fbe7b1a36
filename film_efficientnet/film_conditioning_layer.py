"""FiLM: feature-wise linear modulation of a feature map by an instruction (arXiv 1709.07871)."""

from __future__ import annotations

import tensorflow as tf


class FilmConditioning(tf.keras.layers.Layer):
    """Scales and shifts each channel by two linear functions of the context: (1 + gamma) * x +
    beta.

    Both projections start at zero, so a fresh layer is the identity and pretrained features pass
    through unharmed (RT-1, arXiv 2212.06817, section 5.1).

    Call arguments:
        features: float [B, H, W, C].
        context: float [B, D].

    Returns:
        float [B, H, W, C].
    """

    def __init__(self, num_channels: int, context_size: int, name: str | None = None):
        """`num_channels` is C, `context_size` D."""
        super().__init__(name=name)
        self._projection_add = tf.keras.layers.Dense(num_channels, kernel_initializer="zeros")
        self._projection_mult = tf.keras.layers.Dense(num_channels, kernel_initializer="zeros")
        self._projection_add.build((None, context_size))
        self._projection_mult.build((None, context_size))
        self.built = True

    def call(self, features: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        beta = self._projection_add(context)[:, tf.newaxis, tf.newaxis, :]
        gamma = self._projection_mult(context)[:, tf.newaxis, tf.newaxis, :]
        return (1 + gamma) * features + beta
