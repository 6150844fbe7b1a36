"""Fine-tuning from other models' weights, and going on with one's own."""

from __future__ import annotations

import json

import pytest

import checkpoint_loading
from tests import small_model
from training import starting_points, train_steps

pytest_plugins = ["tests.training_fixtures"]


def test_pretrained_weights_of_another_head_and_length(tmp_path):
    rt1 = small_model.build(
        *small_model.RT1_ACTIONS, "TransformerNetwork.time_sequence_length = 3", weights_seed=1
    )
    prefix = rt1.checkpoint().save(str(tmp_path / "rt1"))
    food = small_model.build(weights_seed=2)
    report = starting_points.load_pretrained_checkpoint(food, prefix)
    assert sorted(info.name.rsplit("/", 2)[1] for info in report.left_at_init) == [
        "_position_emb",
        "_regression_output",
        "_regression_output",
    ]
    loaded = small_model.values(food.network.parts()["efficientnet"].variables)
    assert small_model.same(
        loaded, small_model.values(rt1.network.parts()["efficientnet"].variables)
    )


def test_pretrained_weights_of_another_size_are_refused(tmp_path):
    prefix = small_model.build("Transformer.num_layers = 3").checkpoint().save(str(tmp_path / "x"))
    agent = small_model.build(weights_seed=2)
    before = small_model.values(agent.network.variables)
    with pytest.raises(checkpoint_loading.CheckpointLoadError, match="_layers/2"):
        starting_points.load_pretrained_checkpoint(agent, prefix)
    assert small_model.same(before, small_model.values(agent.network.variables))


def test_weights_whose_outputs_mean_something_else_are_refused(tmp_path):
    """A directory from before there was a choice says nothing: end points."""
    agent = small_model.build(*small_model.TINY)
    prefix = agent.weights_checkpoint().save(str(tmp_path / "best_checkpoint"))
    other = small_model.build(*small_model.TINY, 'RT1ActionTokenizer.coding = "midpoint_extent"')
    metadata = {"format_version": 1, "checkpoint": "best_checkpoint-1", "resize": None}
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    for load in (
        starting_points.load_pretrained_checkpoint,
        starting_points.load_resume_checkpoint,
    ):
        with pytest.raises(checkpoint_loading.CheckpointLoadError, match="coding = 'endpoints'"):
            load(other, prefix)
    starting_points.load_pretrained_checkpoint(agent, prefix)
    (tmp_path / "metadata.json").write_text(
        json.dumps({**metadata, "action_coding": "midpoint_extent"})
    )
    starting_points.load_pretrained_checkpoint(other, prefix)


@pytest.mark.slow
@pytest.mark.long
def test_a_resumed_run_equals_an_undisturbed_one(tiny_gin, batch, tmp_path):
    from training import agent_factory

    agent = agent_factory.create_agent()
    for _ in range(2):
        train_steps.train_step(agent, batch)
    prefix = agent.checkpoint().save(str(tmp_path / "run"))
    train_steps.train_step(agent, batch)
    resumed = agent_factory.create_agent()
    starting_points.load_resume_checkpoint(resumed, prefix)
    assert int(resumed.global_step) == 2
    train_steps.train_step(resumed, batch)
    for ours, theirs in (
        (resumed.network.variables, agent.network.variables),
        (resumed.optimizer.variables, agent.optimizer.variables),
    ):
        assert small_model.same(small_model.values(ours), small_model.values(theirs))


def test_a_checkpoint_without_optimizer_is_no_run_to_resume(tiny_agent, tmp_path):
    prefix = tiny_agent.checkpoint().save(str(tmp_path / "untrained"))
    with pytest.raises(checkpoint_loading.CheckpointLoadError, match="_actor_optimizer"):
        starting_points.load_resume_checkpoint(small_model.build(*small_model.TINY), prefix)
