"""Frozen numbers of the public RT-1 code: ours computes the same on weights from a checkpoint file.

The README beside it says what each file holds, from which inputs and weights, and how much the
public code differs from itself on other kernels (`NOISE`); ours is held to ten times that, integers
to equality. To make them again:

1. Install the public code (google-research/robotics_transformer; for e and f empriselab/HITL-RT1)
   with TensorFlow 2.15.1, TF-Agents 0.19.0 and NumPy 1.26, build its network and assign
   `deterministic_weights.value(key, shape, seed=1)` to every variable, key being its name in
   `<model>.variables.json`; call `finalize_state()` on the image Normalization afterwards.
2. Feed it the arrays of `golden_inputs.py` with the seeds of the README, one section for each file,
   and `np.savez_compressed` what the section lists.
3. Run it all again with TF_ENABLE_ONEDNN_OPTS=0; the differences are the README's last table.
"""

from __future__ import annotations

import functools
import pathlib

import numpy as np
import tensorflow as tf
from tf_agents.trajectories import time_step, trajectory

import policy_specs
from tests import small_model
from tests.golden import golden_inputs

DIRECTORY = pathlib.Path(__file__).parent
# Largest difference of the public code from itself over its largest value: the README's last table.
NOISE = {
    "a encoder 300": 4.0e-6,
    "a tokens 300": 3.0e-6,
    "a encoder 236": 1.7e-5,
    "a tokens 236": 1.3e-5,
    "b logits": 9e-7,
    "c train logits": 2.5e-6,
    "c train loss": 4e-7,
    "c inference logits": 5.5e-6,
    "e cross_entropy logits": 1.3e-5,
    "e cross_entropy loss": 7e-7,
    "e regression bbox": 4.9e-6,
    "e regression loss": 6e-6,
    "f bn norm": 1.4e-7,
    "f bn probe": 8.4e-7,
    "f losses": 1.8e-6,
    # Not measured: float32 arithmetic on equal tokens or equal pixels.
    "float32": 1.2e-7,
}
# Largest and median difference of a gradient, over its norm + 1e-6 x the norm of all gradients.
GRADIENT_NOISE = {
    ("eval", "norm"): (1.0e-4, 3e-5),
    ("eval", "probe"): (3.4e-4, 2.5e-5),
    ("train", "norm"): (9.5e-4, 2e-6),
    ("train", "probe"): (1.8e-3, 2.5e-5),
}


@functools.cache
def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(DIRECTORY / f"{name}.npz") as file:
        return dict(file)


def input_seed(number: int) -> int:
    """`S(n)` of the README."""
    return 1000 + number


def assert_close(ours, reference: np.ndarray, noise: str) -> None:
    ours = np.asarray(ours, np.float64)
    assert ours.shape == reference.shape
    relative = np.abs(ours - reference).max() / np.abs(reference).max()
    assert_within(relative, NOISE[noise], noise)


def assert_within(error: float, noise: float, what: str) -> None:
    share = float(error / (10 * noise))
    assert share <= 1.0, f"{what}: {error:.2g} is {share:.2f} of its bound"


@functools.cache
def hitl_batch() -> tuple[np.ndarray, np.ndarray, trajectory.Trajectory]:
    """(images [4, 236, 236, 3], context [4, 512], trajectories [4, 1, ...]) of e and f."""
    images = golden_inputs.images_uint8(input_seed(40), 4, 236, 236)
    context = golden_inputs.normal(input_seed(41), (4, 512))
    action = {policy_specs.ACTION_KEY: golden_inputs.uniform(input_seed(42), (4, 1, 4), 0, 1)}
    observation = {
        policy_specs.IMAGE_KEY: tf.constant(images[:, np.newaxis]),
        policy_specs.EMBEDDING_KEY: tf.constant(context[:, np.newaxis]),
    }
    step_type = np.full((4, 1), time_step.StepType.FIRST, np.int32)
    return images, context, small_model.experience(observation, action, step_type)
