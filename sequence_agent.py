"""SequenceAgent and SequencePolicy: RT-1 as a TF-Agents agent that learns from recorded sequences.

One hop from the train step to the loss: `SequenceAgent._train` calls `losses.imitation`.

A batch may be computed in pieces, one after the other (micro-batches), and shared among devices:
what they have is added up, so that the step is the one that one device would take with the whole
batch. Example: 5 samples on 2 devices are shares of 2 and 3; in 4 micro-batches, 2, 2 and 1.
"""

from __future__ import annotations

import keras2  # noqa: F401

import collections
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf
from tf_agents.agents import tf_agent
from tf_agents.policies import tf_policy
from tf_agents.specs import tensor_spec
from tf_agents.trajectories import policy_step, time_step, trajectory

import losses
import transformer_network


class SequencePolicy(tf_policy.TFPolicy):
    """Acts one step at a time, without dropout and with BatchNorm's moving statistics; its state is
    the rolling window of image tokens. Actions are clipped to the spec."""

    def __init__(
        self,
        time_step_spec: time_step.TimeStep,
        action_spec: Mapping[str, tensor_spec.BoundedTensorSpec],
        actor_network: transformer_network.TransformerNetwork,
    ):
        self._actor_network = actor_network
        super().__init__(
            time_step_spec, action_spec, policy_state_spec=actor_network.state_spec, clip=True
        )

    def _variables(self) -> list[tf.Variable]:
        return self._actor_network.variables

    def _action(
        self, time_step: time_step.TimeStep, policy_state: object, seed: tf.Tensor | None
    ) -> policy_step.PolicyStep:
        action, state = self._actor_network(
            time_step.observation, step_type=time_step.step_type, network_state=policy_state
        )
        return policy_step.PolicyStep(action, state, ())


class SequenceAgent(tf_agent.TFAgent):
    """Behaviour cloning of sequences [B, T, ...] (arXiv 2212.06817, section 5.2)."""

    def __init__(
        self,
        time_step_spec: time_step.TimeStep,
        action_spec: Mapping[str, tensor_spec.BoundedTensorSpec],
        actor_network: transformer_network.TransformerNetwork,
        optimizer: tf.keras.optimizers.Optimizer,
        seed: int = 0,
        accumulation_steps: int = 1,
    ):
        """Specs are of one step; `seed` and the step counter seed all dropout in training. A batch
        is computed in `accumulation_steps` micro-batches, one after the other: its gradient is the
        same but for BatchNorm, which sees one micro-batch at a time."""
        self._actor_network, self._optimizer = actor_network, optimizer
        self._seed, self._accumulation_steps = seed, accumulation_steps
        policy = SequencePolicy(time_step_spec, action_spec, actor_network)
        only_first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        counter = tf.Variable(0, dtype=tf.int64, name="global_step", aggregation=only_first)
        specs, length = (time_step_spec, action_spec), actor_network.time_sequence_length
        super().__init__(*specs, policy, policy, length, train_step_counter=counter)

    def _loss(
        self,
        experience: trajectory.Trajectory,
        weights: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf_agent.LossInfo:
        """The loss of trajectories [B, T, ...], for validation; `weights` as in `train`. Returns
        the scalar and {'outputs': what the network gave, not clipped, **metrics}."""
        network = self._actor_network
        outputs = network.outputs(experience.observation, training)
        labels, step_weights = self._labels(experience.action), _step_weights(experience, weights)
        loss, metrics = losses.imitation(outputs, labels, step_weights, network.loss_type)
        return tf_agent.LossInfo(loss, {"outputs": outputs, **metrics})

    def _labels(self, action: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Tokens int32 [B, T, A], or what is regressed, float32 [B, T, A]."""
        tokenizer = self._actor_network.action_tokenizer
        is_discrete = self._actor_network.loss_type == "cross_entropy"
        return tokenizer.tokenize(action) if is_discrete else tokenizer.join(action)

    def _train(
        self, experience: trajectory.Trajectory, weights: tf.Tensor | None = None
    ) -> tf_agent.LossInfo:
        """One gradient step.

        Args:
            experience: trajectories [B, T, ...]; of this device, where there are several.
            weights: float32 [B] or scalar, weights of the samples.

        Returns:
            The loss before the step; extra holds its metrics and 'gradient_norm', over all
            variables and before clipping.

        Raises tf.errors.InvalidArgumentError before any weight changes for a NaN or infinite loss
        or gradient, naming the step and the variables; ValueError if a variable gets no gradient.
        """
        network = self._actor_network
        variables = network.used_trainable_variables
        statistics = [v for v in network.non_trainable_variables if "moving_" in v.name]
        before = [(variable, tf.identity(variable)) for variable in statistics]
        step_weights = _step_weights(experience, weights)
        total = _sum_over_devices(tf.reduce_sum(step_weights))

        def results_of(
            samples: trajectory.Trajectory, weights: tf.Tensor, seed: tf.Tensor
        ) -> tuple[tf.Tensor, dict[str, tf.Tensor], list[tf.Tensor]]:
            """What some samples add to loss, metrics and gradients of the whole batch."""
            # The share is differentiated, too: through BatchNorm's statistics the loss of one
            # device depends on what others have.
            share = tf.reduce_sum(weights) / total
            with tf.GradientTape() as tape:
                outputs = network.outputs(samples.observation, True, seed)
                labels = self._labels(samples.action)
                loss, metrics = losses.imitation(outputs, labels, weights, network.loss_type)
                loss = share * loss
            gradients = tape.gradient(loss, variables)
            idle = [v.name for g, v in zip(gradients, variables) if g is None]
            if idle:  # They would silently never learn.
                raise ValueError(
                    f"SequenceAgent: expected a gradient for every variable, got none for {idle}."
                )
            return loss, {name: share * value for name, value in metrics.items()}, gradients

        step = tf.cast(self.train_step_counter, tf.int32)
        seed = tf.stack([tf.constant(self._seed, tf.int32), step])
        fold_in = tf.random.experimental.stateless_fold_in
        replica = tf.distribute.get_replica_context()
        if replica.num_replicas_in_sync > 1:
            # Other samples, other units; one mask for all devices would be less noise.
            seed = fold_in(seed, tf.cast(replica.replica_id_in_sync_group, tf.int32))
        if self._accumulation_steps == 1:
            results = results_of(experience, step_weights, seed)
        else:
            metric = losses.METRIC[network.loss_type]
            results = _sum_over_pieces(
                lambda piece, index: results_of(*piece, fold_in(seed, index)),
                (experience, step_weights),
                self._accumulation_steps,
                (tf.zeros(()), {metric: tf.zeros(())}, [tf.zeros(v.shape) for v in variables]),
            )
        loss, metrics, gradients = _sum_over_devices(results)
        squares = tf.stack([tf.nn.l2_loss(gradient) for gradient in gradients])
        norm = tf.sqrt(2.0 * tf.reduce_sum(squares))
        check = _check_finite(loss, squares, variables, network, before, self.train_step_counter)
        with tf.control_dependencies([check]):
            # They are the sum over devices already.
            pairs = list(zip(gradients, variables))
            self._optimizer.apply_gradients(pairs, skip_gradients_aggregation=True)
            self.train_step_counter.assign_add(1)
        return tf_agent.LossInfo(loss, {**metrics, "gradient_norm": norm})


def variables_by_path(root: tf.Module | tf.train.Checkpoint) -> dict[str, tf.Variable]:
    """{'_transformer/_token_emb/bias': variable}, every tracked variable once by its shortest path
    of attributes from `root`, nearest first, as TensorFlow saves. (Keras' own names repeat, or
    count the layers that a process has built.)"""
    found = {}
    seen = {id(root): root}  # the object too: the id of one that is collected may come again
    queue = collections.deque([("", root)])
    while queue:
        path, node = queue.popleft()
        if isinstance(node, tf.Variable):
            found[path] = node
        for name, child in tf.train.TrackableView.children(node).items():
            if id(child) not in seen:
                seen[id(child)] = child
                # As TensorFlow writes attributes into keys, where '/' separates and '.' escapes.
                name = name.replace(".", "..").replace("/", ".S")
                queue.append((f"{path}/{name}" if path else name, child))
    return found


def _step_weights(experience: trajectory.Trajectory, weights: tf.Tensor | None) -> tf.Tensor:
    """float32 [B, T]: 0 for steps that do not count, else the weight of their sample."""
    step_weights = tf.cast(experience.step_type != time_step.StepType.LAST, tf.float32)
    return step_weights if weights is None else step_weights * tf.reshape(weights, (-1, 1))


def _sum_over_pieces(
    compute: Callable[[object, tf.Tensor], object], batch: object, num_pieces: int, zeros: object
) -> object:
    """compute(piece 0, 0) + compute(piece 1, 1) + ..., in a loop that holds the network once, with
    the structure of `zeros`. Pieces of B samples have ceil(B / num_pieces), the last may have
    fewer."""
    batch_size = tf.shape(tf.nest.flatten(batch)[0])[0]
    piece_size = -(-batch_size // num_pieces)

    def body(index: tf.Tensor, sums: object) -> tuple[tf.Tensor, object]:
        start = index * piece_size
        piece = tf.nest.map_structure(lambda x: x[start : start + piece_size], batch)
        return index + 1, tf.nest.map_structure(tf.add, sums, compute(piece, index))

    _, sums = tf.while_loop(
        lambda index, _: index * piece_size < batch_size,
        body,
        (tf.constant(0), zeros),
        parallel_iterations=1,  # One at a time is what saves the memory.
    )
    return sums


def _sum_over_devices(values: object) -> object:
    """The sum of what the devices of a `tf.distribute.Strategy` have, the same on every device."""
    context = tf.distribute.get_replica_context()
    is_one = context.num_replicas_in_sync == 1
    return values if is_one else context.all_reduce(tf.distribute.ReduceOp.SUM, values)


def _check_finite(
    loss: tf.Tensor,
    squares: tf.Tensor,
    variables: Sequence[tf.Variable],
    network: tf.Module,
    before: Sequence[tuple[tf.Variable, tf.Tensor]],
    step: tf.Tensor,
) -> tf.Operation:
    """Fails for a loss or gradient that is not finite, and says where; each variable of `before`
    has its earlier value again then. `squares` holds half the squared norm of the gradient of each
    of `variables`."""
    is_finite = tf.math.is_finite(loss)
    all_finite = is_finite & tf.math.is_finite(tf.reduce_sum(squares))

    def undo() -> tf.Tensor:
        for variable, value in before:
            variable.assign(value)
        return tf.constant(False)

    paths = {id(variable): path for path, variable in variables_by_path(network).items()}
    names = tf.constant([paths.get(id(variable), variable.name) for variable in variables])
    faulty = tf.boolean_mask(names, ~tf.math.is_finite(squares))
    # One string, which reads alike in a graph and outside of it; one bad number spoils many.
    parts = ["SequenceAgent: ", tf.where(is_finite, "a gradient", "the loss"), " is not finite"]
    parts += [", at step ", tf.as_string(step), ": loss ", tf.as_string(loss)]
    parts += ["; gradients that are not: ", tf.strings.reduce_join(faulty[:20], separator=", ")]
    parts += [" (", tf.as_string(tf.size(faulty)), " in all)"]
    with tf.control_dependencies([tf.cond(all_finite, lambda: tf.constant(True), undo)]):
        return tf.debugging.Assert(all_finite, [tf.strings.join(parts)])


def on_devices(train: Callable[..., tf_agent.LossInfo]) -> Callable[..., tf_agent.LossInfo]:
    """`SequenceAgent.train` of a whole batch, or of this process's part of it, shared among the
    devices of the strategy in force."""
    strategy = tf.distribute.get_strategy()
    num_devices = len(strategy.extended.worker_devices)

    def train_together(
        experience: trajectory.Trajectory, weights: tf.Tensor | None = None
    ) -> tf_agent.LossInfo:
        shares = [share(experience, num_devices, index, weights) for index in range(num_devices)]
        part, part_weights = strategy.experimental_distribute_values_from_function(
            # Replicas of other processes have shares of their own processes' parts.
            lambda replica: shares[replica.replica_id_in_sync_group % num_devices]
        )
        info = strategy.run(train, args=(part, part_weights))
        return tf.nest.map_structure(
            lambda value: strategy.experimental_local_results(value)[0], info
        )

    return train_together


def share(
    experience: trajectory.Trajectory, num_devices: int, index: int, weights: object = None
) -> tuple[trajectory.Trajectory, tf.Tensor]:
    """What device `index` of n gets of B trajectories, whose weights [B] are 1 unless given:
    samples index * B / n up to (index + 1) * B / n, rounded, and their weights, float32. With fewer
    samples than devices several get the same one and share its weight: 1 sample on 2 devices is
    given to both, with weight 1/2 each."""
    batch_size = tf.shape(experience.step_type)[0]
    start, stop = index * batch_size // num_devices, (index + 1) * batch_size // num_devices
    stop = tf.maximum(stop, start + 1)
    part = tf.nest.map_structure(lambda x: x[start:stop], experience)
    # With fewer samples than devices, device i has sample floor(i B / n).
    owners = tf.reduce_sum(
        tf.cast(tf.range(num_devices) * batch_size // num_devices == start, tf.float32)
    )
    weight = tf.where(batch_size < num_devices, 1.0 / owners, 1.0)
    part_weights = tf.fill((stop - start,), weight)
    return part, part_weights if weights is None else weights[start:stop] * part_weights
