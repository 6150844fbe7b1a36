"""RT-1's own control: an image and an instruction at each step, a robot's action out of it.

    policy = RT1Policy.load("rt1main/ckpt-424760", "configs/rt1main.gin")
    state = policy.initial_state()
    action, state = policy.step(image, embedding, state)
    action["world_vector"]  # float32 [3]

The state is the rolling window of the last `time_sequence_length` steps (arXiv 2212.06817, section
5.1: six), so each episode has a state of its own and begins with a new one.
"""

from __future__ import annotations

import keras2  # noqa: F401

import os
import pathlib
from typing import Any

import numpy as np
import tensorflow as tf
from tf_agents.trajectories import time_step

import agent_wrapper
import checkpoint_loading
import policy_specs


class RT1Policy:
    """An agent that acts; threads may share it, each with states of its own. `version` names the
    checkpoint, `image_shape` is (H, W, 3), `action_shapes` has the shape of each part of an action.
    """

    def __init__(self, agent: agent_wrapper.Agent, version: str) -> None:
        """`agent` has its weights."""
        self._policy, self.version = agent.sequence_agent.policy, version
        observed, actions = self._policy.time_step_spec.observation, self._policy.action_spec
        self.image_shape = tuple(observed[policy_specs.IMAGE_KEY].shape)
        self.action_shapes = {key: tuple(spec.shape) for key, spec in actions.items()}
        self._act = tf.function(self._policy.action, autograph=False)

    @classmethod
    def load(
        cls, checkpoint_path: str | os.PathLike[str], config_file: str | None = None
    ) -> RT1Policy:
        """Loads a public RT-1 checkpoint; without a gin file as the config.gin beside it says.
        Raises OSError or ValueError if it cannot be loaded."""
        agent, report = checkpoint_loading.load_agent(checkpoint_path, config_file)
        return cls(agent, pathlib.Path(report.prefix).name)

    def warm_up(self) -> None:
        """Traces the step, so that the first episode does not wait."""
        grey = np.full(self.image_shape, 127, np.uint8)
        embedding = np.full(policy_specs.EMBEDDING_SIZE, 0.04, np.float32)
        self.step(grey, embedding, self.initial_state())

    def initial_state(self) -> Any:
        """Of an episode before its first step."""
        return self._policy.get_initial_state(1)

    def step(
        self, image: np.ndarray, embedding: np.ndarray, state: Any
    ) -> tuple[dict[str, np.ndarray], Any]:
        """One step of an episode: the action (key -> array, in the ranges of
        `policy_specs.action_spec("rt1")`), and the state after it; `initial_state` is the first.

        `image` is uint8 [H, W, 3] of `image_shape`, RGB; `embedding` float32 [512], that of the
        instruction (Universal Sentence Encoder). Raises ValueError for another shape or type, or an
        embedding that is not finite; FloatingPointError if the action is not finite.
        """
        observation = {policy_specs.IMAGE_KEY: image, policy_specs.EMBEDDING_KEY: embedding}
        expected = (self.image_shape, "uint8"), ((policy_specs.EMBEDDING_SIZE,), "float32")
        for (name, value), (shape, dtype) in zip(observation.items(), expected):
            if value.shape != shape or value.dtype != dtype or not np.isfinite(value).all():
                got = f"{value.dtype} {list(value.shape)}"
                raise ValueError(f"{name}: expected finite {dtype} {list(shape)}, got {got}.")
        observation = {name: value[np.newaxis] for name, value in observation.items()}
        now = time_step.transition(tf.nest.map_structure(tf.constant, observation), tf.zeros(1))
        answer = self._act(now, state)
        action = {key: value.numpy()[0] for key, value in answer.action.items()}
        if not all(np.isfinite(value).all() for value in action.values()):
            raise FloatingPointError(f"Expected finite actions of {self.version}, got {action}.")
        return action, answer.state
