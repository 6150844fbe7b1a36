"""Adam (arXiv 1412.6980) with one kernel for each variable.

Keras' Adam takes about 25 operations for each of a network's hundreds of variables, most of them
passes over the whole variable. TensorFlow's own kernel does the same arithmetic in one pass. The
optimizer's variables, and so its checkpoint keys, are those of Keras' Adam.

Weight decay is decoupled (AdamW, arXiv 1711.05101): variable -= learning rate * decay * variable,
for kernels only. The average of the weights is exponential; its decay rises with the step, so that
the random start is soon forgotten: min(ema_decay, (1 + step) / (10 + step)).
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

_DECAYED = ("kernel", "depthwise_kernel")


class FusedAdam(tf.keras.optimizers.Adam):
    """Keras' Adam, without AMSGrad, for dense gradients."""

    def __init__(
        self,
        learning_rate: float | tf.keras.optimizers.schedules.LearningRateSchedule = 1e-3,
        weight_decay: float | None = None,
        gradient_clip_norm: float | None = None,
        ema_decay: float | None = None,
        trunk_learning_rate_scale: float = 1.0,
    ):
        """No variable but the step counter exists before `build`.

        Args:
            learning_rate: a number, or a function of the step.
            weight_decay: of kernels, not of biases and normalizations; None for none.
            gradient_clip_norm: the global norm that gradients are scaled down to; None for none.
            ema_decay: of the average of the weights, see `averages`; None for none.
            trunk_learning_rate_scale: times the learning rate for the variables given to
                `set_trunk`, weight decay included.
        """
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            global_clipnorm=gradient_clip_norm,
            use_ema=ema_decay is not None,
            ema_momentum=0.0 if ema_decay is None else ema_decay,
            # The kernel exists on GPUs; compiling an update for each variable would take minutes.
            jit_compile=False,
            # The name that Keras derives from the class would be part of variable names.
            name="Adam",
        )
        self._trunk_scale, self._trunk = trunk_learning_rate_scale, frozenset()

    def set_trunk(self, variables: Sequence[tf.Variable]) -> None:
        """Says which variables learn with `trunk_learning_rate_scale`; nothing is stored."""
        if self._trunk_scale != 1.0:
            self._trunk = frozenset(self._var_key(variable) for variable in variables)

    @property
    def averages(self) -> Sequence[tf.Variable] | None:
        """The averages of the variables, in the order given to `build`; None without them."""
        return self._model_variables_moving_average if self.use_ema else None

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        """One variable's share of a step.

        Args:
            gradient: of the shape of `variable`.
            variable: is changed, and so are its two moments and its average.
        """
        key = self._var_key(variable)
        index, shared = self._index_dict[key], self._shared
        if key in self._trunk:
            shared = {**shared, "lr": self._trunk_scale * shared["lr"]}
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            grad=gradient,
            **shared,
        )
        if self.use_ema:
            average = self._model_variables_moving_average[index]
            average.assign_sub(self._average_rate * (average - variable))

    def _shared_numbers(self) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Arguments of the kernel for all variables alike, and 1 - the decay of the average."""
        step = tf.cast(self.iterations + 1, tf.float32)
        beta_1, beta_2 = tf.constant(self.beta_1), tf.constant(self.beta_2)
        arguments = {
            "beta1": beta_1,
            "beta2": beta_2,
            "beta1_power": tf.pow(beta_1, step),
            "beta2_power": tf.pow(beta_2, step),
            "epsilon": tf.constant(self.epsilon),
            "lr": tf.cast(self.learning_rate, tf.float32),
        }
        return arguments, 1.0 - tf.minimum(self.ema_momentum, (1.0 + step) / (10.0 + step))

    def _distributed_apply_gradients_fn(self, *args: object, **kwargs: object) -> tf.Operation:
        """Keras applies all gradients in this; computing the shared numbers for each of a thousand
        variables would make the graph ten times as large."""
        self._shared, self._average_rate = self._shared_numbers()
        try:
            return super()._distributed_apply_gradients_fn(*args, **kwargs)
        finally:
            # Tensors of a graph; nobody may use them outside of it.
            self._shared = self._average_rate = None

    def _apply_weight_decay(self, variables: Sequence[tf.Variable]) -> None:
        """Keras' own, with the trunk's learning rate for the trunk."""
        if self.weight_decay is None or not self._trunk:
            return super()._apply_weight_decay(variables)
        rest = [one for one in variables if self._var_key(one) not in self._trunk]
        super()._apply_weight_decay(rest)
        decay = self.weight_decay
        try:
            self.weight_decay = decay * self._trunk_scale
            super()._apply_weight_decay(
                [one for one in variables if self._var_key(one) in self._trunk]
            )
        finally:
            self.weight_decay = decay

    def _use_weight_decay(self, variable: tf.Variable) -> bool:
        """Keras asks this for each variable."""
        return variable.name.rsplit("/", 1)[-1].split(":")[0] in _DECAYED

    def _update_model_variables_moving_average(self, var_list: Sequence[tf.Variable]) -> None:
        """Keras' own average, which `update_step` replaces."""
