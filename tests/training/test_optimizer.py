"""Adam, its learning rate, and what gin sets of them, by hand and against Keras."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests import small_model
from training import optimizer as optimizers


def made(*bindings):
    """What gin makes of these; its learning rate is 0.1 unless they say another."""
    bindings = ("learning_rate = 0.1", *bindings)
    with small_model.gin_bindings(*(f"create_optimizer.{binding}" for binding in bindings)):
        return optimizers.create_optimizer()


def named(name, value):
    return tf.Variable([value], name=name)


def step(optimizer, *pairs):
    """One step with (gradient, variable) pairs of one number each; the values after it."""
    optimizer.apply_gradients([(tf.constant([gradient]), v) for gradient, v in pairs])
    return [float(variable[0]) for _, variable in pairs]


def test_equals_keras_adam_over_many_steps_and_takes_its_checkpoint(tmp_path):
    def run(optimizer):
        generator = np.random.default_rng(0)
        shapes = [(3, 4), (5,), ()]
        variables = [tf.Variable(generator.standard_normal(s).astype("f")) for s in shapes]
        apply = tf.function(lambda gradients: optimizer.apply_gradients(zip(gradients, variables)))
        for _ in range(30):
            apply([tf.constant(generator.standard_normal(s).astype("f")) for s in shapes])
        return [*variables, *optimizer.variables]

    ours, kerass = optimizers.FusedAdam(0.01), tf.keras.optimizers.Adam(0.01)
    for one, other in zip(run(ours), run(kerass), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    path = tf.train.Checkpoint(optimizer=kerass).save(str(tmp_path / "adam"))
    ours.iterations.assign(7)
    ours.learning_rate.assign(0.5)
    tf.train.Checkpoint(optimizer=ours).restore(path).assert_existing_objects_matched()
    assert (int(ours.iterations), float(ours.learning_rate)) == (30, np.float32(0.01))


def test_weight_decay_is_decoupled_and_of_kernels_only():
    """With no gradient only the decay moves a weight: 2 - 0.1 * 0.5 * 2 = 1.9."""
    names = ("a/kernel", "b/depthwise_kernel", "a/bias", "norm/gamma", "norm/beta")
    found = step(made("weight_decay = 0.5"), *((0.0, named(name, 2.0)) for name in names))
    np.testing.assert_allclose(found, [1.9, 1.9, 2.0, 2.0, 2.0], rtol=1e-6)


@pytest.mark.parametrize(("gradient", "decay"), [(0.0, 0.5), (3.0, 0.0)])
def test_the_trunk_learns_with_its_own_rate_and_decays_with_it(gradient, decay):
    """Rate 0.1, halved for the trunk: a step of 0.1 or 0.05, or a decay of 2 times half of that."""
    optimizer = made(f"weight_decay = {decay}", "trunk_learning_rate_scale = 0.5")
    trunk, other = named("a/kernel", 2.0), named("b/kernel", 2.0)
    optimizer.set_trunk([trunk])
    found = step(optimizer, (gradient, trunk), (gradient, other))
    np.testing.assert_allclose(found, [1.95, 1.9], rtol=1e-5)
    # The step and two moments each; nothing more is stored.
    assert len(optimizer.variables) == 1 + 4


def test_gradients_are_clipped_to_the_global_norm():
    """(3, 4) has norm 5; clipped to 1 it is (0.6, 0.8), the first moment a tenth of that."""
    optimizer = made("gradient_clip_norm = 1.0")
    step(optimizer, (3.0, named("a", 0.0)), (4.0, named("b", 0.0)))
    moments = [float(optimizer._momentums[index][0]) for index in range(2)]
    np.testing.assert_allclose(moments, [0.06, 0.08], rtol=1e-5)


def test_average_of_the_weights_by_hand():
    """Decay min(0.9, (1 + t) / (10 + t)): 2/11 after the first step, 3/12 after the second."""
    variable, optimizer, average = named("a", 1.0), made("ema_decay = 0.9"), 1.0
    for decay in (2 / 11, 3 / 12, 0.9):
        if decay == 0.9:
            optimizer.iterations.assign(1000)
        (value,) = step(optimizer, (1.0, variable))
        average = decay * average + (1 - decay) * value
        np.testing.assert_allclose(optimizer.averages[0], [average], rtol=1e-5)
    assert made().averages is None


@pytest.mark.parametrize(
    ("bindings", "expected"),
    [
        ((), [1.0] * 6),
        (("warmup_steps = 2",), [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
        # Half cosines of 0, 45, 90 and 135 degrees: 1, 0.8536, 0.5, 0.1464.
        (
            ("warmup_steps = 2", "schedule = 'cosine'", "total_steps = 6"),
            [0.5, 1.0, 1.0, 0.8536, 0.5, 0.1464],
        ),
        (("schedule = 'cosine'", "total_steps = 2"), [1.0, 0.5, 0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_learning_rates_by_hand(bindings, expected):
    optimizer, rates, variable = made("learning_rate = 1.0", *bindings), [], named("a", 0.0)
    for _ in range(6):
        step(optimizer, (1.0, variable))
        rates.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(rates, expected, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(
    ("bindings", "message"),
    [
        ("schedule = 'linear'", r"schedule in \('constant', 'cosine'\), got 'linear'"),
        ("schedule = 'cosine'", "total_steps with schedule 'cosine', got None"),
        ("schedule = 'cosine'; warmup_steps = 6; total_steps = 6", "warmup_steps < total_steps"),
        ("gradient_clip_norm = 0.0", "gradient_clip_norm > 0 or None, got 0.0"),
        ("ema_decay = 1.0", "ema_decay in 0 .. 1, without 1, got 1.0"),
        ("trunk_learning_rate_scale = 0.0", "trunk_learning_rate_scale > 0 .* got 0"),
    ],
)
def test_settings_out_of_range(bindings, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        made(*bindings.split("; "))
    with pytest.raises(ValueError, match="expected learning_rate > 0, got nan"):
        optimizers.create_optimizer(float("nan"))
