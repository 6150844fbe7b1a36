"""Fixtures of the tests of the network; a module asks for them with
`pytest_plugins = ["tests.model_fixtures"]`.

Models that are shared by a session must not be changed: who trains or loads builds his own.
"""

from __future__ import annotations

import functools
import json

import gin
import pytest

import agent_wrapper
import checkpoint_loading
from tests import small_model
from tests.golden import make_checkpoint, parity
from training import optimizer


@pytest.fixture
def clean_gin():
    """No gin bindings before the test and none after it."""
    gin.clear_config()
    yield
    gin.clear_config()


@pytest.fixture(scope="session")
def food_agent() -> agent_wrapper.Agent:
    """Small, T = 1, food actions, regression head, RT-1's dropout rates. Do not change it."""
    return small_model.build()


@pytest.fixture(scope="session")
def rt1_agent() -> agent_wrapper.Agent:
    """Small, T = 3, robot actions, vocabulary head. Do not change it."""
    return small_model.build(
        *small_model.RT1_ACTIONS, "TransformerNetwork.time_sequence_length = 3"
    )


@pytest.fixture(scope="session")
def load_golden(tmp_path_factory):
    """A function (variables file, *bindings) -> full-size agent with the goldens' weights.

    They come through a checkpoint file. `load_golden.reload(agent, variables file)` undoes changes.
    """
    directory = tmp_path_factory.mktemp("golden_checkpoints")

    def checkpoint(name: str) -> str:
        prefix = directory / name
        if not prefix.with_suffix(".index").exists():
            rows = json.loads((parity.DIRECTORY / f"{name}.variables.json").read_text())
            make_checkpoint.write(rows, str(prefix), seed=1)
        return str(prefix)

    def load(name: str, *bindings: str) -> agent_wrapper.Agent:
        with small_model.gin_bindings(*bindings):
            agent = agent_wrapper.Agent(optimizer.FusedAdam(1e-4))
        reload(agent, name)
        return agent

    def reload(agent: agent_wrapper.Agent, name: str) -> None:
        checkpoint_loading.custom_load_checkpoint(agent, checkpoint(name))

    load.reload = reload
    return load


@pytest.fixture(scope="session")
def fine_tuned_agents(load_golden):
    @functools.cache
    def agent(loss_type: str) -> agent_wrapper.Agent:
        loss = f'TransformerNetwork.loss_type = "{loss_type}"'
        return load_golden(parity.HITL_NETWORKS[loss_type], loss, *small_model.NO_DROPOUT)

    return agent


@pytest.fixture
def hitl_agent(fine_tuned_agents, load_golden):
    """A function loss type -> agent with the weights of goldens e and f, which may be changed."""

    def agent(loss_type: str) -> agent_wrapper.Agent:
        agent = fine_tuned_agents(loss_type)
        load_golden.reload(agent, parity.HITL_NETWORKS[loss_type])
        return agent

    return agent
