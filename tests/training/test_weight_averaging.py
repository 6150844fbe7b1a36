"""Averaged weights in the network's place."""

from __future__ import annotations

import gin
import pytest

from tests import small_model
from training import agent_factory, weight_averaging

pytest_plugins = ["tests.training_fixtures"]


@pytest.fixture
def averaged(tiny_gin):
    """An agent whose averages are twice its weights; the encoder is frozen."""
    gin.bind_parameter("create_optimizer.ema_decay", 0.9)
    agent = agent_factory.create_agent()
    agent.network.parts()["efficientnet"].trainable = False
    agent.build_optimizer()
    for average, variable in zip(agent.optimizer.averages, agent.network.used_trainable_variables):
        average.assign(2.0 * variable)
    return agent


def test_averages_inside_and_own_weights_after(averaged):
    network = averaged.network
    before, frozen = small_model.values(network.variables), network.parts()["efficientnet"]
    learning = small_model.values(network.used_trainable_variables)
    with weight_averaging.averaged_weights(averaged):
        inside = small_model.values(network.used_trainable_variables)
        assert small_model.same(inside, [2 * value for value in learning])
        kept = small_model.values(frozen.variables)
    assert small_model.same(small_model.values(network.variables), before)
    assert small_model.same(small_model.values(frozen.variables), kept)


def test_own_weights_come_back_after_an_error_too(averaged):
    before = small_model.values(averaged.network.variables)
    with pytest.raises(KeyError), weight_averaging.averaged_weights(averaged):  # noqa: PT012
        raise KeyError("anything")
    assert small_model.same(small_model.values(averaged.network.variables), before)


def test_without_averages_nothing_happens(tiny_agent):
    before = small_model.values(tiny_agent.network.variables)
    with weight_averaging.averaged_weights(tiny_agent):
        assert small_model.same(small_model.values(tiny_agent.network.variables), before)
