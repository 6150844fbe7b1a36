"""The samples of a run, and the endless sequence of batches."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf

from evaluation import metrics
from food_data import npz_dataset, splits
from tests import training_fixtures
from training import run_data, train_steps

pytest_plugins = ["tests.training_fixtures"]


def _passes(first_epoch, first_batch):
    """Batch b of pass p is 10 p + b; three of them in a pass."""
    number = itertools.count(first_epoch)
    skipped = itertools.chain([first_batch], itertools.repeat(0))

    class Passes:
        def __iter__(self):
            this = next(number)
            return iter([10 * this + b for b in range(next(skipped), 3)])

    return Passes()


@pytest.mark.parametrize("start", [0, 1, 2, 3, 5, 6])
def test_batches_from_anywhere_are_those_of_the_whole(start):
    whole = [0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32]
    batches = run_data.endless_batches(_passes, 3, start)
    assert list(itertools.islice(batches, 6)) == whole[start : start + 6]


@pytest.fixture
def data(squares_files):
    return run_data.read_npz(str(squares_files[0]), str(squares_files[1]), 0.2, 0)


def test_a_split_that_is_absent_is_drawn_once_and_kept(squares_files):
    squares_files[1].unlink()
    drawn = run_data.read_npz(str(squares_files[0]), None, 0.25, 3).split
    assert squares_files[1].is_file()
    again = run_data.read_npz(str(squares_files[0]), None, 0.25, 4).split
    assert (again.val_idx == drawn.val_idx).all()


def test_fingerprint_and_name(data, squares_files):
    assert data.fingerprint == npz_dataset.dataset_fingerprint(squares_files[0])
    assert data.name == "squares.npz"


def test_baseline_uses_training_labels_only(data):
    labels = data.dataset.actions
    mean = labels[data.split.train_idx].mean(axis=0, dtype=np.float64)
    val = labels[data.split.val_idx]
    expected = metrics.compute_bbox_metrics(np.tile(mean, (len(val), 1)), val)
    assert data.baseline(data.split.val_idx) == pytest.approx(expected)


def test_batches_are_tensors(data):
    batch = next(
        run_data.endless_batches(
            lambda first_epoch, first_batch: data.training_batches(
                4, shuffle_seed=0, first_epoch=first_epoch, first_batch=first_batch
            ),
            5,
            4,
        )
    )
    assert batch["image"].dtype == tf.uint8
    assert len(batch["bbox"]) == 2  # The fifth batch of 18 samples.


@pytest.mark.slow
def test_cached_features_stand_for_the_same_samples(data, tiny_agent, tmp_path):
    tiny_agent.network.parts()["efficientnet"].trainable = False
    cached = run_data.with_cached_features(data, tiny_agent, 6, tmp_path)
    assert cached.fingerprint == data.fingerprint
    for ours, theirs in (
        (cached.training_batches(4, shuffle_seed=1), data.training_batches(4, shuffle_seed=1)),
        (cached.validation_batches(4), data.validation_batches(4)),
    ):
        for one, other in zip(ours, theirs):
            np.testing.assert_array_equal(one["bbox"], other["bbox"])
    with_pictures = next(iter(data.validation_batches(4)))
    with_features = next(iter(cached.validation_batches(4)))
    (loss, found), (expected_loss, expected) = (
        train_steps.predict_step(tiny_agent, batch) for batch in (with_features, with_pictures)
    )
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(ValueError, match="expected no augmentation"):
        cached.training_batches(4, augmentation=object())


def test_a_part_of_the_validation_samples(tmp_path):
    files = training_fixtures.write_squares(tmp_path)
    dataset = npz_dataset.read_npz(files[0])
    data = run_data.RunData(dataset, splits.read_split(files[1], len(dataset)))
    part = data.validation_batches(4, slice(1, 3))
    (batch,) = part
    indices = data.split.val_idx[1:3]
    np.testing.assert_array_equal(batch["bbox"], np.asarray(dataset.actions)[indices])
