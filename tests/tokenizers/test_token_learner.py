"""TokenLearner by hand, and against the formula in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import dropout_settings
from tests import small_model
from tokenizers import token_learner

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

OFF = dropout_settings.DropoutSettings.off()
SEED = tf.constant([1, 2], tf.int32)


def features(batch_size: int = 2, num_positions: int = 9, width: int = 5) -> np.ndarray:
    shape = (batch_size, num_positions, width)
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def build(settings=OFF, **arguments) -> token_learner.TokenLearner:
    layer = token_learner.TokenLearner(5, settings, **arguments)
    small_model.randomize(layer.variables, seed=0)
    return layer


def test_equal_scores_give_the_mean():
    layer = build(num_tokens=3)
    layer.mlp._output_layer.kernel.assign(tf.zeros_like(layer.mlp._output_layer.kernel))

    tokens = layer(features()).numpy()

    mean = features().mean(axis=1)
    for token in range(3):
        np.testing.assert_allclose(tokens[:, token], mean, atol=1e-6)


def test_one_high_score_picks_a_position():
    """One hidden unit reads the first number; the second token shuns where the first looks."""
    layer = build(num_tokens=2, hidden_size=1)
    hidden, output = layer.mlp._hidden_layer, layer.mlp._output_layer
    layer.layernorm.gamma.assign(tf.ones(5))
    layer.layernorm.beta.assign(tf.zeros(5))
    hidden.kernel.assign([[1.0], [0.0], [0.0], [0.0], [0.0]])
    hidden.bias.assign([0.0])
    output.kernel.assign([[1000.0, -1000.0]])
    positions = np.float32([[0, 9, 9, 9, 9], [9, 0, 0, 0, 0], [2, 8, 8, 8, 8]])

    tokens = layer(positions[np.newaxis]).numpy()

    # Normalized first numbers: -2, 2, -2; gelu of them: -0.045, 1.954, -0.045.
    np.testing.assert_allclose(tokens[0, 0], positions[1], atol=1e-5)
    np.testing.assert_allclose(tokens[0, 1], (positions[0] + positions[2]) / 2, atol=0.2)


def test_formula():
    layer = build(num_tokens=4, hidden_size=6)
    x = features().astype(np.float64)
    gamma, beta, k1, b1, k2, b2 = (v.numpy().astype(np.float64) for v in layer.variables)

    normalized = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    z = (normalized * gamma + beta) @ k1 + b1
    gelu = 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))
    scores = np.exp(gelu @ k2 + b2)
    weights = scores / scores.sum(axis=1, keepdims=True)
    expected = np.einsum("bnt,bnd->btd", weights, x)

    np.testing.assert_allclose(layer(features()), expected, rtol=1e-4, atol=1e-5)


def test_order_of_positions_does_not_matter():
    layer = build()

    forward, backward = layer(features()), layer(features()[:, ::-1])

    np.testing.assert_allclose(forward, backward, atol=1e-5)


def test_number_of_tokens_and_hidden_units():
    layer = build(num_tokens=7, hidden_size=11)

    assert layer(features()).shape == (2, 7, 5)
    assert layer.num_tokens == 7
    # LayerNorm 2 x 5, hidden 5 x 11 + 11, output 11 x 7 + 7
    assert sum(np.prod(v.shape) for v in layer.variables) == 10 + 66 + 84


def test_dropout_by_seed():
    layer = build(dropout_settings.DropoutSettings(token_learner=0.5))
    plain, first, again, other = (
        layer(features(), dropout_seed=seed).numpy()
        for seed in (None, SEED, SEED, tf.constant([1, 3]))
    )

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, plain)
    assert not np.array_equal(first, other)


def test_other_dropout_rates_do_not_reach_it():
    settings = dropout_settings.DropoutSettings(top=0.9, spatial=0.9, transformer_embedding=0.9)
    layer = build(settings)

    np.testing.assert_array_equal(layer(features()), layer(features(), dropout_seed=SEED))
