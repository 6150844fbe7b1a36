"""create_agent: seeds and settings."""

from __future__ import annotations

import gin
import pytest

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


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_refuses_a_seed_out_of_range(seed):
    with pytest.raises(ValueError, match=r"run_seed\.seed: expected 0 \.\. 2\^31 - 1"):
        agent_factory.run_seed(seed)
