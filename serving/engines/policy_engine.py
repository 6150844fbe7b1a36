"""RT-1's own control step for one robot: a window of T steps, every action token in one pass.

The answers are `SequencePolicy.action`'s, without dropout, from copies of the weights in frozen
graphs. The robot's loop holds the state:

    engine = PolicyEngine(agent)
    state = engine.initial_state()
    while True:
        action, state = engine.action(image, embedding, state)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tf_agents.utils import common

import agent_wrapper
import policy_specs
import transformer_network
from serving.engines import batch_norm_folding, einsum_rewriting, frozen_graph

State = dict[str, np.ndarray]


class PolicyEngine:
    """Runs an agent's policy; the agent may change or go afterwards. Threads may share it."""

    def __init__(self, agent: agent_wrapper.Agent) -> None:
        """Args:
        agent: of any action space and number of steps.
        """
        policy = agent.sequence_agent.policy
        image = policy.time_step_spec.observation[policy_specs.IMAGE_KEY]
        self._image = tf.TensorSpec((1, *image.shape), image.dtype)
        self._action_spec = dict(policy.action_spec)
        self._state_spec = dict(policy.policy_state_spec)
        # In two graphs, because only the first may be fused: see `FrozenFunction`.
        features = _freeze_features(agent.network, self._image)
        self._features = frozen_graph.FrozenFunction(features, fuse=True)
        self._step = frozen_graph.FrozenFunction(self._freeze_step(agent.network))

    def initial_state(self) -> State:
        """At the beginning of an episode."""
        return {
            key: np.zeros((1, *spec.shape), spec.dtype.as_numpy_dtype)
            for key, spec in self._state_spec.items()
        }

    def action(
        self, image: np.ndarray, embedding: np.ndarray, state: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, np.ndarray], State]:
        """One step.

        Args:
            image: [1, H, W, 3], of the agent's dtype.
            embedding: float32 [1, 512].
            state: after the step before.

        Returns:
            [1, d] for each key of the action spec, clipped to it, and the state after the step.

        Raises:
            ValueError: if the agent takes other images or embeddings.
        """
        image = np.asarray(image)
        if image.shape != tuple(self._image.shape) or image.dtype != self._image.dtype:
            raise ValueError(
                f"action: expected an image {self._image.dtype.name} {list(self._image.shape)}, "
                f"got {image.dtype} {list(image.shape)}."
            )
        embedding = np.asarray(embedding)
        if embedding.shape != (1, policy_specs.EMBEDDING_SIZE) or embedding.dtype != np.float32:
            raise ValueError(
                f"action: expected an embedding float32 [1, {policy_specs.EMBEDDING_SIZE}], got "
                f"{embedding.dtype} {list(embedding.shape)}."
            )
        (features,) = self._features(image, embedding)
        results = self._step(features, *(state[key] for key in self._state_spec))
        specs = {**self._action_spec, **self._state_spec}
        named = {
            key: result.astype(spec.dtype.as_numpy_dtype)
            for (key, spec), result in zip(specs.items(), results)
        }
        return (
            {key: named[key] for key in self._action_spec},
            {key: named[key] for key in self._state_spec},
        )

    def _freeze_step(
        self, network: transformer_network.TransformerNetwork
    ) -> frozen_graph.FrozenGraph:
        """(features [1, N, D], *state) -> (*actions, *state), all as float32."""

        def step(features: tf.Tensor, *state: tf.Tensor) -> list[tf.Tensor]:
            observation = {transformer_network.FEATURES_KEY: features}
            before = dict(zip(self._state_spec, state))
            outputs, after = network.policy_step(observation, before)
            action = network.actions(outputs)
            results = [
                common.clip_to_spec(action[key], spec) for key, spec in self._action_spec.items()
            ]
            results += [after[key] for key in self._state_spec]
            # Counts and tokens are small integers, which float32 holds.
            return [tf.cast(tf.identity(result), tf.float32) for result in results]

        encoder = network.parts()["efficientnet"]
        positions = encoder.num_features(*self._image.shape[1:3])
        features = tf.TensorSpec((1, positions, encoder.conv1x1.filters), tf.float32)
        state = (tf.TensorSpec((1, *spec.shape), spec.dtype) for spec in self._state_spec.values())
        return einsum_rewriting.replace_einsums(frozen_graph.freeze(step, (features, *state)))


def _freeze_features(
    network: transformer_network.TransformerNetwork, image: tf.TensorSpec
) -> frozen_graph.FrozenGraph:
    """(image [1, H, W, 3], embedding [1, 512]) -> features [1, N, D]."""

    def features(image: tf.Tensor, embedding: tf.Tensor) -> tf.Tensor:
        observation = {
            policy_specs.IMAGE_KEY: image[:, tf.newaxis],
            policy_specs.EMBEDDING_KEY: embedding[:, tf.newaxis],
        }
        return network.image_features(observation)

    embedding = tf.TensorSpec((1, policy_specs.EMBEDDING_SIZE), tf.float32)
    return batch_norm_folding.fold_batch_norms(frozen_graph.freeze(features, (image, embedding)))
