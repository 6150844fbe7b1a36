"""Frozen parts do not move; the others do."""

from __future__ import annotations

import pytest

from tests import small_model
from training import freezing, train_steps

pytest_plugins = ["tests.training_fixtures"]


def _parts(agent):
    parts = {name: layer.variables for name, layer in agent.network.parts().items()}
    return {**parts, "head": agent.network._regression_output.variables}


@pytest.mark.slow
@pytest.mark.parametrize(
    "frozen",
    [
        ["efficientnet"],
        pytest.param(["tokenlearner"], marks=pytest.mark.long),
        pytest.param(["transformer"], marks=pytest.mark.long),
        ["efficientnet", "transformer"],
    ],
)
def test_frozen_parts_stay_and_others_learn(tiny_agent, batch, frozen):
    flags = {f"freeze_{name}": True for name in frozen}
    assert freezing.apply_freezing_logic(tiny_agent, **flags) == frozen
    before = {name: small_model.values(v) for name, v in _parts(tiny_agent).items()}
    train_steps.train_step(tiny_agent, batch)
    for name, variables in _parts(tiny_agent).items():
        # BatchNorm's moving statistics are among the variables.
        assert small_model.same(before[name], small_model.values(variables)) == (name in frozen)
    num_slots = len(tiny_agent.optimizer.variables) - 1  # without the step
    assert num_slots == 2 * len(tiny_agent.network.used_trainable_variables)


def test_image_normalization_never_learns(tiny_agent):
    freezing.apply_freezing_logic(tiny_agent, freeze_transformer=True)
    normalization = tiny_agent.network.parts()["efficientnet"].net._normalization
    assert not normalization.trainable_variables


def test_refuses_to_freeze_after_the_first_step(tiny_agent):
    tiny_agent.optimizer.build(tiny_agent.network.used_trainable_variables)
    with pytest.raises(ValueError, match="expected a new optimizer"):
        freezing.apply_freezing_logic(tiny_agent, freeze_transformer=True)


def test_refuses_to_freeze_everything(clean_vocabulary_agent):
    with pytest.raises(ValueError, match="nothing is left to learn"):
        freezing.apply_freezing_logic(clean_vocabulary_agent, True, True, True)


@pytest.fixture
def clean_vocabulary_agent(tiny_gin):
    """With cross_entropy there is no regression head that would be left to learn."""
    return small_model.build(*small_model.TINY, small_model.CROSS_ENTROPY)


def test_refuses_a_part_that_is_not_there():
    agent = small_model.build(*small_model.TINY, "RT1ImageTokenizer.use_token_learner = False")
    with pytest.raises(ValueError, match="no tokenlearner to freeze"):
        freezing.apply_freezing_logic(agent, freeze_tokenlearner=True)
