"""Which variables have optimizer state, and in which order."""

from __future__ import annotations

import pytest

from checkpoints import optimizer_state, variable_names
from tests import checkpoint_files as files


@pytest.fixture(scope="module")
def agent():
    return files.build_small('TransformerNetwork.loss_type = "cross_entropy"')


def test_all_but_the_unused_layer(agent):
    chosen = {id(v) for v in optimizer_state.variables_with_gradients(agent.network)}
    skipped = [v for v in agent.network.trainable_variables if id(v) not in chosen]
    names = [variable_names.checkpoint_name_of(agent, variable) for variable in skipped]
    assert names == [files.key(f"_action_token_emb/{part}") for part in ("kernel", "bias")]


def test_frozen_layers_have_none(agent):
    transformer = agent.network._transformer
    total = len(optimizer_state.variables_with_gradients(agent.network))
    transformer.trainable = False
    try:
        left = optimizer_state.variables_with_gradients(agent.network)
    finally:
        transformer.trainable = True
    frozen = {id(v) for v in transformer.variables}
    assert len(left) == total - len(frozen)
    assert not frozen & {id(v) for v in left}


def test_building_twice_changes_nothing(agent):
    optimizer_state.build_optimizer(agent)
    first = list(agent.optimizer.variables)
    optimizer_state.build_optimizer(agent)
    assert [id(v) for v in agent.optimizer.variables] == [id(v) for v in first]
    # Adam: two for each variable, and the iterations.
    assert len(first) == 2 * len(optimizer_state.variables_with_gradients(agent.network)) + 1
