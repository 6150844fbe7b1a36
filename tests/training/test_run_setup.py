"""Everything of a run up to its first step."""

from __future__ import annotations

import dataclasses

import gin
import numpy as np
import pytest
import tensorflow as tf

from food_data import npz_dataset, splits
from tests import training_fixtures
from training import flags, run_data, run_setup

pytest_plugins = ["tests.training_fixtures"]


@pytest.fixture
def arguments(squares_files, tmp_path, tiny_gin):
    return training_fixtures.arguments(tmp_path, *squares_files)


def test_what_is_ready(arguments, tmp_path):
    more = ["--schedule", "cosine", "--ema_decay", "0.9", "--num_epochs", "4", "--seed", "5"]
    more += ["--gin_bindings", "Augmentation.noise = 0.1", "Framing.passes = 'fast'"]
    setup = run_setup.prepare(flags.parse([*arguments, *more]))
    assert (setup.total_steps, setup.first_epoch, setup.point) == (12, 1, None)
    assert gin.query_parameter("create_optimizer.total_steps") == 12
    assert setup.settings.seed == 5
    assert setup.agent.optimizer.averages is not None
    assert not setup.augmentation.is_identity
    metadata = setup.metadata()
    assert (metadata["num_train"], metadata["num_val"], metadata["batch_size"]) == (18, 6, 6)
    assert len(metadata["dataset_fingerprint"]) == 64
    assert metadata["framing"] == {"passes": "fast", "max_extent": 0.5}
    assert not list((tmp_path / "run").iterdir())


def test_no_augmentation_is_none(arguments):
    assert run_setup.prepare(flags.parse(arguments)).augmentation is None


def test_the_split_is_part_of_what_must_match():
    one = splits.Split(np.arange(4), np.arange(4, 6))
    other = splits.Split(np.arange(5), np.arange(5, 6))
    assert run_setup._split_fingerprint(one) != run_setup._split_fingerprint(other)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "is_cached"),
    [
        (["--freeze_efficientnet"], True),
        (["--freeze_efficientnet", "--feature_cache", "disk"], True),
        (["--freeze_efficientnet", "--feature_cache", "off"], False),
        (["--freeze_efficientnet", "--gin_bindings", "Augmentation.noise = 0.1"], False),
        ([], False),
    ],
)
def test_features_are_cached_where_they_stay_the_same(arguments, changes, is_cached, tmp_path):
    tf.config.run_functions_eagerly(True)
    try:
        data = run_setup.prepare(flags.parse([*arguments, *changes])).data
    finally:
        tf.config.run_functions_eagerly(False)
    assert isinstance(data, run_data.CachedRunData) == is_cached
    assert (tmp_path / "run" / "train_features").exists() == ("disk" in changes)


def test_a_data_set_with_errors_is_refused(arguments, squares_files):
    data = training_fixtures.squares(24)
    data.images[20:] = data.images[0]
    # One picture under two names, on both sides of the split.
    npz_dataset.write_npz(squares_files[0], dataclasses.replace(data, sources=None))
    with pytest.raises(ValueError, match=r"squares\.npz: "):
        run_setup.prepare(flags.parse(arguments))
