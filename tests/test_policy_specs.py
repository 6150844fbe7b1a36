"""The literals of the contract, and the committed specs file, which TF-Agents reads."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tf_agents.policies import policy_saver
from tf_agents.specs import tensor_spec
from tf_agents.utils import nest_utils

import policy_specs
from tests import small_model

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")


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
    floats = [part for key, part in spec.items() if key != "terminate_episode"]
    assert all(part.minimum == -part.maximum for part in floats)
    with pytest.raises(ValueError, match=r"one of \['food', 'rt1'\], got 'robot'"):
        policy_specs.action_spec("robot")


def test_example_observation_fits_its_spec():
    with small_model.gin_bindings(*small_model.BINDINGS):
        spec = policy_specs.observation_spec()
    example = policy_specs.example_observation(5, spec=spec)
    assert nest_utils.is_batched_nested_tensors(example, spec)
    example = policy_specs.example_observation(2, num_steps=3)
    assert example["image"].shape == (2, 3, 236, 236, 3)
    assert np.unique(example["image"]).tolist() == [127]
    norms = np.linalg.norm(example["natural_language_embedding"], axis=-1)
    np.testing.assert_allclose(norms, np.ones((2, 3)), rtol=1e-6)


def test_the_committed_file_is_read_by_tf_agents(food_agent):
    """As TF-Agents' own loaders of policies do it; the numbers are those of the food policy."""
    contents = tensor_spec.from_pbtxt_file(str(policy_specs.SPECS_FILE))
    specs = policy_saver.specs_from_collect_data_spec(contents)
    bbox = specs["action_spec"]["bbox"]
    assert (bbox.shape, bbox.dtype, bbox.minimum, bbox.maximum) == ((4,), np.float32, 0, 1)
    observation = specs["time_step_spec"].observation
    assert observation["image"].shape == (236, 236, 3)
    assert observation["natural_language_embedding"].shape == (512,)
    state = {key: tuple(part.shape) for key, part in specs["policy_state_spec"].items()}
    assert state == {
        "context_image_tokens": (1, 8, 512),
        "action_tokens": (1, 4),
        "seq_idx": (1,),
    }
    assert specs["info_spec"] == ()


def test_the_committed_file_is_what_the_code_writes(food_agent, tmp_path):
    """With the full-size network's window, in the place of the small one's."""
    policy = food_agent.sequence_agent.policy
    path = tmp_path / "policy_specs.pbtxt"
    policy_specs.write_specs_file(policy, path)
    contents = tensor_spec.from_pbtxt_file(str(path))
    assert contents["collect_data_spec"].action == policy_specs.food_action_spec()
    assert contents["policy_state_spec"] == policy.policy_state_spec
