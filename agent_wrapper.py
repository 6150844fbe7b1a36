"""Agent: the one object that training and serving share.

It owns the network as `_actor_network` and the optimizer as `_actor_optimizer`, so that
`tf.train.Checkpoint(agent=agent)` writes the keys of the public RT-1 checkpoints.
"""

from __future__ import annotations

import keras2  # noqa: F401

import functools
from collections.abc import Callable

import gin
import numpy as np
import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.trajectories import time_step, trajectory

import dropout_settings
import policy_specs
import prediction_functions
import sequence_agent
import transformer_network


@gin.configurable(denylist=["optimizer", "seed", "accumulation_steps"])
class Agent(tf.Module):
    """An RT-1 model: network, optimizer, TF-Agents agent, and `forward` for serving.

    Attributes:
        network: the one network.
        optimizer: that of the network.
        dropout_settings: all dropout rates.
        sequence_agent: the TF-Agents agent: loss, train, policy.
        loss_function: `sequence_agent.loss`, without dropout, traced.
        global_step: int64 variable, train steps done.
        has_distributions: whether answers are drawn from distributions over tokens.
        action_coding: what the tokens stand for, see `RT1ActionTokenizer`.
    """

    def __init__(
        self,
        optimizer: tf.keras.optimizers.Optimizer,
        seed: int = 0,
        accumulation_steps: int = 1,
        action_space: str = "food",
    ):
        """Builds everything with random weights. `optimizer`, `seed` and `accumulation_steps` are
        those of `SequenceAgent`; `action_space` is 'food' (execution parameters) or 'rt1' (robot
        actions), see `policy_specs`."""
        super().__init__(name="agent")
        observation_spec = policy_specs.observation_spec()
        action_spec = policy_specs.action_spec(action_space)
        self.dropout_settings = dropout_settings.DropoutSettings()
        self._actor_network = transformer_network.TransformerNetwork(
            observation_spec, action_spec, self.dropout_settings
        )
        self._actor_optimizer = optimizer
        self._build_untracked(observation_spec, action_spec, seed, accumulation_steps)

    @tf.__internal__.tracking.no_automatic_dependency_tracking
    def _build_untracked(
        self, observation_spec: dict, action_spec: dict, seed: int, accumulation_steps: int
    ) -> None:
        """What the checkpoint must not see: its variables already have their keys."""
        self.network, self.optimizer = self._actor_network, self._actor_optimizer
        self.sequence_agent = sequence_agent.SequenceAgent(
            time_step.time_step_spec(observation_spec),
            action_spec,
            self.network,
            self.optimizer,
            seed,
            accumulation_steps,
        )
        self.global_step = self.sequence_agent.train_step_counter
        self.has_distributions = self.network.loss_type == "cross_entropy"
        self.action_coding = self.network.action_tokenizer.coding
        # Nothing here needs AutoGraph, whose conversion of all that is called doubles tracing time.
        trace = functools.partial(tf.function, reduce_retracing=True, autograph=False)
        train = self.sequence_agent.train
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            train = sequence_agent.on_devices(train)
        self._train_function = trace(train)
        self.loss_function = trace(self.sequence_agent.loss)
        self._image_shape = observation_spec[policy_specs.IMAGE_KEY].shape
        self._action_keys = list(action_spec)
        # One trace for each image dtype, whatever the batch size and the number of samples.
        self._functions = {
            dtype: prediction_functions.PredictionFunctions(
                self.network, action_spec, self._image_shape, dtype
            )
            for dtype in (tf.uint8, tf.float32)
        }

    @property
    def steps_done(self) -> int:
        """The global step as a number; a variable on several devices is none."""
        return int(self.global_step.numpy())

    @property
    def optimizer_has_slots(self) -> bool:
        """Whether the optimizer has made its variables (beside the step and the learning rate)."""
        return len(self._actor_optimizer.variables) > 2

    def build_optimizer(self) -> None:
        """Makes the optimizer's variables unless they exist; what learns is settled then, and an
        average of the weights begins with those of this moment."""
        if not self.optimizer_has_slots:
            self._actor_optimizer.build(self.network.used_trainable_variables)

    @property
    def train_function(self) -> Callable[[trajectory.Trajectory], tf_agent.LossInfo]:
        """`sequence_agent.train` as a `tf.function`, traced once for each batch shape."""
        # Not while tracing, where making a thousand variables takes a minute.
        self.build_optimizer()
        return self._train_function

    def checkpoint(self) -> tf.train.Checkpoint:
        """All that a run goes on from: network, optimizer and step counter, under RT-1's keys."""
        return tf.train.Checkpoint(agent=self, global_step=self.global_step)

    def weights_checkpoint(self) -> tf.train.Checkpoint:
        """All that serving and fine-tuning need: the network, under the same keys."""
        holder = tf.Module()
        holder._actor_network = self._actor_network
        return tf.train.Checkpoint(agent=holder, global_step=self.global_step)

    def prediction_functions(
        self, image_dtype: tf.DType = tf.uint8
    ) -> prediction_functions.PredictionFunctions:
        """What `forward` runs for images of a dtype, and its parts; ValueError if the agent is not
        one that `forward` can answer with."""
        steps = self.network.time_sequence_length
        if policy_specs.ACTION_KEY not in self._action_keys or steps > 1:
            raise ValueError(
                "Agent.forward: expected execution parameters from one image, got the actions "
                f"{self._action_keys}, time_sequence_length {steps}: use sequence_agent.policy."
            )
        return self._functions[image_dtype]

    def forward(
        self,
        image: np.ndarray | tf.Tensor,
        embedding: np.ndarray | tf.Tensor,
        *,
        dropout: str = "off",
        num_samples: int | None = None,
        seed: int | None = None,
    ) -> tf.Tensor:
        """Execution parameters for images and instructions, clipped to 0..1.

        Nothing in the agent changes, whatever the arguments: BatchNorm uses its moving statistics.

        Args:
            image: uint8 0..255 or float32 0..1, [B, H, W, 3] of the size the agent was built for.
            embedding: float32 [B, D].
            dropout: 'off'; 'head', image features once and dropout in TokenLearner and transformer;
                'full', dropout everywhere.
            num_samples: S, with dropout on; None for one sample without the axis S.
            seed: of the dropout; the same seed gives the same samples. None draws a fresh one.

        Returns:
            float32 [B, 4], or [S, B, 4] if num_samples is given.

        Raises:
            ValueError: if arguments do not fit the agent or each other.
        """
        return self._answers_and_outputs(image, embedding, dropout, num_samples, seed)[0]

    def forward_with_distributions(
        self,
        image: np.ndarray | tf.Tensor,
        embedding: np.ndarray | tf.Tensor,
        **sampling: object,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What `forward` answers to the same arguments, and in the same pass probabilities float32
        [B, 4, vocab_size], or [S, B, 4, vocab_size], of the four tokens, which mean what
        `action_coding` says; ValueError for an agent that regresses coordinates."""
        if not self.has_distributions:
            raise prediction_functions.no_distributions()
        answers, outputs = self._answers_and_outputs(image, embedding, **sampling)
        return answers, tf.nn.softmax(outputs)

    def _answers_and_outputs(
        self,
        image: np.ndarray | tf.Tensor,
        embedding: np.ndarray | tf.Tensor,
        dropout: str = "off",
        num_samples: int | None = None,
        seed: int | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        self.prediction_functions()  # Refuses an agent that cannot answer.
        prediction_functions.check_sampling(dropout, num_samples, seed)
        image, embedding = tf.convert_to_tensor(image), tf.convert_to_tensor(embedding)
        batch = image.shape[:1]
        shapes = [[*batch, *self._image_shape], [*batch, policy_specs.EMBEDDING_SIZE]]
        if (
            [list(image.shape), list(embedding.shape)] != shapes
            or image.dtype not in self._functions
            or embedding.dtype != tf.float32
        ):
            raise ValueError(
                f"Agent.forward: expected images uint8 or float32 {shapes[0]} and embeddings "
                f"float32 {shapes[1]}, got {image.dtype.name} {list(image.shape)} and "
                f"{embedding.dtype.name} {list(embedding.shape)}."
            )
        answer = self._functions[image.dtype].answers[dropout]
        if dropout == "off":
            return answer(image, embedding)
        seed = prediction_functions.fresh_seed() if seed is None else seed
        found = answer(image, embedding, num_samples or 1, tf.constant([seed, 0], tf.int32))
        return tuple(part[0] for part in found) if num_samples is None else found
