"""The fused kernel is Keras' Adam: the same steps, the same variables, the same checkpoint."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from training import fused_adam, learning_rate_schedule

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


def _named(name, value):
    return tf.Variable(value, name=name)


def test_weight_decay_is_decoupled_and_of_kernels_only():
    """With no gradient only the decay moves a weight: 2 - 0.1 * 0.5 * 2 = 1.9."""
    names = ("a/kernel", "b/depthwise_kernel", "a/bias", "norm/gamma", "norm/beta")
    variables = [_named(name, [2.0]) for name in names]
    optimizer = fused_adam.FusedAdam(0.1, weight_decay=0.5)
    optimizer.apply_gradients([(tf.zeros(1), variable) for variable in variables])
    values = [float(variable[0]) for variable in variables]
    np.testing.assert_allclose(values, [1.9, 1.9, 2.0, 2.0, 2.0], rtol=1e-6)


def test_trunk_learns_with_its_own_rate_and_decays_with_it():
    """Rate 0.1, halved for the trunk: a step of 0.1 or 0.05, a decay of 0.1 or 0.05 times 0.5."""
    trunk, other = _named("a/kernel", [2.0]), _named("b/kernel", [2.0])
    optimizer = fused_adam.FusedAdam(0.1, weight_decay=0.5, trunk_learning_rate_scale=0.5)
    optimizer.set_trunk([trunk])
    optimizer.apply_gradients([(tf.zeros(1), trunk), (tf.zeros(1), other)])
    np.testing.assert_allclose([trunk[0], other[0]], [1.95, 1.9], rtol=1e-6)
    optimizer = fused_adam.FusedAdam(0.1, trunk_learning_rate_scale=0.5)
    optimizer.set_trunk([trunk])
    optimizer.apply_gradients([(tf.constant([3.0]), trunk), (tf.constant([3.0]), other)])
    np.testing.assert_allclose([trunk[0], other[0]], [1.9, 1.8], rtol=1e-5)
    # The step and two moments each; nothing more is stored.
    assert len(optimizer.variables) == 1 + 4


def test_gradients_are_clipped_to_the_global_norm():
    """(3, 4) has norm 5; clipped to 1 it is (0.6, 0.8), the first moment a tenth of that."""
    variables = [_named("a", [0.0]), _named("b", [0.0])]
    optimizer = fused_adam.FusedAdam(0.1, gradient_clip_norm=1.0)
    optimizer.apply_gradients(zip([tf.constant([3.0]), tf.constant([4.0])], variables))
    moments = [float(optimizer._momentums[index][0]) for index in range(2)]
    np.testing.assert_allclose(moments, [0.06, 0.08], rtol=1e-5)


def test_average_of_the_weights_by_hand():
    """Decay min(0.9, (1 + t) / (10 + t)): 2/11 after the first step, 3/12 after the second."""
    variable, optimizer = _named("a", [1.0]), fused_adam.FusedAdam(0.1, ema_decay=0.9)
    average, decays = 1.0, (2 / 11, 3 / 12)
    for decay in decays:
        optimizer.apply_gradients([(tf.constant([1.0]), variable)])
        average = decay * average + (1 - decay) * float(variable[0])
        np.testing.assert_allclose(optimizer.averages[0], [average], rtol=1e-5)


def test_late_in_a_run_the_decay_is_the_given_one():
    variable, optimizer = _named("a", [1.0]), fused_adam.FusedAdam(0.0, ema_decay=0.5)
    optimizer.build([variable])
    optimizer.iterations.assign(1000)
    variable.assign([3.0])
    optimizer.apply_gradients([(tf.constant([1.0]), variable)])
    np.testing.assert_allclose(optimizer.averages[0], [2.0], rtol=1e-6)


def test_without_averages_there_are_none():
    assert fused_adam.FusedAdam(0.1).averages is None


def test_a_schedule_sets_the_rate_of_each_step():
    variable = _named("a", [0.0])
    optimizer = fused_adam.FusedAdam(learning_rate_schedule.WarmupSchedule(0.4, 4))
    for _ in range(2):
        optimizer.apply_gradients([(tf.constant([1.0]), variable)])
    # 0.1 and 0.2 against the sign of an unchanging gradient.
    np.testing.assert_allclose(variable, [-0.3], rtol=1e-4)
    assert float(optimizer.learning_rate) == np.float32(0.2)
