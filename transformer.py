"""RT-1's decoder-only transformer (arXiv 2212.06817, section 5.1).

Unlike textbooks, as the public code: the feed-forward part is one linear Dense without an
activation, there is no LayerNorm behind the last layer, and positions are a Dense over one-hot
positions, whose kernel has one row for each position, so the sequence length is fixed.
"""

from __future__ import annotations

import keras2  # noqa: F401

import functools
import typing

import gin
import numpy as np
import tensorflow as tf

import dropout_settings

# Added to the scores of masked pairs, as Keras' Softmax layer does for float32.
_MASKED = -1e9


def action_positions(num_steps: int, num_image_tokens: int, num_action_tokens: int) -> np.ndarray:
    """Where the action tokens stand in the sequence: int64 [T, num_action_tokens]."""
    step = np.arange(num_steps)[:, np.newaxis] * (num_image_tokens + num_action_tokens)
    return step + num_image_tokens + np.arange(num_action_tokens)


def attention_mask(num_steps: int, num_image_tokens: int, num_action_tokens: int) -> np.ndarray:
    """Which position of the token sequence may look at which: float32 [N, N], 1 where row may look
    at column, N = T * (num_image_tokens + num_action_tokens).

    A time step is its image tokens, then its action tokens. A position sees itself and what came
    before, except that an action position sees no action position, not even itself: actions are
    predicted from images alone. Images do see earlier action positions, as in the public code.

    Example with T = 2 steps of 2 image tokens (i) and 1 action token (a); rows look at columns:

            i i a i i a
        i   1 0 0 0 0 0
        i   1 1 0 0 0 0
        a   1 1 0 0 0 0     not itself
        i   1 1 1 1 0 0     the earlier action position is seen
        i   1 1 1 1 1 0
        a   1 1 0 1 1 0     neither the earlier action nor itself
    """
    num_positions = num_steps * (num_image_tokens + num_action_tokens)
    mask = np.tril(np.ones((num_positions, num_positions), np.float32))
    is_action = np.zeros(num_positions, bool)
    is_action[action_positions(num_steps, num_image_tokens, num_action_tokens).ravel()] = True
    mask[np.ix_(is_action, is_action)] = 0.0
    return mask


class LayerRows(typing.NamedTuple):
    """What one layer of the transformer has to compute, see `layer_rows`."""

    inputs: np.ndarray  # increasing positions, R of them, that come in
    queries: np.ndarray  # which rows of `inputs` go on, Q of them
    keys: np.ndarray  # which rows of `inputs` those look at, K of them
    mask: np.ndarray  # float32 [Q, K]


def layer_rows(mask: np.ndarray, num_layers: int, outputs: np.ndarray) -> list[LayerRows]:
    """Which rows each layer needs, the first layer first, so that the last one has those at
    `outputs` (increasing positions); `mask` is [N, N].

    Nobody looks at the last action position, and at no action position of the last step: with
    T = 1, 8 image tokens and 4 action tokens, 11 of 12 rows come in, 8 are keys, 4 leave the last
    layer. That is a quarter of the work.
    """
    layers = []
    for _ in range(num_layers):
        keys = np.flatnonzero(mask[outputs].any(axis=0))
        inputs = np.union1d(outputs, keys)
        seen = mask[np.ix_(outputs, keys)].astype(np.float32)
        rows = LayerRows(inputs, *(np.searchsorted(inputs, one) for one in (outputs, keys)), seen)
        layers.insert(0, rows)
        outputs = inputs
    return layers


class MultiHeadAttention(tf.keras.layers.Layer):
    """Attention (arXiv 1706.03762) with Keras' variables and arithmetic, and dropout by seed, which
    Keras' own layer draws from a hidden state.

    Call arguments:
        queries: float [B, Q, D], the rows that look.
        keys: float [B, K, D], the rows that are looked at.
        mask: float [Q, K], 1 where row may look at column, 0 where not.
        dropout_seed: int32 [2], None for no dropout of the attention weights.

    Returns:
        float [B, Q, D].
    """

    def __init__(self, input_size: int, num_heads: int, key_dim: int, dropout_rate: float):
        """`input_size` is D, `key_dim` the size of query, key and value of each head."""
        super().__init__(name="mha1")
        self._scale, self._dropout_rate = 1.0 / key_dim**0.5, dropout_rate
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
        self, queries: tf.Tensor, keys: tf.Tensor, mask: tf.Tensor, dropout_seed: tf.Tensor | None
    ) -> tf.Tensor:
        query = self._query_dense(queries) * self._scale
        scores = tf.einsum("bmhk,bnhk->bhnm", self._key_dense(keys), query)
        # In float32 also where a policy has the products in fewer bits.
        scores = tf.cast(scores, tf.float32) + (1.0 - mask) * _MASKED
        weights = tf.cast(tf.nn.softmax(scores, axis=-1), query.dtype)
        weights = dropout_settings.dropout(weights, self._dropout_rate, dropout_seed)
        mixed = tf.einsum("bhnm,bmhk->bnhk", weights, self._value_dense(keys))
        return self._output_dense(mixed)


class _TransformerLayer(tf.keras.layers.Layer):
    """Pre-norm attention, then a linear feed-forward, each with a residual around it: inputs
    [B, R, D] to the rows `rows.queries`, [B, Q, D]."""

    def __init__(
        self,
        embedding_size: int,
        num_heads: int,
        key_dim: int,
        dropout: dropout_settings.DropoutSettings,
    ):
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
        self, inputs: tf.Tensor, rows: LayerRows, dropout_seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        split = functools.partial(dropout_settings.split_seed, dropout_seed)
        normed = self.layernorm1(inputs)
        queries, keys = _take(normed, rows.queries), _take(normed, rows.keys)
        x = _take(inputs, rows.queries) + self.mha1(queries, keys, rows.mask, split(0))
        y = self.ff(self.layernorm2(x))
        return x + dropout_settings.dropout(y, self._feed_forward_dropout, split(1))


def _take(rows: tf.Tensor, indices: np.ndarray) -> tf.Tensor:
    """Some of [B, R, D], as a slice where that does."""
    first, last = indices[0], indices[-1]
    if last - first + 1 != len(indices):
        return tf.gather(rows, indices, axis=1)
    return rows if len(indices) == rows.shape[1] else rows[:, first : last + 1]


@gin.configurable(denylist=["num_positions", "input_size", "vocab_size", "dropout"])
class Transformer(tf.keras.layers.Layer):
    """Tokens to logits over the vocabulary, one row of logits for each position asked for.

    Call arguments:
        tokens: float [B, N, D_in].
        mask: NumPy float [N, N], 1 where row may look at column, 0 where not.
        dropout_seed: int32 [2], None for no dropout.
        output_positions: NumPy int [P], increasing, the positions to compute logits for; all unless
            given. What only the others need is left out.

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
        """Builds the transformer; `num_positions` is N, `input_size` D_in.

        Args:
            num_heads: attention heads of each layer.
            key_dim: size of query, key and value of each head (RT-1 calls it layer_size).
            feed_forward_size: D, the width of everything between the layers: the one linear
                feed-forward layer is added to the embeddings, so both have this size.
        """
        super().__init__(name="transformer")
        self._num_positions = num_positions
        self._layers = [
            _TransformerLayer(feed_forward_size, num_heads, key_dim, dropout)
            for _ in range(num_layers)
        ]
        self._token_emb = tf.keras.layers.Dense(feed_forward_size)
        self._position_emb = tf.keras.layers.Dense(feed_forward_size)
        self._output_tokens = tf.keras.layers.Dense(vocab_size)
        self._token_emb.build((None, None, input_size))
        self._position_emb.build((None, num_positions))
        self._output_tokens.build((None, None, feed_forward_size))
        self.built = True

    def call(
        self,
        tokens: tf.Tensor,
        mask: np.ndarray,
        dropout_seed: tf.Tensor | None = None,
        output_positions: np.ndarray | None = None,
    ) -> tf.Tensor:
        if output_positions is None:
            output_positions = np.arange(self._num_positions)
        rows_of_layers = layer_rows(mask, len(self._layers), output_positions)
        needed = rows_of_layers[0].inputs
        positions = self._position_emb(tf.one_hot(needed, self._num_positions))
        x = self._token_emb(_take(tokens, needed)) + positions
        for index, (layer, rows) in enumerate(zip(self._layers, rows_of_layers)):
            x = layer(x, rows, dropout_settings.split_seed(dropout_seed, 1, index))
        return self._output_tokens(x)
