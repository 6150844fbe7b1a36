"""The literals of the contract, and the committed specs file."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import time_step
from tf_agents.utils import nest_utils

import policy_specs
from tests import small_model

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")


def test_food_action_is_four_coordinates_in_0_to_1():
    spec = policy_specs.food_action_spec()

    assert list(spec) == ["bbox"]
    assert spec["bbox"].shape == (4,)
    assert spec["bbox"].dtype == tf.float32
    assert (spec["bbox"].minimum, spec["bbox"].maximum) == (0.0, 1.0)


def test_rt1_action_in_the_order_of_its_tokens():
    spec = policy_specs.rt1_action_spec()

    assert {key: (part.shape[0], part.dtype.name) for key, part in spec.items()} == {
        "terminate_episode": (3, "int32"),
        "world_vector": (3, "float32"),
        "rotation_delta": (3, "float32"),
        "gripper_closedness_action": (1, "float32"),
        "base_displacement_vertical_rotation": (1, "float32"),
        "base_displacement_vector": (2, "float32"),
    }
    assert next(iter(spec)) == "terminate_episode"
    bounds = {key: float(part.maximum) for key, part in spec.items()}
    assert bounds["rotation_delta"] == pytest.approx(math.pi / 2)
    assert bounds["base_displacement_vertical_rotation"] == pytest.approx(math.pi)
    for key, part in spec.items():
        if key != "terminate_episode":
            assert part.minimum == -part.maximum


def test_action_spec_by_name():
    assert policy_specs.action_spec("food") == policy_specs.food_action_spec()
    assert policy_specs.action_spec("rt1") == policy_specs.rt1_action_spec()


def test_unknown_action_space():
    with pytest.raises(ValueError, match=r"one of \['food', 'rt1'\], got 'robot'"):
        policy_specs.action_spec("robot")


def test_observation_spec():
    spec = policy_specs.observation_spec()

    assert list(spec) == ["image", "natural_language_embedding"]
    image, embedding = spec.values()
    assert (image.shape, image.dtype) == ((236, 236, 3), tf.uint8)
    assert (image.minimum, image.maximum) == (0, 255)
    assert (embedding.shape, embedding.dtype) == ((512,), tf.float32)


def test_observation_spec_of_another_size():
    spec = policy_specs.observation_spec(image_height=256, image_width=320)

    assert spec["image"].shape == (256, 320, 3)


def test_example_observation_with_time():
    example = policy_specs.example_observation(2, num_steps=3)

    assert example["image"].shape == (2, 3, 236, 236, 3)
    assert example["image"].dtype == tf.uint8
    assert np.unique(example["image"]).tolist() == [127]
    assert example["natural_language_embedding"].shape == (2, 3, 512)
    norms = np.linalg.norm(example["natural_language_embedding"], axis=-1)
    np.testing.assert_allclose(norms, 1.0, rtol=1e-6)


def test_example_observation_fits_the_given_spec():
    with small_model.gin_bindings(*small_model.BINDINGS):
        spec = policy_specs.observation_spec()

    example = policy_specs.example_observation(5, spec=spec)

    assert example["image"].shape == (5, small_model.SIDE, small_model.SIDE, 3)
    assert nest_utils.is_batched_nested_tensors(example, spec)


def test_policy_spec_holds_time_step_and_action():
    spec = policy_specs.policy_spec()

    assert spec["time_step"] == time_step.time_step_spec(policy_specs.observation_spec())
    assert spec["policy_step"].action == policy_specs.food_action_spec()
    assert policy_specs.policy_spec("rt1")["policy_step"].action == policy_specs.rt1_action_spec()


def test_committed_specs_file_is_what_the_code_writes(tmp_path):
    path = tmp_path / "policy_specs.pbtxt"
    policy_specs.write_specs_file(path)

    assert path.read_text() == policy_specs.SPECS_FILE.read_text()


def test_specs_file_reads_back():
    spec = tensor_spec.from_pbtxt_file(str(policy_specs.SPECS_FILE))

    assert spec["policy_step"].action == policy_specs.food_action_spec()
    assert spec["time_step"].observation == policy_specs.observation_spec()
