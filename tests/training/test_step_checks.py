"""What a train step makes sure of."""

from __future__ import annotations

import math

import pytest
import tensorflow as tf

from training import step_checks


def test_variables_without_gradient_are_named():
    variables = [tf.Variable(1.0, name="kept"), tf.Variable(2.0, name="idle")]
    step_checks.check_all_have_gradients([tf.zeros(())] * 2, variables)
    with pytest.raises(ValueError, match=r"got none for \['idle:0'\]"):
        step_checks.check_all_have_gradients([tf.zeros(()), None], variables)


@pytest.mark.parametrize("holds", [True, False])
def test_undo(holds):
    variable = tf.Variable([1.0, 2.0])
    before = [tf.identity(variable)]
    variable.assign([5.0, 6.0])
    step_checks.undo_unless(tf.constant(holds), [variable], before)
    assert variable.numpy().tolist() == ([5.0, 6.0] if holds else [1.0, 2.0])


def _check(loss, squares):
    names = [f"layer_{index}/kernel" for index in range(len(squares))]
    step_checks.check_finite(tf.constant(loss), tf.constant(squares), names, tf.constant(41))


def test_finite_numbers_pass():
    _check(0.5, [1.0, 0.0])


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_names_the_step(loss):
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="loss is not finite, at step 41: (nan|inf); "
    ):
        _check(loss, [1.0])


def test_a_gradient_names_step_and_variables():
    expected = (
        r"gradient is not finite, at step 41; .*: layer_1/kernel, layer_2/kernel \(2 in all\)"
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match=expected):
        _check(0.5, [1.0, math.nan, math.inf])


def test_many_variables_are_counted_not_listed():
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        _check(0.5, [math.nan] * 50)
    assert "layer_19/kernel (50 in all)" in str(error.value)
    assert "layer_20/kernel" not in str(error.value)


def test_moving_statistics_are_batch_norms_only():
    layer = tf.keras.layers.BatchNormalization()
    layer.build((None, 3))
    model = tf.keras.Sequential([layer, tf.keras.layers.Dense(2, trainable=False)])
    model.build((None, 3))
    found = step_checks.moving_statistics(model)
    assert [v.name.rsplit("/")[-1] for v in found] == ["moving_mean:0", "moving_variance:0"]
