"""Attention against Keras' own layer, causality, and dropout by seed."""

from __future__ import annotations

import dataclasses

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies

import attention_mask
import dropout_settings
import transformer
from tests import small_model

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

NUM_POSITIONS, INPUT_SIZE, VOCAB_SIZE = 12, 10, 7
MASK = attention_mask.attention_mask(2, 4, 2)
SEED = tf.constant([3, 5], tf.int32)
SIZES = {"num_layers": 2, "num_heads": 2, "key_dim": 4, "feed_forward_size": 6}


def tokens(seed: int, batch_size: int = 2) -> tf.Tensor:
    shape = (batch_size, NUM_POSITIONS, INPUT_SIZE)
    return tf.constant(np.random.default_rng(seed).standard_normal(shape), tf.float32)


def build(dropout=None, **sizes) -> transformer.Transformer:
    dropout = dropout or dropout_settings.DropoutSettings.off()
    network = transformer.Transformer(
        NUM_POSITIONS, INPUT_SIZE, VOCAB_SIZE, dropout, **{**SIZES, **sizes}
    )
    small_model.randomize(network.variables, seed=0)
    return network


@pytest.fixture(scope="module")
def network() -> transformer.Transformer:
    return build()


def test_attention_equals_keras():
    ours = transformer.MultiHeadAttention(6, num_heads=3, key_dim=4, dropout_rate=0.0)
    keras = tf.keras.layers.MultiHeadAttention(num_heads=3, key_dim=4)
    inputs = tf.constant(np.random.default_rng(0).standard_normal((2, 12, 6)), tf.float32)
    keras(inputs, inputs)
    small_model.randomize(ours.variables, seed=1)
    assert [v.shape for v in ours.weights] == [v.shape for v in keras.weights]
    keras.set_weights(ours.get_weights())

    expected, weights = keras(
        inputs, inputs, attention_mask=MASK[np.newaxis], return_attention_scores=True
    )
    output, our_weights = ours(inputs, inputs, MASK)

    np.testing.assert_allclose(output, expected, atol=1e-5)
    np.testing.assert_allclose(our_weights, weights, atol=1e-6)


def test_attention_weights_follow_the_mask():
    attention = transformer.MultiHeadAttention(6, num_heads=3, key_dim=4, dropout_rate=0.0)
    inputs = tf.constant(np.random.default_rng(0).standard_normal((2, 12, 6)), tf.float32)

    weights = attention(inputs, inputs, MASK)[1].numpy()

    assert weights.shape == (2, 3, 12, 12)
    np.testing.assert_array_equal(weights[..., MASK == 0], 0.0)
    np.testing.assert_allclose(weights.sum(-1), 1.0, rtol=1e-6)


def test_layer_is_residual_attention_and_one_linear_map(no_dropout):
    """With zero attention values and identity LayerNorm weights, by hand: x + ff(norm(x))."""
    layer = transformer._TransformerLayer(2, num_heads=1, key_dim=2, dropout=no_dropout)
    output_kernel, output_bias = layer.mha1._output_dense.weights
    output_kernel.assign(tf.zeros_like(output_kernel))
    output_bias.assign([1.0, 0.0])
    layer.ff.kernel.assign([[0.0, -10.0], [0.0, 0.0]])
    layer.ff.bias.assign([0.5, 0.0])

    (rows,) = attention_mask.layer_rows(np.ones((1, 1)), 1, np.array([0]))

    output = layer(tf.constant([[[1.0, 0.0]]]), rows)

    # x = (1, 0) + (1, 0); normalized (1, -1); ff (0.5, -10), negative because nothing rectifies it.
    np.testing.assert_allclose(output, [[[2.5, -10.0]]], rtol=1e-5)


def test_output_shape(network):
    assert network(tokens(0), MASK).shape == (2, NUM_POSITIONS, VOCAB_SIZE)


def test_output_positions_select_rows(network):
    positions = np.array([3, 4, 9])

    some = network(tokens(0), MASK, output_positions=positions)
    everything = network(tokens(0), MASK).numpy()

    np.testing.assert_allclose(some, everything[:, positions], rtol=1e-5, atol=1e-6)


@hypothesis.settings(max_examples=20)
@hypothesis.given(position=strategies.integers(0, NUM_POSITIONS - 1))
def test_later_tokens_change_nothing_earlier(network, position):
    before = tokens(0).numpy()
    after = before.copy()
    after[:, position:] = tokens(1).numpy()[:, position:]

    first, second = network(before, MASK).numpy(), network(after, MASK).numpy()

    np.testing.assert_array_equal(first[:, :position], second[:, :position])
    assert np.abs(first[:, position] - second[:, position]).max() > 1e-3


def test_action_positions_do_not_see_each_other(network):
    """Of the six positions of a step the last two are actions."""
    before = tokens(0).numpy()
    after = before.copy()
    after[:, 4] = tokens(1).numpy()[:, 4]

    first, second = network(before, MASK).numpy(), network(after, MASK).numpy()

    np.testing.assert_array_equal(first[:, 5], second[:, 5])
    assert np.abs(first[:, 6] - second[:, 6]).max() > 1e-3  # the images of the next step do


def test_samples_of_a_batch_do_not_mix(network):
    batch = tokens(0, batch_size=3)

    together = network(batch, MASK).numpy()

    for index in range(3):
        alone = network(batch[index : index + 1], MASK).numpy()[0]
        np.testing.assert_allclose(together[index], alone, rtol=1e-5, atol=1e-6)


def test_equal_tokens_differ_by_position(network):
    same_everywhere = tf.repeat(tokens(0)[:, :1], NUM_POSITIONS, axis=1)

    logits = network(same_everywhere, np.ones_like(MASK)).numpy()

    assert np.ptp(logits, axis=1).min() > 1e-3


RATES = ("action_embedding", "transformer_embedding", "transformer_attention")


@pytest.mark.parametrize("rate", [*RATES, "transformer_feed_forward"])
def test_dropout_by_seed(rate):
    off = dropout_settings.DropoutSettings.off()
    network = build(dataclasses.replace(off, **{rate: 0.5}))
    plain, with_seed, again, other = (
        network(tokens(0), MASK, dropout_seed=seed).numpy()
        for seed in (None, SEED, SEED, tf.constant([3, 6]))
    )

    np.testing.assert_array_equal(with_seed, again)
    assert not np.array_equal(with_seed, plain)
    assert not np.array_equal(with_seed, other)


def test_layers_drop_different_units():
    """The same seed in every layer would tie their masks together."""
    off = dropout_settings.DropoutSettings.off()
    network = build(dataclasses.replace(off, transformer_feed_forward=0.5))
    seeds = []
    for layer in network._layers:
        layer.call = lambda inputs, rows, seed: seeds.append(tuple(seed.numpy())) or inputs

    network(tokens(0), MASK, dropout_seed=SEED)

    assert len(set(seeds)) == len(seeds) == 2


def test_zero_rates_make_the_seed_irrelevant(network):
    np.testing.assert_array_equal(
        network(tokens(0), MASK), network(tokens(0), MASK, dropout_seed=SEED)
    )


@pytest.mark.parametrize(
    ("size", "value", "count"),
    # Per layer: 2 LayerNorms of 2 x 6, query, key and value of 6 x 8 + 8, output of 8 x 6 + 6,
    # feed-forward of 6 x 6 + 6 = 288. Around them 10 x 6 + 6, 12 x 6 + 6 and 6 x 7 + 7 = 193.
    [
        ("num_layers", 2, 2 * 288 + 193),
        ("num_layers", 3, 3 * 288 + 193),
        # query, key and value of 6 x 12 + 12, output of 12 x 6 + 6
        ("num_heads", 3, 2 * 396 + 193),
        ("key_dim", 6, 2 * 396 + 193),
        # 2 x 2 x 8 + 3 x (8 x 8 + 8) + (8 x 8 + 8) + (8 x 8 + 8); 10 x 8 + 8, 12 x 8 + 8, 8 x 7 + 7
        ("feed_forward_size", 8, 2 * 392 + 255),
    ],
)
def test_number_of_parameters(size, value, count):
    network = build(**{size: value})

    assert sum(np.prod(v.shape) for v in network.variables) == count


def test_wrong_sequence_length(network):
    with pytest.raises(tf.errors.InvalidArgumentError, match="Incompatible shapes"):
        network(tokens(0)[:, :5], MASK)
