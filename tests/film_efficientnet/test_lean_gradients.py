"""The lean parts against TensorFlow's own operations and gradients; and what they keep."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from film_efficientnet import lean_gradients, mbconv_block
from tests import small_model

CHANNELS = 4


def draw(seed: int, *shape: int) -> tf.Tensor:
    return tf.constant(np.random.default_rng(seed).standard_normal(shape), tf.float32)


def layer() -> tf.keras.layers.BatchNormalization:
    batch_norm = mbconv_block.batch_norm("bn", CHANNELS)
    small_model.randomize(batch_norm.variables, seed=1)
    return batch_norm


def assert_same(
    plain: Callable[..., tf.Tensor], lean: Callable[..., tf.Tensor], inputs: list[tf.Tensor]
) -> None:
    """Outputs, gradients by the inputs and BatchNorm's weights, and moving statistics."""
    results = []
    for function in (plain, lean):
        batch_norm = layer()
        watched = [*inputs, batch_norm.gamma, batch_norm.beta]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = function(batch_norm, *inputs)
            loss = tf.reduce_sum(output * draw(9, *output.shape))
        moving = [batch_norm.moving_mean, batch_norm.moving_variance]
        results.append([output, *tape.gradient(loss, watched), *moving])
    for ours, reference in zip(*results[::-1]):
        np.testing.assert_allclose(ours, reference, rtol=2e-4, atol=2e-5)


def test_batch_norm_silu():
    assert_same(
        lambda bn, x: tf.nn.silu(bn(x, training=True)),
        lambda bn, x: lean_gradients.batch_norm_silu(x, lean_gradients.BatchNorm(bn, x)),
        [draw(0, 2, 5, 4, CHANNELS)],
    )


@pytest.mark.parametrize(
    ("size", "strides", "padding"),
    [(3, 1, (1, 1)), (3, 2, (0, 1)), (5, 1, (2, 2)), (5, 2, (1, 2)), (7, 1, (3, 3))],
)
def test_activate_and_filter(size, strides, padding):
    def plain(bn: tf.keras.layers.Layer, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        x = tf.pad(tf.nn.silu(bn(x, training=True)), ((0, 0), padding, padding, (0, 0)))
        return tf.nn.depthwise_conv2d(x, kernel, (1, strides, strides, 1), "VALID")

    def lean(bn: tf.keras.layers.Layer, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        norm = lean_gradients.BatchNorm(bn, x)
        return lean_gradients.activate_and_filter(x, norm, kernel, strides, padding)

    assert_same(plain, lean, [draw(0, 2, 9, 8, CHANNELS), draw(1, size, size, CHANNELS, 1)])


def test_activate_gate_and_project():
    def plain(bn: tf.keras.layers.Layer, x: tf.Tensor, kernel: tf.Tensor, *gate) -> tf.Tensor:
        x = tf.nn.silu(bn(x, training=True))
        mean = tf.reduce_mean(x, axis=(1, 2), keepdims=True)
        hidden = tf.nn.silu(tf.nn.conv2d(mean, gate[0], 1, "VALID") + gate[1])
        x *= tf.sigmoid(tf.nn.conv2d(hidden, gate[2], 1, "VALID") + gate[3])
        return tf.nn.conv2d(x, kernel, 1, "VALID")

    def lean(bn: tf.keras.layers.Layer, x: tf.Tensor, kernel: tf.Tensor, *gate) -> tf.Tensor:
        norm = lean_gradients.BatchNorm(bn, x)
        return lean_gradients.activate_gate_and_project(x, norm, kernel, gate)

    gate = [draw(2, 1, 1, CHANNELS, 2), draw(3, 2), draw(4, 1, 1, 2, CHANNELS), draw(5, CHANNELS)]
    assert_same(plain, lean, [draw(0, 2, 5, 4, CHANNELS), draw(1, 1, 1, CHANNELS, 3), *gate])


@pytest.mark.parametrize("with_skip", [True, False])
def test_batch_norm_film(with_skip):
    keep = tf.reshape([0.0, 1.25], (2, 1, 1, 1))

    def plain(bn: tf.keras.layers.Layer, x: tf.Tensor, *rest: tf.Tensor) -> tf.Tensor:
        multiplier, addend, *skip = rest
        return (bn(x, training=True) * keep + sum(skip)) * multiplier + addend

    def lean(bn: tf.keras.layers.Layer, x: tf.Tensor, *rest: tf.Tensor) -> tf.Tensor:
        multiplier, addend, *skip = rest
        norm = lean_gradients.BatchNorm(bn, x)
        film = (multiplier, addend)
        return lean_gradients.batch_norm_film(x, norm, film, keep, skip[0] if skip else None)

    film = [draw(1, 2, 1, 1, CHANNELS), draw(2, 2, 1, 1, CHANNELS)]
    skip = [draw(3, 2, 5, 4, CHANNELS)] if with_skip else []
    assert_same(plain, lean, [draw(0, 2, 5, 4, CHANNELS), *film, *skip])


def test_moving_statistics_by_hand():
    """Values 1 and 3: mean 2, variance 1, of the population 2; momentum 0.99 moves a hundredth."""
    batch_norm = mbconv_block.batch_norm("bn", 1)

    norm = lean_gradients.BatchNorm(batch_norm, tf.constant([[[[1.0], [3.0]]]]))

    np.testing.assert_allclose([norm.mean[0], norm.variance[0]], [2.0, 1.0])
    np.testing.assert_allclose(batch_norm.moving_mean, [0.02], rtol=1e-5)
    np.testing.assert_allclose(batch_norm.moving_variance, [0.99 + 0.02], rtol=1e-6)


def test_one_value_has_no_population_variance():
    """TensorFlow's fused kernel takes N - 1 for at least one, too."""
    batch_norm = mbconv_block.batch_norm("bn", 1)

    lean_gradients.BatchNorm(batch_norm, tf.ones((1, 1, 1, 1)))

    np.testing.assert_allclose(batch_norm.moving_variance, [0.99], rtol=1e-6)
