"""What a run begins with: agent, weights, samples, cached features, room on the disk."""

from __future__ import annotations

import argparse
import dataclasses
import errno
import json
import shutil

import gin
import numpy as np
import pytest

import checkpoint_loading
import policy_specs
import utils
from food_data import npz_dataset, splits
from tests import small_model
from training import flags, run_setup

pytest_plugins = ["tests.training_fixtures"]
SIZE = policy_specs.IMAGE_SIZE
# Pictures as the data set has them; the encoder makes them small. Dropout in the head only.
SETTINGS = (
    *small_model.TINY,
    f"observation_spec.image_height = {SIZE}",
    f"observation_spec.image_width = {SIZE}",
    "DropoutSettings.transformer_feed_forward = 0.3",
    "DropoutSettings.backbone_drop_connect = 0.0",
)


def test_a_split_is_drawn_once_and_kept(squares_files, monkeypatch):
    file = str(squares_files[0])
    squares_files[1].unlink()

    def read(**options):
        args = flags.parse(["--dataset_file", file, "--validation_fraction", "0.25"])
        return run_setup.read_npz(argparse.Namespace(**{**vars(args), **options}))

    def read_only(path, split):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    dry = read(dry_run=True).split
    assert not squares_files[1].exists()
    with monkeypatch.context() as patch:
        patch.setattr(splits, "write_split", read_only)
        with pytest.raises(OSError, match="Read-only .*squares_split.npz.*--split_file names"):
            read()
    drawn = read().split
    np.testing.assert_array_equal(dry.val_idx, drawn.val_idx)
    data = read(split_file=str(squares_files[1]), validation_fraction=0.5)
    np.testing.assert_array_equal(data.split.val_idx, drawn.val_idx)


@pytest.mark.slow
def test_training_on_cached_features_is_exact(eager):
    """Head dropout on, two steps."""
    dataset = npz_dataset.FoodDataset(
        images=small_model.images(0, 7, side=SIZE),
        actions=small_model.execution_parameters(1, 7),
        embeddings=small_model.embeddings(2, 7),
    )
    data = run_setup.RunData(dataset, splits.Split(np.array([6, 0, 3, 2]), np.array([5, 1, 4])))
    results = []
    for is_cached in (False, True):
        agent, samples = small_model.build(*SETTINGS), data
        utils.apply_freezing_logic(agent, freeze_efficientnet=True)
        if is_cached:
            cache = run_setup.FeatureCache(agent, data, 2)
            samples = dataclasses.replace(data, features=cache)
        batches = samples.batches(data.split.train_idx, 2, shuffle_seed=1)
        losses = [utils.train_step(agent, batch)["loss"] for batch in batches]
        batches = samples.batches(data.split.val_idx, 3)
        found, _ = utils.validate_step_with_metrics(agent, batches)
        results.append((losses, found["loss"], small_model.values(agent.network.variables)))
    (losses, val_loss, values), (cached_losses, cached_val_loss, cached_values) = results
    assert losses == cached_losses
    assert cached_val_loss == pytest.approx(val_loss, rel=1e-5)
    assert small_model.same(values, cached_values)


@pytest.mark.slow
def test_what_is_frozen_does_not_learn(tiny_gin):
    agent = run_setup.create_agent()
    parts = agent.network.parts()
    assert utils.apply_freezing_logic(agent, True, False, True) == ["efficientnet", "transformer"]
    assert parts["tokenlearner"].trainable_variables
    assert not parts["efficientnet"].trainable_variables + parts["transformer"].trainable_variables
    assert agent.network._regression_output.trainable_variables
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
    net, kinds = again.network.parts()["efficientnet"].net, {}
    for layer in net.layers_with_weights():
        learning = {v._unique_id in again.optimizer._trunk for v in layer.trainable_variables}
        kinds.setdefault(type(layer).__name__, set()).update(learning)
    assert kinds.pop("FilmConditioning") == {False}
    assert kinds.pop("ImageNormalization") == set()
    assert set(map(tuple, kinds.values())) == {(True,)}
    gin.bind_parameter("run_seed.seed", 1)
    other = run_setup.create_agent()
    assert not small_model.same(values, small_model.values(other.network.variables))
    gin.bind_parameter("gradient_accumulation.steps", 0)
    with pytest.raises(ValueError, match="expected at least 1, got 0"):
        run_setup.create_agent()


@pytest.mark.slow
def test_weights_of_another_coding_are_refused(small_checkpoint_dir, tiny_gin, tmp_path):
    """Weights fit whatever the tokens of a model mean."""
    agent, directory = run_setup.create_agent(), tmp_path / "other"
    shutil.copytree(small_checkpoint_dir, directory)
    metadata = json.loads((directory / "metadata.json").read_text())
    assert metadata["action_coding"] == "endpoints"
    text = json.dumps({**metadata, "action_coding": "midpoint_extent"})
    (directory / "metadata.json").write_text(text)
    for load in (utils.load_pretrained_checkpoint, utils.load_resume_checkpoint):
        with pytest.raises(checkpoint_loading.CheckpointLoadError, match="got 'midpoint_"):
            load(agent, directory)
    # Directories from before there was a choice do not name it.
    del metadata["action_coding"]
    (directory / "metadata.json").write_text(json.dumps(metadata))
    assert not utils.load_pretrained_checkpoint(agent, directory).left_at_init
