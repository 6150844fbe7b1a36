"""The observation and the action: keys, shapes, ranges. Nothing else repeats these literals.

| key                        | dtype, range, unit                            | shape           |
|----------------------------|-----------------------------------------------|-----------------|
| image                      | uint8 0..255 on disk and on the wire, RGB;    | [B, T, H, W, 3] |
|                            | float32 0..1 in the network                   |                 |
| natural_language_embedding | float32, unit L2 norm                         | [B, T, 512]     |
| bbox (the food action)     | float32, x1, y1, x2, y2 in 0..1               | [B, T, 4]       |

Origin of the coordinates: top left corner of the picture, x to the right, y down. `bbox` is the
name that checkpoints and clients already use; what it holds are the execution parameters, the start
(x1, y1) and the end (x2, y2) of the motion, so x2 < x1 is allowed.

RT-1's own robot actions (arXiv 2212.06817, section 5.1) are the second action space; the public
checkpoints need it.

`python policy_specs.py` writes `policy_specs.pbtxt`, the specs of the food policy, for TF-Agents'
loaders (`policy_saver.specs_from_collect_data_spec`).
"""

from __future__ import annotations

import keras2  # noqa: F401

import math
import pathlib
import typing

import gin

if typing.TYPE_CHECKING:
    import tensorflow as tf
    from tf_agents.policies import tf_policy
    from tf_agents.specs import tensor_spec

# Functions import TensorFlow and TF-Agents themselves: that takes seconds, and what needs the
# literals alone, such as build_dataset.py, should start at once.
IMAGE_KEY = "image"
EMBEDDING_KEY = "natural_language_embedding"
ACTION_KEY = "bbox"
# In the place of images: what `TransformerNetwork.image_features` gives for them.
FEATURES_KEY = "image_features"
IMAGE_SIZE = 236
EMBEDDING_SIZE = 512
NUM_COORDINATES = 4
SPECS_FILE = pathlib.Path(__file__).with_name("policy_specs.pbtxt")
# Name, size, dtype, minimum and maximum of each part.
_ACTIONS = {
    "food": [(ACTION_KEY, NUM_COORDINATES, "float32", 0.0, 1.0)],
    "rt1": [
        ("terminate_episode", 3, "int32", 0, 1),
        ("world_vector", 3, "float32", -1.0, 1.0),
        ("rotation_delta", 3, "float32", -math.pi / 2, math.pi / 2),
        ("gripper_closedness_action", 1, "float32", -1.0, 1.0),
        ("base_displacement_vertical_rotation", 1, "float32", -math.pi, math.pi),
        ("base_displacement_vector", 2, "float32", -1.0, 1.0),
    ],
}


def action_spec(action_space: str) -> dict[str, tensor_spec.BoundedTensorSpec]:
    """What an action consists of, in the order of its tokens; ValueError for another name.

    'food': the execution parameters, four tokens. 'rt1': the robot action of the public checkpoints
    with the ranges of their `policy_specs.pbtxt`, eleven tokens: one for `terminate_episode`, which
    is one-hot, and one for each dimension of the others.
    """
    import tensorflow as tf
    from tf_agents.specs import tensor_spec

    if action_space not in _ACTIONS:
        raise ValueError(f"action_space: expected one of {[*_ACTIONS]}, got {action_space!r}.")
    return {
        name: tensor_spec.BoundedTensorSpec((size,), tf.as_dtype(dtype), low, high, name)
        for name, size, dtype, low, high in _ACTIONS[action_space]
    }


@gin.configurable
def observation_spec(
    image_height: int = IMAGE_SIZE, image_width: int = IMAGE_SIZE
) -> dict[str, tf.TypeSpec]:
    """Of one time step, without batch and time axes: {'image': uint8 [H, W, 3],
    'natural_language_embedding': float32 [512]}. RT-1 was trained on 256 x 320 pixels."""
    import tensorflow as tf
    from tf_agents.specs import tensor_spec

    image_shape = (image_height, image_width, 3)
    return {
        IMAGE_KEY: tensor_spec.BoundedTensorSpec(image_shape, tf.uint8, 0, 255, IMAGE_KEY),
        EMBEDDING_KEY: tf.TensorSpec((EMBEDDING_SIZE,), tf.float32, EMBEDDING_KEY),
    }


def write_specs_file(policy: tf_policy.TFPolicy, path: str | pathlib.Path = SPECS_FILE) -> None:
    """Writes a policy's specs as TF-Agents' `PolicySaver` does and its loaders expect them."""
    from tf_agents.specs import tensor_spec

    specs = {
        "collect_data_spec": policy.collect_data_spec,
        "policy_state_spec": policy.policy_state_spec,
    }
    tensor_spec.to_pbtxt_file(str(path), specs)


if __name__ == "__main__":
    import tensorflow as tf

    import agent_wrapper

    write_specs_file(agent_wrapper.Agent(tf.keras.optimizers.Adam()).sequence_agent.policy)
