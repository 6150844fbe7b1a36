"""RT-1's step as frozen graphs: the policy's answers over an episode longer than its window."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step

import policy_specs
from serving.engines import policy_engine
from tests import small_model

pytest_plugins = ["tests.model_fixtures"]


@pytest.fixture(scope="module")
def engine(rt1_agent) -> policy_engine.PolicyEngine:
    return policy_engine.PolicyEngine(rt1_agent)


def test_an_episode_is_the_policys(rt1_agent, engine):
    """Five steps through a window of three."""
    policy = rt1_agent.sequence_agent.policy
    images, embeddings = small_model.images(0, 5), small_model.embeddings(1, 5)
    state, expected_state = engine.initial_state(), policy.get_initial_state(1)
    answers = []
    for step in range(5):
        image, embedding = images[step : step + 1], embeddings[step : step + 1]
        observation = {
            policy_specs.IMAGE_KEY: tf.constant(image),
            policy_specs.EMBEDDING_KEY: tf.constant(embedding),
        }
        expected = policy.action(time_step.transition(observation, tf.zeros(1)), expected_state)
        expected_state = expected.state

        action, state = engine.action(image, embedding, state)

        tf.nest.assert_same_structure(action, dict(expected.action))
        for key, value in expected.action.items():
            np.testing.assert_allclose(action[key], value, atol=1e-5, err_msg=key)
            assert action[key].dtype == value.dtype.as_numpy_dtype
        for key, value in expected_state.items():
            np.testing.assert_allclose(state[key], value, rtol=1e-5, atol=1e-5, err_msg=key)
            assert state[key].dtype == value.dtype.as_numpy_dtype
        answers.append(np.concatenate([value.ravel() for value in action.values()]))
    assert state["seq_idx"].tolist() == [[3]]
    assert len({answer.tobytes() for answer in answers}) > 1


def test_another_image_is_refused(engine):
    state = engine.initial_state()
    with pytest.raises(ValueError, match=r"expected an image uint8 \[1, 64, 64, 3\], got float32"):
        engine.action(np.zeros((1, 64, 64, 3), np.float32), small_model.embeddings(0, 1), state)


def test_another_embedding_is_refused(engine):
    with pytest.raises(ValueError, match=r"expected an embedding float32 \[1, 512\], got float64"):
        engine.action(small_model.images(0, 1), np.zeros((1, 512)), engine.initial_state())
