"""What a run begins with: agent, weights, samples, cached features."""

from __future__ import annotations

import argparse
import dataclasses
import shutil
from unittest import mock

import gin
import numpy as np
import pytest

import checkpoint_loading
import utils
from food_data import splits
from tests import small_model, training_fixtures
from training import flags, run_setup

pytest_plugins = ["tests.training_fixtures"]


def test_a_split_is_drawn_once_and_kept(squares_files, monkeypatch):
    file, split_file = map(str, squares_files)
    squares_files[1].unlink()

    def read(**options):
        args = flags.parse(["--dataset_file", file, "--validation_fraction", "0.25"])
        return run_setup.read_npz(argparse.Namespace(**{**vars(args), **options})).split.val_idx

    dry = read(dry_run=True).tolist()
    assert not squares_files[1].exists()
    with monkeypatch.context() as patch:
        patch.setattr(splits, "write_split", mock.Mock(side_effect=OSError("Read-only")))
        with pytest.raises(OSError, match="Read-only: --split_file names another place"):
            read()
    assert dry == read().tolist() == read(split_file=split_file, validation_fraction=0.5).tolist()


@pytest.mark.slow
def test_training_on_cached_features_is_exact(eager):
    """Two steps with dropout in the head."""
    split = splits.Split(np.array([6, 0, 3, 2]), np.array([5, 1, 4]))
    data, results = run_setup.RunData(training_fixtures.squares(7), split), []
    for is_cached in (False, True):
        dropout = "DropoutSettings.transformer_feed_forward = 0.3"
        with small_model.gin_bindings(*training_fixtures.TINY_CONFIG.splitlines(), dropout):
            agent, samples = run_setup.create_agent(), data
        small_model.randomize(agent.network.variables, 1)
        utils.apply_freezing_logic(agent, freeze_efficientnet=True)
        if is_cached:
            cache = run_setup.FeatureCache(agent, data, 2)
            samples = dataclasses.replace(data, features=cache)
        batches = samples.batches(data.split.train_idx, 2, shuffle_seed=1)
        losses = [utils.train_step(agent, batch)["loss"] for batch in batches]
        found, _ = utils.validate_step_with_metrics(agent, samples.batches(split.val_idx, 3))
        results.append((losses, found["loss"], small_model.values(agent.network.variables)))
    (losses, val_loss, values), (cached_losses, cached_val_loss, cached_values) = results
    assert losses == cached_losses and len(set(losses)) == 2
    assert cached_val_loss == pytest.approx(val_loss, rel=1e-5)
    assert small_model.same(values, cached_values)


@pytest.mark.slow
def test_what_is_frozen_does_not_learn(tiny_gin):
    agent = run_setup.create_agent()
    parts = agent.network.parts()
    assert utils.apply_freezing_logic(agent, True, False, True) == ["efficientnet", "transformer"]
    learning = {name for name, part in parts.items() if part.trainable_variables}
    assert learning == {"tokenlearner"} and agent.network._regression_output.trainable_variables
    # Augmented pictures pass through it in training, and move no statistic of BatchNorm.
    before = small_model.values(parts["efficientnet"].variables)
    agent.network.outputs(small_model.observation(0, 2, 1, side=236), training=True)
    assert small_model.same(before, small_model.values(parts["efficientnet"].variables))
    agent.build_optimizer()
    with pytest.raises(ValueError, match="expected a new optimizer"):
        utils.apply_freezing_logic(agent)
    gin.bind_parameter("TransformerNetwork.loss_type", "cross_entropy")
    with pytest.raises(ValueError, match="nothing is left to learn"):
        utils.apply_freezing_logic(run_setup.create_agent(), True, True, True)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_gin_sets_the_rest(tiny_gin):
    values = small_model.values(run_setup.create_agent().network.variables)
    gin.bind_parameter("gradient_accumulation.steps", 4)
    gin.bind_parameter("create_optimizer.trunk_learning_rate_scale", 0.5)
    again = run_setup.create_agent()
    assert small_model.same(values, small_model.values(again.network.variables))
    assert again.sequence_agent._accumulation_steps == 4
    # The trunk is what an ImageNet file fills: all of the EfficientNet but FiLM.
    for layer in again.network.parts()["efficientnet"].net.layers_with_weights():
        for variable in layer.trainable_variables:
            is_trunk = type(layer).__name__ != "FilmConditioning"
            assert (variable._unique_id in again.optimizer._trunk) == is_trunk
    gin.bind_parameter("run_seed.seed", 1)
    other = run_setup.create_agent()
    assert not small_model.same(values, small_model.values(other.network.variables))
    with pytest.raises(ValueError, match="expected at least 1, got 0"):
        run_setup.gradient_accumulation(0)


@pytest.mark.slow
def test_weights_of_another_coding_are_refused(small_checkpoint_dir, tiny_gin, tmp_path):
    """Weights fit whatever the tokens of a model mean."""
    agent, directory = run_setup.create_agent(), tmp_path / "other"
    shutil.copytree(small_checkpoint_dir, directory)
    file = directory / "metadata.json"
    text = file.read_text()
    file.write_text(text.replace('"action_coding": "endpoints"', '"action_coding": "midpoint_"'))
    for load in (utils.load_pretrained_checkpoint, utils.load_resume_checkpoint):
        with pytest.raises(checkpoint_loading.CheckpointLoadError, match="got 'midpoint_'"):
            load(agent, directory)
    # Directories from before there was a choice do not name it.
    file.write_text(text.replace('"action_coding"', '"other"'))
    assert not utils.load_pretrained_checkpoint(agent, directory).left_at_init
