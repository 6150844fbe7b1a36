"""RT-1's image tokenizer: a picture and an instruction to a few tokens (arXiv 2212.06817, section
5.1).

Example: a 300 x 300 picture becomes 9 x 9 features of 512 numbers; TokenLearner turns the 81
positions into 8 tokens, so that six pictures cost the transformer 48 positions and not 486.
"""

from __future__ import annotations

import gin
import tensorflow as tf

import dropout_settings
from film_efficientnet import film_efficientnet_encoder
from tokenizers import token_learner


@gin.configurable(denylist=["dropout", "token_embedding_size", "context_size"])
class RT1ImageTokenizer(tf.keras.layers.Layer):
    """FiLM-EfficientNet features, then TokenLearner.

    Call arguments:
        images: float [B, T, H, W, 3] in 0..1.
        context: float [B, T, D_context].
        training: BatchNorm's mode.
        dropout_seed: int32 [2], None for no dropout.

    Returns:
        float [B, T, N, D]; N = num_tokens, or h * w features without TokenLearner.
    """

    def __init__(
        self,
        dropout: dropout_settings.DropoutSettings,
        token_embedding_size: int = 512,
        context_size: int = 512,
        use_token_learner: bool = True,
    ):
        """`token_embedding_size` is D, `context_size` D_context; without `use_token_learner` every
        position of the feature map is a token."""
        super().__init__(name="image_tokenizer")
        self._tokenizer = film_efficientnet_encoder.EfficientNetEncoder(
            dropout, token_embedding_size, context_size
        )
        self._token_learner = None
        if use_token_learner:
            self._token_learner = token_learner.TokenLearner(token_embedding_size, dropout)
        self.built = True

    @property
    def encoder(self) -> film_efficientnet_encoder.EfficientNetEncoder:
        """The part before TokenLearner."""
        return self._tokenizer

    @property
    def token_learner(self) -> token_learner.TokenLearner | None:
        """TokenLearner, None if there is none."""
        return self._token_learner

    def num_tokens(self, height: int, width: int) -> int:
        """N of a picture: TokenLearner's, or the number of features of that size."""
        if self._token_learner is not None:
            return self._token_learner.num_tokens
        return self._tokenizer.num_features(height, width)

    def features(
        self,
        images: tf.Tensor,
        context: tf.Tensor,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """The part before TokenLearner, computed once when only the head is sampled: images
        [B, H, W, 3] in 0..1 and context [B, D_context] to [B, h * w, D], row by row."""
        features = self._tokenizer(images, context, training=training, dropout_seed=dropout_seed)
        return tf.reshape(features, (tf.shape(features)[0], -1, features.shape[-1]))

    def tokens(self, features: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """TokenLearner, where there is one: [B, h * w, D] to [B, N, D]."""
        if self._token_learner is None:
            return features
        return self._token_learner(features, dropout_seed=dropout_seed)

    def call(
        self,
        images: tf.Tensor,
        context: tf.Tensor,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        outer = tf.shape(images)[:2]
        merged = tf.reshape(images, tf.concat([[-1], tf.shape(images)[2:]], axis=0))
        context = tf.reshape(context, (-1, context.shape[-1]))
        seed = dropout_settings.split_seed(dropout_seed, 0)
        features = self.features(merged, context, training=training, dropout_seed=seed)
        tokens = self.tokens(features, dropout_settings.split_seed(dropout_seed, 1))
        return tf.reshape(tokens, tf.concat([outer, tf.shape(tokens)[1:]], axis=0))
