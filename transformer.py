"""RT-1's decoder-only transformer (arXiv 2212.06817, section 5.1).

What the public code does and differs from textbooks: the feed-forward part is one linear Dense
without an activation, there is no LayerNorm behind the last layer, and positions are a Dense over
one-hot positions, so that its kernel has one row for each position and the sequence length is
fixed.
"""

from __future__ import annotations

import functools

import gin
import tensorflow as tf

import dropout_settings

# Added to the scores of masked pairs, as Keras' Softmax layer does for float32.
_MASKED = -1e9


class MultiHeadAttention(tf.keras.layers.Layer):
    """Self-attention (arXiv 1706.03762) with Keras' variables and arithmetic, and dropout by seed.

    Keras' own layer draws its dropout from a hidden state, which this project does not allow.

    Call arguments:
        inputs: float [B, N, D].
        attention_mask: float [N, N], 1 where row may look at column, 0 where not.
        dropout_seed: int32 [2], None for no dropout of the attention weights.

    Returns:
        float [B, N, D] and the attention weights [B, num_heads, N, N] (before dropout).
    """

    def __init__(self, input_size: int, num_heads: int, key_dim: int, dropout_rate: float):
        """Builds the layer.

        Args:
            input_size: D.
            num_heads: attention heads.
            key_dim: size of query, key and value of each head.
            dropout_rate: of the attention weights.
        """
        super().__init__(name="mha1")
        self._scale = 1.0 / key_dim**0.5
        self._dropout_rate = dropout_rate
        project = functools.partial(
            tf.keras.layers.EinsumDense, "bnd,dhk->bnhk", (None, num_heads, key_dim), bias_axes="hk"
        )
        self._query_dense, self._key_dense, self._value_dense = project(), project(), project()
        for dense in (self._query_dense, self._key_dense, self._value_dense):
            dense.build((None, None, input_size))
        self._output_dense = tf.keras.layers.EinsumDense(
            "bnhk,hkd->bnd", (None, input_size), bias_axes="d"
        )
        self._output_dense.build((None, None, num_heads, key_dim))
        self.built = True

    def call(
        self,
        inputs: tf.Tensor,
        attention_mask: tf.Tensor,
        dropout_seed: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See the class."""
        query = self._query_dense(inputs) * self._scale
        scores = tf.einsum("bmhk,bnhk->bhnm", self._key_dense(inputs), query)
        weights = tf.nn.softmax(scores + (1.0 - attention_mask) * _MASKED, axis=-1)
        kept = dropout_settings.dropout(weights, self._dropout_rate, dropout_seed)
        mixed = tf.einsum("bhnm,bmhk->bnhk", kept, self._value_dense(inputs))
        return self._output_dense(mixed), weights


class _TransformerLayer(tf.keras.layers.Layer):
    """Pre-norm attention, then a linear feed-forward, each with a residual around it.

    Call arguments:
        inputs: float [B, N, D].
        attention_mask: float [N, N].
        dropout_seed: int32 [2], None for no dropout.

    Returns:
        float [B, N, D] and the attention weights [B, num_heads, N, N].
    """

    def __init__(
        self,
        embedding_size: int,
        num_heads: int,
        key_dim: int,
        dropout: dropout_settings.DropoutSettings,
    ):
        """Builds the layer.

        Args:
            embedding_size: D.
            num_heads: attention heads.
            key_dim: size of query, key and value of each head.
            dropout: `transformer_attention` and `transformer_feed_forward` are read.
        """
        super().__init__(name="transformer_layer")
        self._feed_forward_dropout = dropout.transformer_feed_forward
        self.layernorm1 = tf.keras.layers.LayerNormalization(epsilon=1e-6)
        self.mha1 = MultiHeadAttention(
            embedding_size, num_heads, key_dim, dropout.transformer_attention
        )
        self.layernorm2 = tf.keras.layers.LayerNormalization(epsilon=1e-6)
        self.ff = tf.keras.layers.Dense(embedding_size)
        for layer in (self.layernorm1, self.layernorm2, self.ff):
            layer.build((None, None, embedding_size))
        self.built = True

    def call(
        self,
        inputs: tf.Tensor,
        attention_mask: tf.Tensor,
        dropout_seed: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See the class."""
        split = functools.partial(dropout_settings.split_seed, dropout_seed)
        attended, weights = self.mha1(self.layernorm1(inputs), attention_mask, split(0))
        x = inputs + attended
        y = self.ff(self.layernorm2(x))
        return x + dropout_settings.dropout(y, self._feed_forward_dropout, split(1)), weights


@gin.configurable(denylist=["num_positions", "input_size", "vocab_size", "dropout"])
class Transformer(tf.keras.layers.Layer):
    """Tokens to logits over the vocabulary, one row of logits for each position asked for.

    Call arguments:
        tokens: float [B, N, D_in].
        attention_mask: float [N, N], 1 where row may look at column, 0 where not.
        dropout_seed: int32 [2], None for no dropout.
        output_positions: int [P], the positions to compute logits for; all unless given.

    Returns:
        float [B, P, vocab_size].
    """

    def __init__(
        self,
        num_positions: int,
        input_size: int,
        vocab_size: int,
        dropout: dropout_settings.DropoutSettings,
        num_layers: int = 8,
        num_heads: int = 8,
        key_dim: int = 128,
        feed_forward_size: int = 512,
    ):
        """Builds the transformer.

        Args:
            num_positions: N, fixed, because positions are learned.
            input_size: D_in.
            vocab_size: logits per position.
            dropout: the `transformer_*` and `action_embedding` rates are read.
            num_layers: how many.
            num_heads: attention heads of each layer.
            key_dim: size of query, key and value of each head (RT-1 calls it layer_size).
            feed_forward_size: D, the width of everything between the layers: the one linear
                feed-forward layer is added to the embeddings, so both have this size.
        """
        super().__init__(name="transformer")
        embedding_size = feed_forward_size
        self._num_positions = num_positions
        self._dropout = dropout
        self._layers = [
            _TransformerLayer(embedding_size, num_heads, key_dim, dropout)
            for _ in range(num_layers)
        ]
        self._token_emb = tf.keras.layers.Dense(embedding_size)
        self._position_emb = tf.keras.layers.Dense(embedding_size)
        self._output_tokens = tf.keras.layers.Dense(vocab_size)
        self._token_emb.build((None, None, input_size))
        self._position_emb.build((None, num_positions))
        self._output_tokens.build((None, None, embedding_size))
        self.built = True

    def call(
        self,
        tokens: tf.Tensor,
        attention_mask: tf.Tensor,
        dropout_seed: tf.Tensor | None = None,
        output_positions: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """See the class."""
        split = functools.partial(dropout_settings.split_seed, dropout_seed)
        positions = self._position_emb(tf.eye(self._num_positions))
        x = self._token_emb(tokens) + positions
        x = dropout_settings.dropout(x, self._dropout.transformer_embedding, split(0))
        for index, layer in enumerate(self._layers):
            x, _ = layer(x, attention_mask, split(1, index))
        if output_positions is not None:
            x = tf.gather(x, output_positions, axis=1)
        x = dropout_settings.dropout(x, self._dropout.action_embedding, split(2))
        return self._output_tokens(x)
