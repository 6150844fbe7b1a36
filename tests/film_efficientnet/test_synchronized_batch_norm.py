"""BatchNorm that devices share; two devices are in tests/training/two_devices.py."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from film_efficientnet import synchronized_batch_norm


def _layers():
    kinds = (tf.keras.layers.BatchNormalization, synchronized_batch_norm.SynchronizedBatchNorm)
    layers = [kind() for kind in kinds]
    for layer in layers:
        layer.build((None, None, None, 3))
        layer.gamma.assign([1.0, 2.0, -1.0])
        layer.beta.assign([0.5, 0.0, 1.0])
    return layers


def test_on_one_device_it_is_keras_fused_layer():
    x = tf.random.stateless_normal((4, 5, 6, 3), (1, 2), 2.0, 3.0)
    found = []
    for layer in _layers():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y * tf.sin(x))
        gradients = tape.gradient(loss, [x, layer.gamma, layer.beta])
        found.append([y, *gradients, layer.moving_mean, layer.moving_variance, layer(x)])
    for ours, keras in zip(found[1], found[0]):
        np.testing.assert_allclose(ours, keras, rtol=1e-4, atol=1e-4)


def test_frozen_it_keeps_its_statistics():
    _, layer = _layers()
    layer.trainable = False
    x = tf.ones((2, 3, 3, 3))
    np.testing.assert_allclose(layer(x, training=True), layer(x), rtol=1e-6)
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(3))
