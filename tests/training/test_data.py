"""The samples of a run: files, cached features, and batches from anywhere on."""

from __future__ import annotations

import dataclasses
import errno

import numpy as np
import pytest
import tensorflow as tf

import policy_specs
from evaluation import metrics
from food_data import npz_dataset, splits
from tests import small_model, training_fixtures
from training import agent_factory, run_data, train_steps

pytest_plugins = ["tests.model_fixtures", "tests.training_fixtures"]


@pytest.fixture
def data(squares_files):
    return run_data.read_npz(str(squares_files[0]), str(squares_files[1]), 0.2, 0)


def test_what_a_file_gives(data, squares_files):
    assert data.fingerprint == npz_dataset.dataset_fingerprint(squares_files[0])
    assert data.name == "squares.npz"
    labels, val = data.dataset.actions, data.split.val_idx
    # The baseline knows training labels only.
    mean = labels[data.split.train_idx].mean(axis=0, dtype=np.float64)
    expected = metrics.compute_bbox_metrics(np.tile(mean, (len(val), 1)), labels[val])
    assert data.baseline(val) == pytest.approx(expected)
    (batch,) = data.validation_batches(4, slice(1, 3))
    np.testing.assert_array_equal(batch["bbox"], labels[val[1:3]])


def test_pairs_that_are_trained(data):
    """What only validates is not; without names nobody knows."""
    names = np.array(["skewering", "scooping", "skewering", "skewering"])
    foods = np.array(["rice", "rice", "banana", "rice"])
    four = dataclasses.replace(training_fixtures.squares(4), action_names=names, food_types=foods)
    one = run_data.RunData(four, splits.Split(np.array([0, 2, 3]), np.array([1])))
    assert one.trained_pairs() == [["skewering", "banana"], ["skewering", "rice"]]
    nameless = dataclasses.replace(four, action_names=None)
    assert run_data.RunData(nameless, one.split).trained_pairs() is None


def test_a_split_is_drawn_once_and_kept(squares_files, tmp_path, monkeypatch):
    squares_files[1].unlink()
    dry = run_data.read_npz(str(squares_files[0]), None, 0.25, 3, dry_run=True).split
    assert not squares_files[1].exists()

    def read_only(path, split):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(splits, "write_split", read_only)
        message = "cannot be saved to .*squares_split.npz: Read-only.*Give a --split_file"
        with pytest.raises(OSError, match=message):
            run_data.read_npz(str(squares_files[0]), None, 0.25, 3)
    drawn = run_data.read_npz(str(squares_files[0]), None, 0.25, 3).split
    np.testing.assert_array_equal(dry.val_idx, drawn.val_idx)
    again = run_data.read_npz(str(squares_files[0]), None, 0.25, 4).split
    np.testing.assert_array_equal(again.val_idx, drawn.val_idx)


# Features of a frozen EfficientNet.

SIZE = policy_specs.IMAGE_SIZE
# Pictures as the data set has them; the encoder makes them small. Dropout in the head only.
SETTINGS = (
    *small_model.TINY,
    f"observation_spec.image_height = {SIZE}",
    f"observation_spec.image_width = {SIZE}",
    "DropoutSettings.token_learner = 0.3",
    "DropoutSettings.backbone_drop_connect = 0.0",
)


def frozen_agent():
    agent = small_model.build(*SETTINGS)
    agent_factory.apply_freezing_logic(agent, freeze_efficientnet=True)
    return agent


@pytest.fixture
def eager():
    """A few steps cost less than a trace."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def dataset() -> npz_dataset.FoodDataset:
    return npz_dataset.FoodDataset(
        images=small_model.images(0, 7, side=SIZE),
        actions=small_model.execution_parameters(1, 7),
        embeddings=small_model.embeddings(2, 7),
    )


@pytest.mark.slow
def test_training_on_cached_features_is_exact(dataset, eager, tmp_path):
    """Head dropout on, two steps; in memory and on disk."""
    data = run_data.RunData(dataset, splits.Split(np.array([6, 0, 3, 2]), np.array([5, 1, 4])))
    results = []
    for directory in ("no cache", None, tmp_path):
        agent, samples = frozen_agent(), data
        if directory != "no cache":
            cache = run_data.FeatureCache(agent, data, 2, directory)
            samples = dataclasses.replace(data, features=cache)
        batches = samples.training_batches(2, shuffle_seed=1)
        losses = [train_steps.train_step(agent, batch)["loss"] for batch in batches]
        found, _ = train_steps.validate_step_with_metrics(agent, samples.validation_batches(3))
        results.append((losses, found["loss"], small_model.values(agent.network.variables)))
    losses, val_loss, values = results[0]
    for cached_losses, cached_val_loss, cached_values in results[1:]:
        assert losses == cached_losses
        assert cached_val_loss == pytest.approx(val_loss, rel=1e-5)
        assert small_model.same(values, cached_values)
    assert isinstance(cache[np.array([5])], np.ndarray) and list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="expected a frozen EfficientNet"):
        run_data.FeatureCache(small_model.build(*SETTINGS), data, 2)
