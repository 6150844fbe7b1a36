"""The committed specs file, which TF-Agents reads; golden d has RT-1's actions."""

from __future__ import annotations

import numpy as np
import pytest
from tf_agents.policies import policy_saver
from tf_agents.specs import tensor_spec

import policy_specs

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")


def test_the_committed_file_is_read_by_tf_agents_and_is_what_the_code_writes(food_agent, tmp_path):
    """As TF-Agents' own loaders of policies do it; the numbers are those of the food policy."""
    contents = tensor_spec.from_pbtxt_file(str(policy_specs.SPECS_FILE))
    specs = policy_saver.specs_from_collect_data_spec(contents)
    bbox = specs["action_spec"]["bbox"]
    assert (bbox.shape, bbox.dtype, bbox.minimum, bbox.maximum) == ((4,), np.float32, 0, 1)
    observation = specs["time_step_spec"].observation
    assert observation["image"].shape == (236, 236, 3)
    assert observation["natural_language_embedding"].shape == (512,)
    shapes = {"context_image_tokens": (1, 8, 512), "action_tokens": (1, 4), "seq_idx": (1,)}
    assert {key: part.shape for key, part in specs["policy_state_spec"].items()} == shapes
    # Of a small network, whose window differs.
    policy, path = food_agent.sequence_agent.policy, tmp_path / "policy_specs.pbtxt"
    policy_specs.write_specs_file(policy, path)
    contents = tensor_spec.from_pbtxt_file(str(path))
    assert contents["collect_data_spec"].action == policy_specs.action_spec("food")
    assert contents["policy_state_spec"] == policy.policy_state_spec
