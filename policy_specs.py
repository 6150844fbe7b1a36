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
from collections.abc import Mapping

import gin
import numpy as np

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


def _float_spec(size: int, low: float, high: float, name: str) -> tensor_spec.BoundedTensorSpec:
    import tensorflow as tf
    from tf_agents.specs import tensor_spec

    return tensor_spec.BoundedTensorSpec((size,), tf.float32, low, high, name)


def food_action_spec() -> dict[str, tensor_spec.BoundedTensorSpec]:
    """Execution parameters of food acquisition: {'bbox': float32 [4] in 0..1}, four tokens."""
    return {ACTION_KEY: _float_spec(NUM_COORDINATES, 0.0, 1.0, ACTION_KEY)}


def rt1_action_spec() -> dict[str, tensor_spec.BoundedTensorSpec]:
    """The robot action of the public RT-1 checkpoints: eleven action tokens, in this order.

    `terminate_episode` is one-hot int32 [3] and becomes one token; the others are float32 and
    become one token per dimension. Ranges are those of the public `policy_specs.pbtxt`.
    """
    import tensorflow as tf
    from tf_agents.specs import tensor_spec

    return {
        "terminate_episode": tensor_spec.BoundedTensorSpec(
            (3,), tf.int32, 0, 1, "terminate_episode"
        ),
        "world_vector": _float_spec(3, -1.0, 1.0, "world_vector"),
        "rotation_delta": _float_spec(3, -math.pi / 2, math.pi / 2, "rotation_delta"),
        "gripper_closedness_action": _float_spec(1, -1.0, 1.0, "gripper_closedness_action"),
        "base_displacement_vertical_rotation": _float_spec(
            1, -math.pi, math.pi, "base_displacement_vertical_rotation"
        ),
        "base_displacement_vector": _float_spec(2, -1.0, 1.0, "base_displacement_vector"),
    }


ACTION_SPACES = {"food": food_action_spec, "rt1": rt1_action_spec}


def action_spec(action_space: str) -> dict[str, tensor_spec.BoundedTensorSpec]:
    """The action spec called `action_space` ('food' or 'rt1').

    Raises:
        ValueError: if there is no such action space.
    """
    if action_space not in ACTION_SPACES:
        raise ValueError(
            f"action_space: expected one of {sorted(ACTION_SPACES)}, got {action_space!r}."
        )
    return ACTION_SPACES[action_space]()


@gin.configurable
def observation_spec(
    image_height: int = IMAGE_SIZE, image_width: int = IMAGE_SIZE
) -> dict[str, tf.TypeSpec]:
    """Spec of one time step's observation, without batch and time axes.

    Args:
        image_height: H, pixels; the public RT-1 checkpoints were trained on 256 x 320.
        image_width: W, pixels.

    Returns:
        {'image': uint8 [H, W, 3] in 0..255, 'natural_language_embedding': float32 [512]}
    """
    import tensorflow as tf
    from tf_agents.specs import tensor_spec

    image_shape = (image_height, image_width, 3)
    return {
        IMAGE_KEY: tensor_spec.BoundedTensorSpec(image_shape, tf.uint8, 0, 255, IMAGE_KEY),
        EMBEDDING_KEY: tf.TensorSpec((EMBEDDING_SIZE,), tf.float32, EMBEDDING_KEY),
    }


def example_observation(
    batch_size: int, num_steps: int | None = None, spec: Mapping[str, tf.TypeSpec] | None = None
) -> dict[str, tf.Tensor]:
    """A grey image and a unit embedding that fit the spec: builds networks, warms servers up, feeds
    tests.

    Args:
        batch_size: B.
        num_steps: T; None leaves the time axis out.
        spec: an observation spec; `observation_spec()` unless given.

    Returns:
        {'image': uint8 [B, (T,) H, W, 3], 'natural_language_embedding': float32 [B, (T,) 512]}
    """
    import tensorflow as tf

    spec = spec or observation_spec()
    outer = (batch_size,) if num_steps is None else (batch_size, num_steps)
    size = spec[EMBEDDING_KEY].shape[-1]
    return {
        IMAGE_KEY: tf.fill((*outer, *spec[IMAGE_KEY].shape), tf.constant(127, tf.uint8)),
        EMBEDDING_KEY: tf.fill((*outer, size), np.float32(1.0 / math.sqrt(size))),
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
