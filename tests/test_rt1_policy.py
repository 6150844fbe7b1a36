"""RT-1's own control: two interleaved episodes of a small network answer as the agent's policy."""

from __future__ import annotations

import keras2  # noqa: F401

import gin
import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step

import agent_wrapper
import rt1_policy

CONFIG = """
Agent.action_space = "rt1"
TransformerNetwork.loss_type = "cross_entropy"
TransformerNetwork.time_sequence_length = 3
TransformerNetwork.token_embedding_size = 64
observation_spec.image_height = 64
observation_spec.image_width = 80
FilmEfficientNet.variant = "small"
EfficientNetEncoder.image_size = None
Transformer.num_layers = 1
Transformer.num_heads = 2
Transformer.key_dim = 16
Transformer.feed_forward_size = 64
"""


def test_two_interleaved_episodes_are_two_policies(tmp_path):
    (tmp_path / "small.gin").write_text(CONFIG)
    gin.parse_config(CONFIG)
    tf.keras.utils.set_random_seed(3)
    agent = agent_wrapper.Agent(tf.keras.optimizers.Adam())
    tf.train.Checkpoint(agent=agent).write(str(tmp_path / "ckpt-1"))
    gin.clear_config()
    policy = rt1_policy.RT1Policy.load(tmp_path / "ckpt-1", str(tmp_path / "small.gin"))
    policy.warm_up()
    assert policy.image_shape == (64, 80, 3) and len(policy.action_shapes) == 6

    random = np.random.default_rng(0)
    vectors = random.standard_normal((2, 512)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    expected_states = [agent.sequence_agent.policy.get_initial_state(1) for _ in range(2)]
    states, seen = [policy.initial_state() for _ in range(2)], []
    for _ in range(5):
        for episode in range(2):
            image = random.integers(0, 256, (64, 80, 3), np.uint8)
            action, states[episode] = policy.step(image, vectors[episode], states[episode])
            now = {"image": image[np.newaxis], "natural_language_embedding": vectors[[episode]]}
            now = tf.nest.map_structure(tf.constant, now)
            answer = agent.sequence_agent.policy.action(
                time_step.transition(now, tf.zeros(1)), expected_states[episode]
            )
            expected_states[episode] = answer.state
            for key, value in answer.action.items():
                np.testing.assert_allclose(action[key], value[0], atol=1e-5)
            seen.append(action["world_vector"])
    assert len({one.tobytes() for one in seen}) > 1  # It does look.

    with pytest.raises(ValueError, match=r"expected uint8 \[64, 80, 3\], got float64"):
        policy.step(image / 255, vectors[0], states[0])
    with pytest.raises(ValueError, match="finite"):
        policy.step(image, vectors[0] * np.nan, states[0])
