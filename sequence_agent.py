"""SequenceAgent and SequencePolicy: RT-1 as a TF-Agents agent that learns from recorded sequences.

One hop from the train step to the loss: `_train` -> `_loss` -> `losses.cross_entropy` /
`losses.regression`.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.policies import tf_policy
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import policy_step, time_step, trajectory

import losses
import transformer_network


class SequencePolicy(tf_policy.TFPolicy):
    """Acts one step at a time; its state is the rolling window of image tokens.

    Actions are clipped to the spec. BatchNorm uses its moving statistics.
    """

    def __init__(
        self,
        time_step_spec: time_step.TimeStep,
        action_spec: Mapping[str, tensor_spec.BoundedTensorSpec],
        actor_network: transformer_network.TransformerNetwork,
        dropout_at_inference: bool = False,
    ):
        """Wraps the network.

        Args:
            time_step_spec: of one step.
            action_spec: of one step.
            actor_network: the network.
            dropout_at_inference: drop units; `action` then needs a seed.
        """
        self._actor_network = actor_network
        self._dropout_at_inference = dropout_at_inference
        super().__init__(
            time_step_spec, action_spec, policy_state_spec=actor_network.state_spec, clip=True
        )

    def _variables(self) -> list[tf.Variable]:
        return self._actor_network.variables

    def _action(
        self, time_step: time_step.TimeStep, policy_state: object, seed: tf.Tensor | None
    ) -> policy_step.PolicyStep:
        if self._dropout_at_inference and seed is None:
            raise ValueError(
                "SequencePolicy.action: expected seed, an int32 tensor [2], because "
                "DropoutSettings.at_inference is on; got None."
            )
        action, state = self._actor_network(
            time_step.observation,
            step_type=time_step.step_type,
            network_state=policy_state,
            seed=tf.convert_to_tensor(seed, tf.int32) if self._dropout_at_inference else None,
        )
        return policy_step.PolicyStep(action, state, ())

    def _distribution(self, time_step: time_step.TimeStep, policy_state: object) -> None:
        raise NotImplementedError(
            "SequencePolicy.distribution: RT-1 answers with actions; use action()."
        )


class SequenceAgent(tf_agent.TFAgent):
    """Behaviour cloning of sequences [B, T, ...] (arXiv 2212.06817, section 5.2)."""

    def __init__(
        self,
        time_step_spec: time_step.TimeStep,
        action_spec: Mapping[str, tensor_spec.BoundedTensorSpec],
        actor_network: transformer_network.TransformerNetwork,
        optimizer: tf.keras.optimizers.Optimizer,
        dropout_at_inference: bool = False,
        seed: int = 0,
        train_step_counter: tf.Variable | None = None,
    ):
        """Ties network, optimizer and policy together.

        Args:
            time_step_spec: of one step.
            action_spec: of one step.
            actor_network: the network; its `loss_type` chooses the loss.
            optimizer: a Keras optimizer.
            dropout_at_inference: passed on to the policy.
            seed: with the step counter it seeds all dropout in training.
            train_step_counter: int64 variable; a new one unless given.
        """
        self._actor_network = actor_network
        self._optimizer = optimizer
        self._seed = seed
        policy = SequencePolicy(time_step_spec, action_spec, actor_network, dropout_at_inference)
        if train_step_counter is None:
            train_step_counter = tf.Variable(0, dtype=tf.int64, name="global_step")
        super().__init__(
            time_step_spec,
            action_spec,
            policy,
            collect_policy=policy,
            train_sequence_length=actor_network.time_sequence_length,
            train_step_counter=train_step_counter,
        )

    def _loss(
        self,
        experience: trajectory.Trajectory,
        weights: tf.Tensor | None = None,
        training: bool = False,
        seed: tf.Tensor | None = None,
    ) -> tf_agent.LossInfo:
        """The loss of a batch.

        Args:
            experience: trajectories [B, T, ...].
            weights: float32 [B] or scalar, weights of the samples.
            training: BatchNorm's mode.
            seed: int32 [2], None for no dropout.

        Returns:
            The scalar loss and {'outputs': what the network gave, not clipped, **metrics}.
        """
        network = self._actor_network
        step_weights = tf.cast(experience.step_type != time_step.StepType.LAST, tf.float32)
        if weights is not None:
            step_weights *= tf.reshape(weights, (-1, 1))
        outputs = network.outputs(experience.observation, training, seed)
        if network.loss_type == "cross_entropy":
            labels = network.action_tokenizer.tokenize(experience.action)
            loss, metrics = losses.cross_entropy(outputs, labels, step_weights)
        else:
            labels = network.action_tokenizer.join(experience.action)
            loss, metrics = losses.regression(outputs, labels, step_weights, network.loss_type)
        return tf_agent.LossInfo(loss, {"outputs": outputs, **metrics})

    def _train(
        self, experience: trajectory.Trajectory, weights: tf.Tensor | None = None
    ) -> tf_agent.LossInfo:
        """One gradient step; a loss or gradient that is not finite stops it before any weight
        changes.

        Args:
            experience: trajectories [B, T, ...].
            weights: float32 [B] or scalar, weights of the samples.

        Returns:
            The loss before the step; extra also holds 'gradient_norm', over all variables.

        Raises:
            tf.errors.InvalidArgumentError: for a NaN or infinite loss or gradient.
        """
        step = tf.cast(self.train_step_counter, tf.int32)
        seed = tf.stack([tf.constant(self._seed, tf.int32), step])
        statistics = self._actor_network.non_trainable_variables
        before = [tf.identity(variable) for variable in statistics]
        with tf.GradientTape() as tape:
            info = self._loss(experience, weights, training=True, seed=seed)
        variables = self._actor_network.used_trainable_variables
        gradients = tape.gradient(info.loss, variables)
        _check_all_have_gradients(gradients, variables)
        norm = tf.linalg.global_norm(gradients)
        is_finite = tf.math.is_finite(info.loss) & tf.math.is_finite(norm)
        with tf.control_dependencies([_undo_unless(is_finite, statistics, before)]):
            checks = [
                tf.debugging.check_numerics(info.loss, "SequenceAgent: the loss is not finite"),
                tf.debugging.check_numerics(norm, "SequenceAgent: a gradient is not finite"),
            ]
        with tf.control_dependencies(checks):
            self._optimizer.apply_gradients(list(zip(gradients, variables)))
            self.train_step_counter.assign_add(1)
        return tf_agent.LossInfo(info.loss, {**info.extra, "gradient_norm": norm})


def _undo_unless(
    condition: tf.Tensor, variables: list[tf.Variable], before: list[tf.Tensor]
) -> tf.Tensor:
    """Gives BatchNorm its statistics back, which the forward pass has changed already."""

    def undo() -> tf.Tensor:
        for variable, value in zip(variables, before):
            variable.assign(value)
        return tf.constant(False)

    return tf.cond(condition, lambda: tf.constant(True), undo)


def _check_all_have_gradients(
    gradients: list[tf.Tensor | None], variables: list[tf.Variable]
) -> None:
    """A variable that the loss does not depend on would silently never learn."""
    idle = [v.name for g, v in zip(gradients, variables) if g is None]
    if idle:
        raise ValueError(
            f"SequenceAgent: expected a gradient for every variable, got none for {idle}."
        )
