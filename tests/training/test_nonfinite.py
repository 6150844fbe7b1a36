"""What is left of a batch that gave no finite numbers."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from training import nonfinite, step_checks

BATCH = {"image": tf.ones((2, 3), tf.uint8), "bbox": tf.fill((2, 4), np.nan)}


@pytest.fixture
def error():
    """As a train step raises it."""
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        step_checks.check_finite(
            tf.constant(1.0), tf.constant([1.0, np.nan]), ["a/kernel", "b/bias"], tf.constant(7)
        )
    return caught.value


def test_names_step_variable_and_file_with_the_batch(error, tmp_path):
    assert nonfinite.is_non_finite(error)
    text = str(nonfinite.explain(error, BATCH, tmp_path, 7))
    assert (
        "a gradient is not finite, at step 7; gradients that are not: b/bias (1 in all). The"
        in text
    )
    path = tmp_path / "nonfinite_batch_step_7.npz"
    assert str(path) in text
    with np.load(path) as stored:
        assert sorted(stored) == ["bbox", "image"]
        np.testing.assert_array_equal(stored["bbox"], BATCH["bbox"])


def test_each_worker_writes_its_part(error, tmp_path):
    nonfinite.explain(error, BATCH, tmp_path, 7, worker=2)
    assert [path.name for path in tmp_path.iterdir()] == ["nonfinite_batch_step_7_worker_2.npz"]


def test_a_folder_that_cannot_be_written_is_said_too(error, tmp_path):
    text = str(nonfinite.explain(error, BATCH, tmp_path / "absent", 7))
    assert "at step 7" in text
    assert "could not be written" in text


def test_other_errors_are_not_its_business():
    assert not nonfinite.is_non_finite(tf.errors.InvalidArgumentError(None, None, "wrong shape"))
