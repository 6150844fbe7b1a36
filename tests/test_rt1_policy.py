"""RT-1's own control: two interleaved episodes of a small network answer as the agent's policy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tensorflow as tf

import rt1_policy
from tests import small_model

BINDINGS = (
    *small_model.BINDINGS,
    *small_model.RT1_ACTIONS,
    "TransformerNetwork.time_sequence_length = 3",
    "observation_spec.image_width = 80",
    "EfficientNetEncoder.image_size = None",
)


def test_two_interleaved_episodes_are_two_policies(tmp_path):
    agent = small_model.build(*BINDINGS)
    agent.weights_checkpoint().write(str(tmp_path / "ckpt-1"))
    (tmp_path / "small.gin").write_text("\n".join(BINDINGS))
    with small_model.gin_bindings():
        policy = rt1_policy.RT1Policy.load(tmp_path / "ckpt-1", str(tmp_path / "small.gin"))
    policy.warm_up()
    assert policy.image_shape == (64, 80, 3) and len(policy.action_shapes) == 6
    images, vectors = small_model.images(0, 5, 2), small_model.embeddings(0, 2)
    images = np.concatenate([images, images[:, :, :, :16]], axis=3)
    theirs, expected = agent.sequence_agent.policy, {}
    states, seen = {}, set()
    for step, episode in itertools.product(range(5), range(2)):
        image, state = images[step, episode], states.get(episode, policy.initial_state())
        action, states[episode] = policy.step(image, vectors[episode], state)
        now = {"image": image[np.newaxis], "natural_language_embedding": vectors[[episode]]}
        now = small_model.step(tf.nest.map_structure(tf.constant, now))
        before = expected[episode].state if episode in expected else theirs.get_initial_state(1)
        expected[episode] = theirs.action(now, before)
        for key, value in expected[episode].action.items():
            np.testing.assert_allclose(action[key], value[0], atol=1e-5)
        seen.add(action["world_vector"].tobytes())
    assert len(seen) > 1  # It does look.
    with pytest.raises(ValueError, match=r"image: expected .*uint8 \[64, 80, 3\], got float64"):
        policy.step(image / 255, vectors[0], states[0])
    with pytest.raises(ValueError, match="natural_language_embedding: expected finite"):
        policy.step(image, vectors[0] * np.nan, states[0])
