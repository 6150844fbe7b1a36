"""Fixtures of the tests of the network (`pytest_plugins = ["tests.model_fixtures"]`). Who trains or
loads builds his own model."""

from __future__ import annotations

import functools

import pytest

import agent_wrapper
import checkpoint_loading
from tests import checkpoint_files, small_model
from training import optimizer


@pytest.fixture
def clean_gin():
    """No gin bindings before the test and none after it."""
    with small_model.gin_bindings():
        yield


@pytest.fixture(scope="session")
def food_agent() -> agent_wrapper.Agent:
    """Small, T = 1, food actions, regression head, RT-1's dropout rates. Do not change it."""
    return small_model.build()


@pytest.fixture(scope="session")
def rt1_agent() -> agent_wrapper.Agent:
    """Small, T = 3, robot actions, vocabulary head. Do not change it."""
    steps = "TransformerNetwork.time_sequence_length = 3"
    return small_model.build(*small_model.RT1_ACTIONS, steps)


@pytest.fixture(scope="session")
def load_golden(tmp_path_factory):
    """A function (variables file, *bindings) -> full-size agent with the goldens' weights, which
    come through a checkpoint file; one agent for equal arguments, its weights anew at each call."""
    directory = tmp_path_factory.mktemp("golden_checkpoints")

    @functools.cache
    def build(*bindings: str) -> agent_wrapper.Agent:
        with small_model.gin_bindings(*bindings):
            return agent_wrapper.Agent(optimizer.FusedAdam(1e-4))

    def load(name: str, *bindings: str) -> agent_wrapper.Agent:
        prefix, agent = directory / name, build(*bindings)
        if not prefix.with_suffix(".index").exists():
            checkpoint_files.write_golden(name, str(prefix))
        checkpoint_loading.custom_load_checkpoint(agent, str(prefix))
        return agent

    return load


@pytest.fixture
def hitl_agent(load_golden):
    """A function loss type -> agent with the weights of goldens e and f, which may be changed."""

    def load(loss_type: str) -> agent_wrapper.Agent:
        network = "smooth_l1" if loss_type == "l1" else loss_type  # They have the same.
        binding = f'TransformerNetwork.loss_type = "{network}"'
        agent = load_golden(f"hitl_{network}", binding, *small_model.NO_DROPOUT)
        agent.network.loss_type = loss_type
        return agent

    return load
