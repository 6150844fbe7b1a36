"""SequenceAgent and SequencePolicy: RT-1 as a TF-Agents agent that learns from recorded sequences.

One hop from the train step to the loss: `_train` -> `_loss` -> `losses.cross_entropy` /
`losses.regression`.
"""

from __future__ import annotations

import keras2  # noqa: F401

from collections.abc import Mapping

import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.policies import tf_policy
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import policy_step, time_step, trajectory

import losses
import transformer_network
from checkpoints import variable_names
from training import micro_batches, step_checks

# Loss, metrics, gradients.
_Results = tuple[tf.Tensor, dict[str, tf.Tensor], list[tf.Tensor]]
# What the loss functions report; the loop over micro-batches has to know it beforehand.
_METRICS = {"cross_entropy": ["token_accuracy"], "l1": ["mae"], "smooth_l1": ["mae"]}


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
        accumulation_steps: int = 1,
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
            accumulation_steps: a batch is computed in so many micro-batches, one after the other.
                Its gradient is the same but for BatchNorm, which sees one micro-batch at a time.
        """
        self._actor_network = actor_network
        self._optimizer = optimizer
        self._seed = seed
        self._accumulation_steps = accumulation_steps
        policy = SequencePolicy(time_step_spec, action_spec, actor_network, dropout_at_inference)
        if train_step_counter is None:
            train_step_counter = tf.Variable(
                0,
                dtype=tf.int64,
                name="global_step",
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )
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
        step_weights = _step_weights(experience, weights)
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
            The loss before the step; extra holds its metrics and 'gradient_norm', over all
            variables and before clipping.

        Raises:
            tf.errors.InvalidArgumentError: for a NaN or infinite loss or gradient; names the step
                and the variables.
        """
        statistics = step_checks.moving_statistics(self._actor_network)
        before = [tf.identity(variable) for variable in statistics]
        variables = self._actor_network.used_trainable_variables
        results = self._accumulated(experience, weights, variables)
        loss, metrics, gradients = _sum_over_devices(results)
        squares = tf.stack([tf.nn.l2_loss(gradient) for gradient in gradients])
        norm = tf.sqrt(2.0 * tf.reduce_sum(squares))
        is_finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)
        with tf.control_dependencies([step_checks.undo_unless(is_finite, statistics, before)]):
            checks = step_checks.check_finite(
                loss, squares, self._names(variables), self.train_step_counter
            )
        with tf.control_dependencies([check for check in checks if check is not None]):
            pairs = list(zip(gradients, variables))
            # They are the sum over devices already.
            self._optimizer.apply_gradients(pairs, skip_gradients_aggregation=True)
            self.train_step_counter.assign_add(1)
        return tf_agent.LossInfo(loss, {**metrics, "gradient_norm": norm})

    def _accumulated(
        self,
        experience: trajectory.Trajectory,
        weights: tf.Tensor | None,
        variables: list[tf.Variable],
    ) -> _Results:
        """Loss, metrics and gradients of this device's share of the batch, in as many pieces as
        `accumulation_steps`: what it adds to those of the whole batch."""
        step = tf.cast(self.train_step_counter, tf.int32)
        seed = tf.stack([tf.constant(self._seed, tf.int32), step])
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            # Other samples, other units; one mask for all devices would be less noise.
            device = tf.cast(context.replica_id_in_sync_group, tf.int32)
            seed = tf.random.experimental.stateless_fold_in(seed, device)
        step_weights = _step_weights(experience, weights)
        total = _sum_over_devices(tf.reduce_sum(step_weights))
        if self._accumulation_steps == 1:
            return self._gradients(experience, weights, variables, seed, total)

        def compute(piece: tuple, index: tf.Tensor) -> _Results:
            part, part_weights = piece
            piece_seed = tf.random.experimental.stateless_fold_in(seed, index)
            return self._gradients(part, part_weights, variables, piece_seed, total)

        if weights is None or not weights.shape.rank:
            weights = tf.fill(tf.shape(step_weights)[:1], 1.0 if weights is None else weights)
        zeros = (0.0, dict.fromkeys(_METRICS[self._actor_network.loss_type], 0.0))
        zeros = tf.nest.map_structure(tf.constant, zeros)
        zeros = (*zeros, [tf.zeros(variable.shape) for variable in variables])
        return micro_batches.sum_over_micro_batches(
            compute, (experience, weights), self._accumulation_steps, zeros
        )

    def _gradients(
        self,
        experience: trajectory.Trajectory,
        weights: tf.Tensor | None,
        variables: list[tf.Variable],
        seed: tf.Tensor,
        total: tf.Tensor,
    ) -> _Results:
        """Loss, metrics and gradients of one piece, times its share of the batch.

        The share has to be part of what is differentiated, because through BatchNorm's statistics
        the loss of one device depends on what others have.
        """
        share = tf.reduce_sum(_step_weights(experience, weights)) / total
        with tf.GradientTape() as tape:
            info = self._loss(experience, weights, training=True, seed=seed)
            loss = share * info.loss
        gradients = tape.gradient(loss, variables)
        step_checks.check_all_have_gradients(gradients, variables)
        metrics = {name: share * value for name, value in info.extra.items() if name != "outputs"}
        return loss, metrics, gradients

    def _names(self, variables: list[tf.Variable]) -> list[str]:
        """Paths of attributes, because Keras' names ('kernel:0') repeat."""
        paths = variable_names.variables_by_path(self._actor_network)
        names = {id(variable): path for path, variable in paths.items()}
        return [names.get(id(variable), variable.name) for variable in variables]


def _step_weights(experience: trajectory.Trajectory, weights: tf.Tensor | None) -> tf.Tensor:
    """float32 [B, T]: 0 for steps that do not count, else the weight of their sample."""
    step_weights = tf.cast(experience.step_type != time_step.StepType.LAST, tf.float32)
    return step_weights if weights is None else step_weights * tf.reshape(weights, (-1, 1))


def _sum_over_devices(values: object) -> object:
    """The sum of what the devices of a `tf.distribute.Strategy` have, the same on every device.

    Args:
        values: float tensors of this device, in any structure.

    Returns:
        The same structure.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return values
    return context.all_reduce(tf.distribute.ReduceOp.SUM, values)
