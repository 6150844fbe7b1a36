"""RT-1's image tokenizer: a picture and an instruction to a few tokens (arXiv 2212.06817, section
5.1).

Example: a 300 x 300 picture becomes 9 x 9 features of 512 numbers; TokenLearner turns the 81
positions into 8 tokens, so that six pictures cost the transformer 48 positions and not 486.
"""

from __future__ import annotations

import tensorflow as tf

import dropout_settings
from film_efficientnet import film_efficientnet_encoder
from tokenizers import token_learner


class RT1ImageTokenizer(tf.keras.layers.Layer):
    """FiLM-EfficientNet features, then TokenLearner; called in these two halves, because the first
    is computed once when only the head is sampled. `num_tokens` is N."""

    def __init__(
        self,
        dropout: dropout_settings.DropoutSettings,
        token_embedding_size: int = 512,
        context_size: int = 512,
    ):
        """`token_embedding_size` is D, `context_size` D_context."""
        super().__init__(name="image_tokenizer")
        self._tokenizer = film_efficientnet_encoder.EfficientNetEncoder(
            dropout, token_embedding_size, context_size
        )
        self._token_learner = token_learner.TokenLearner(token_embedding_size)
        self.num_tokens = self._token_learner.num_tokens
        self.built = True

    def features(
        self,
        images: tf.Tensor,
        context: tf.Tensor,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Images [B, H, W, 3] in 0..1 and context [B, D_context] to [B, h * w, D], row by row;
        `training` is BatchNorm's mode, `dropout_seed` int32 [2] or None for no dropout."""
        features = self._tokenizer(images, context, training=training, dropout_seed=dropout_seed)
        return tf.reshape(features, (tf.shape(features)[0], -1, features.shape[-1]))

    def tokens(self, features: tf.Tensor) -> tf.Tensor:
        """Features [B, h * w, D] to tokens [B, N, D]."""
        return self._token_learner(features)
