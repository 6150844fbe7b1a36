"""The fused kernel is Keras' Adam: the same steps, the same variables, the same checkpoint."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from training import fused_adam

SHAPES = [(3, 4), (5,), ()]


def _steps(optimizer, num_steps, start=None):
    generator = np.random.default_rng(0)
    variables = [tf.Variable(generator.standard_normal(s).astype(np.float32)) for s in SHAPES]
    apply = tf.function(lambda gradients: optimizer.apply_gradients(zip(gradients, variables)))
    for _ in range(num_steps):
        apply([tf.constant(generator.standard_normal(s).astype(np.float32)) for s in SHAPES])
    return variables


def test_first_step_by_hand():
    """The first step moves each weight by the learning rate against the gradient's sign."""
    variable = tf.Variable([1.0, 1.0, 1.0])
    fused_adam.FusedAdam(0.1).apply_gradients([(tf.constant([2.0, -0.5, 0.0]), variable)])
    np.testing.assert_allclose(variable, [0.9, 1.1, 1.0], rtol=1e-5)


def test_equals_keras_adam_over_many_steps():
    ours, kerass = fused_adam.FusedAdam(0.01), tf.keras.optimizers.Adam(0.01)
    for one, other in zip(_steps(ours, 50), _steps(kerass, 50)):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert len(ours.variables) == len(kerass.variables)
    for one, other in zip(ours.variables, kerass.variables):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)


def test_checkpoint_of_keras_adam_is_ours(tmp_path):
    kerass, ours = tf.keras.optimizers.Adam(0.01), fused_adam.FusedAdam(0.5)
    _steps(kerass, 3)
    path = tf.train.Checkpoint(optimizer=kerass).save(str(tmp_path / "adam"))
    _steps(ours, 1)
    tf.train.Checkpoint(optimizer=ours).restore(path).assert_existing_objects_matched()
    assert int(ours.iterations) == 3
    assert float(ours.learning_rate) == np.float32(0.01)
