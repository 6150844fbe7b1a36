"""FiLM by hand, and that a fresh layer changes nothing but can learn."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from film_efficientnet import film_conditioning_layer


def features() -> tf.Tensor:
    return tf.constant(np.random.default_rng(0).standard_normal((2, 3, 4, 5)), tf.float32)


def test_fresh_layer_is_the_identity():
    layer = film_conditioning_layer.FilmConditioning(5, context_size=7)

    np.testing.assert_array_equal(layer(features(), tf.fill((2, 7), 100.0)), features())


def test_by_hand():
    """Two channels, one context number c: gamma = (c, 2 c), beta = (10, 0)."""
    layer = film_conditioning_layer.FilmConditioning(2, context_size=1)
    layer._projection_mult.kernel.assign([[1.0, 2.0]])
    layer._projection_add.bias.assign([10.0, 0.0])
    pixels = tf.constant([[[[1.0, 1.0], [3.0, -1.0]]]])

    output = layer(tf.tile(pixels, (2, 1, 1, 1)), tf.constant([[1.0], [0.5]]))

    # c = 1: (1 + 1) x + 10 and (1 + 2) x; c = 0.5: 1.5 x + 10 and 2 x
    np.testing.assert_allclose(output[0, 0], [[12.0, 3.0], [16.0, -3.0]])
    np.testing.assert_allclose(output[1, 0], [[11.5, 2.0], [14.5, -2.0]])


def test_fresh_layer_gets_gradients():
    """Zero projections must not be a dead end."""
    layer = film_conditioning_layer.FilmConditioning(5, context_size=7)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(features(), tf.ones((2, 7))) ** 2)

    for gradient in tape.gradient(loss, layer.trainable_variables):
        assert np.abs(gradient).min() > 0


def test_variables_have_the_checkpoint_names_and_shapes():
    layer = film_conditioning_layer.FilmConditioning(5, context_size=7)

    for projection in (layer._projection_add, layer._projection_mult):
        assert projection.kernel.shape == (7, 5)
        assert projection.bias.shape == (5,)
    assert len(layer.variables) == 4
