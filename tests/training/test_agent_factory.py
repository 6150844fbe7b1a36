"""create_agent: seeds and settings."""

from __future__ import annotations

import gin
import pytest
import tensorflow as tf

from tests import small_model
from training import agent_factory

pytest_plugins = ["tests.training_fixtures"]


def test_same_seed_same_weights_other_seed_others(tiny_gin):
    first = small_model.values(agent_factory.create_agent().network.variables)
    again = small_model.values(agent_factory.create_agent().network.variables)
    assert small_model.same(first, again)
    gin.bind_parameter("run_seed.seed", 1)
    other = small_model.values(agent_factory.create_agent().network.variables)
    assert not small_model.same(first, other)


def test_learning_rate_is_gins(tiny_gin):
    gin.bind_parameter("create_optimizer.learning_rate", 0.25)
    assert float(agent_factory.create_agent().optimizer.learning_rate) == 0.25


@pytest.mark.parametrize("learning_rate", [0.0, -1.0, float("nan")])
def test_refuses_a_learning_rate_that_is_not_positive(learning_rate):
    with pytest.raises(ValueError, match="expected learning_rate > 0"):
        agent_factory.create_optimizer(learning_rate)


def test_trunk_is_what_an_imagenet_file_fills(tiny_gin):
    gin.bind_parameter("create_optimizer.trunk_learning_rate_scale", 0.5)
    agent = agent_factory.create_agent()
    parts, trunk = agent.network.parts(), agent.optimizer._trunk
    net = parts["efficientnet"].net
    kinds = {}
    for layer in net.layers_with_weights():
        learning = {variable._unique_id in trunk for variable in layer.trainable_variables}
        kinds.setdefault(type(layer).__name__, set()).update(learning)
    assert kinds == {
        "ImageNormalization": set(),
        **dict.fromkeys(("Conv2D", "BatchNormalization", "DepthwiseConv2D"), {True}),
        "FilmConditioning": {False},
    }
    assert not any(v._unique_id in trunk for v in parts["transformer"].variables)
    with pytest.raises(ValueError, match="trunk_learning_rate_scale > 0, got 0"):
        agent_factory.create_optimizer(trunk_learning_rate_scale=0.0)


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_refuses_a_seed_out_of_range(seed):
    with pytest.raises(ValueError, match=r"run_seed\.seed: expected 0 \.\. 2\^31 - 1"):
        agent_factory.run_seed(seed)


def _rates(*bindings, num_steps=3):
    """Learning rates of the first steps."""
    with small_model.gin_bindings("create_optimizer.learning_rate = 0.5", *bindings):
        optimizer = agent_factory.create_optimizer()
    variable, rates = tf.Variable([1.0], name="a/kernel"), []
    for _ in range(num_steps):
        optimizer.apply_gradients([(tf.constant([2.0]), variable)])
        rates.append(float(optimizer.learning_rate))
    return rates, float(variable[0]), optimizer


@pytest.mark.parametrize(
    ("bindings", "expected"),
    [
        ([], [0.5, 0.5, 0.5]),
        (["create_optimizer.warmup_steps = 2"], [0.25, 0.5, 0.5]),
        (
            ['create_optimizer.schedule = "cosine"', "create_optimizer.total_steps = 2"],
            [0.5, 0.25, 0.0],
        ),
    ],
)
def test_schedules_are_gins(bindings, expected):
    assert _rates(*bindings)[0] == pytest.approx(expected, abs=1e-6)


def test_decay_clip_and_average_are_gins():
    _, plain, optimizer = _rates()
    assert optimizer.averages is None
    assert _rates("create_optimizer.weight_decay = 0.1")[1] != plain
    clipped = _rates("create_optimizer.gradient_clip_norm = 1e-8")[2]
    assert float(clipped._momentums[0][0]) < 1e-7 < float(optimizer._momentums[0][0])
    assert _rates("create_optimizer.ema_decay = 0.9")[2].averages is not None


def test_accumulation_is_gins(tiny_gin):
    assert agent_factory.create_agent().sequence_agent._accumulation_steps == 1
    gin.bind_parameter("gradient_accumulation.steps", 4)
    assert agent_factory.create_agent().sequence_agent._accumulation_steps == 4


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("schedule = 'linear'", r"expected schedule in \('constant', 'cosine'\), got 'linear'"),
        ("schedule = 'cosine'", "expected total_steps with schedule 'cosine', got None"),
        ("warmup_steps = -1", "expected warmup_steps >= 0, got -1"),
        ("weight_decay = -0.1", "expected weight_decay >= 0, got -0.1"),
        ("gradient_clip_norm = 0.0", "expected gradient_clip_norm > 0 or None, got 0.0"),
        ("ema_decay = 1.0", "expected ema_decay in 0 .. 1, without 1, got 1.0"),
    ],
)
def test_refuses_settings_out_of_range(binding, message):
    with small_model.gin_bindings(f"create_optimizer.{binding}"):  # noqa: SIM117
        with pytest.raises(ValueError, match=message):
            agent_factory.create_optimizer()


def test_refuses_no_micro_batch():
    with pytest.raises(ValueError, match="expected at least 1, got 0"):
        agent_factory.gradient_accumulation(0)
