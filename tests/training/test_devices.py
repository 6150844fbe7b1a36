"""Several devices take the step that one would take with the whole batch."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests import small_model
from training import devices

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("batch_size", "num_devices", "samples", "weights"),
    [
        (4, 2, [[0, 1], [2, 3]], [[1, 1], [1, 1]]),
        (5, 2, [[0, 1], [2, 3, 4]], [[1, 1], [1, 1, 1]]),
        (1, 2, [[0], [0]], [[0.5], [0.5]]),
        (2, 3, [[0], [0], [1]], [[0.5], [0.5], [1]]),
    ],
)
def test_shares_by_hand(batch_size, num_devices, samples, weights):
    experience = small_model.food_experience(0, batch_size)
    for index in range(num_devices):
        part, found = devices.share(experience, num_devices, index)
        np.testing.assert_array_equal(
            part.action["bbox"], experience.action["bbox"].numpy()[samples[index]]
        )
        np.testing.assert_allclose(found, weights[index])


def test_one_device_needs_no_strategy():
    assert devices.strategy(1) is tf.distribute.get_strategy()


def test_more_devices_than_there_are():
    with pytest.raises(ValueError, match="--num_devices: expected at most .*got 99"):
        devices.strategy(99)


@pytest.mark.slow
def test_two_devices_equal_one():
    """Logical devices must be made before TensorFlow starts, so this is a process of its own."""
    program = [sys.executable, "tests/training/two_devices.py"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    difference, largest = map(float, done.stdout.split()[-2:])
    assert difference < 1e-5 * largest
