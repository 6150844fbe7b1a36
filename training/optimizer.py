"""Adam (arXiv 1412.6980), as RT-1 was trained with, its learning rate, and what gin sets of them.

Weight decay is decoupled (AdamW, arXiv 1711.05101): variable -= learning rate * decay * variable,
for kernels only. The average of the weights is exponential; its decay rises with the step, so that
the random start is soon forgotten: min(ema_decay, (1 + step) / (10 + step)).

The learning rate is a function of the optimizer's step, so that a resumed run goes on with it.
Example, peak 1e-3, warmup_steps 2, total_steps 6:

    step        0      1      2      3        4      5
    constant    5e-4   1e-3   1e-3   1e-3     1e-3   1e-3
    cosine      5e-4   1e-3   1e-3   8.5e-4   5e-4   1.5e-4
"""

from __future__ import annotations

import keras2  # noqa: F401

import math
import re
from collections.abc import Sequence

import gin
import tensorflow as tf

DEFAULT_LEARNING_RATE = 1e-4
SCHEDULES = ("constant", "cosine")
# On the second device of several it is called kernel/replica_1.
_KERNEL = re.compile(r"(^|/)(depthwise_)?kernel(/replica_\d+)?:")


class WarmupSchedule(tf.keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise, then the peak for good, or half a cosine down to zero at `total_steps` (arXiv
    1608.03983). Called with the steps done before this one. Keras' CosineDecay is no replacement:
    its warm-up is one step late, with nothing at step 0."""

    def __init__(self, peak: float, warmup_steps: int = 0, total_steps: int | None = None):
        self._peak, self._warmup_steps, self._total_steps = peak, warmup_steps, total_steps

    def __call__(self, step: tf.Tensor | int) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        factor = tf.ones(())
        if self._total_steps is not None:
            done = (step - self._warmup_steps) / (self._total_steps - self._warmup_steps)
            factor = 0.5 * (1.0 + tf.cos(math.pi * tf.clip_by_value(done, 0.0, 1.0)))
        if self._warmup_steps:
            rise = (step + 1.0) / self._warmup_steps
            factor = tf.where(step < self._warmup_steps, rise, factor)
        return self._peak * factor


class FusedAdam(tf.keras.optimizers.Adam):
    """Keras' Adam with one kernel for each variable, where Keras takes about 25 operations, most of
    them passes over the whole variable. The arithmetic and the checkpoint keys are the same."""

    def __init__(
        self,
        learning_rate: float | tf.keras.optimizers.schedules.LearningRateSchedule = 1e-3,
        weight_decay: float | None = None,
        gradient_clip_norm: float | None = None,
        ema_decay: float | None = None,
        trunk_learning_rate_scale: float = 1.0,
    ):
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            global_clipnorm=gradient_clip_norm,
            use_ema=ema_decay is not None,
            ema_momentum=0.0 if ema_decay is None else ema_decay,
            # Compiling an update for each variable would take minutes.
            jit_compile=False,
            name="Adam",  # Part of variable names.
        )
        self._trunk_scale, self._trunk = trunk_learning_rate_scale, frozenset()

    def set_trunk(self, variables: Sequence[tf.Variable]) -> None:
        """Says which variables learn with `trunk_learning_rate_scale`."""
        if self._trunk_scale != 1.0:
            self._trunk = frozenset(map(self._var_key, variables))

    @property
    def averages(self) -> Sequence[tf.Variable] | None:
        """The averages of the variables, in the order given to `build`; None without them."""
        return self._model_variables_moving_average if self.use_ema else None

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        """One variable's share of a step: its decay, its two moments and its average."""
        key = self._var_key(variable)
        index, shared, decay = self._index_dict[key], self._shared, self.weight_decay
        if key in self._trunk:
            shared = {**shared, "lr": self._trunk_scale * shared["lr"]}
            decay = decay and decay * self._trunk_scale
        if decay and _KERNEL.search(variable.name):
            variable.assign_sub(variable * decay * self._shared["lr"])
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

    def _distributed_apply_gradients_fn(self, *args: object, **kwargs: object) -> tf.Operation:
        """Keras applies all gradients in this. Computed for each variable, the shared numbers would
        make the graph ten times as large."""
        step = tf.cast(self.iterations + 1, tf.float32)
        beta_1, beta_2 = tf.constant(self.beta_1), tf.constant(self.beta_2)
        self._shared = {
            "beta1": beta_1,
            "beta2": beta_2,
            "beta1_power": tf.pow(beta_1, step),
            "beta2_power": tf.pow(beta_2, step),
            "epsilon": tf.constant(self.epsilon),
            "lr": tf.cast(self.learning_rate, tf.float32),
        }
        self._average_rate = 1.0 - tf.minimum(self.ema_momentum, (1.0 + step) / (10.0 + step))
        try:
            return super()._distributed_apply_gradients_fn(*args, **kwargs)
        finally:
            # Tensors of a graph, of no use outside of it.
            self._shared = self._average_rate = None

    def _apply_weight_decay(self, variables: Sequence[tf.Variable]) -> None:
        """`update_step` does it, and the average, where Keras takes a round of its own for each."""

    _update_model_variables_moving_average = _apply_weight_decay


@gin.configurable
def create_optimizer(
    learning_rate: float = DEFAULT_LEARNING_RATE,
    schedule: str = "constant",
    warmup_steps: int = 0,
    total_steps: int | None = None,
    weight_decay: float = 0.0,
    gradient_clip_norm: float | None = None,
    ema_decay: float = 0.0,
    trunk_learning_rate_scale: float = 1.0,
) -> FusedAdam:
    """The optimizer that gin describes. Raises ValueError for a value out of range.

    Args:
        learning_rate: the largest one.
        schedule: after the warm-up, 'constant' or 'cosine' (down to 0 at total_steps).
        warmup_steps: of a linear rise.
        total_steps: of the run; train.py binds it unless it is bound already.
        weight_decay: decoupled (AdamW), of kernels.
        gradient_clip_norm: gradients are scaled down to this global norm; None for no limit.
        ema_decay: of an average of the weights, which is validated and served; 0 for none.
        trunk_learning_rate_scale: times the learning rate for the EfficientNet's convolutions and
            BatchNorms, which an ImageNet file fills; FiLM learns like the rest.
    """
    # NaN fails each comparison.
    clip, scale = gradient_clip_norm, trunk_learning_rate_scale
    end = total_steps if schedule == "cosine" else None
    for rule, value, holds in (
        ("learning_rate > 0", learning_rate, learning_rate > 0),
        ("warmup_steps >= 0", warmup_steps, warmup_steps >= 0),
        ("weight_decay >= 0", weight_decay, weight_decay >= 0),
        ("gradient_clip_norm > 0 or None", clip, clip is None or clip > 0),
        ("ema_decay in 0 .. 1, without 1", ema_decay, 0 <= ema_decay < 1),
        (f"schedule in {SCHEDULES}", schedule, schedule in SCHEDULES),
        ("total_steps with schedule 'cosine'", None, schedule != "cosine" or end),
        ("warmup_steps < total_steps", warmup_steps, warmup_steps < (end or math.inf)),
        ("trunk_learning_rate_scale > 0 (to freeze, --freeze_efficientnet)", scale, scale > 0),
    ):
        if not holds:
            raise ValueError(f"create_optimizer: expected {rule}, got {value!r}.")
    rate = learning_rate
    if schedule == "cosine" or warmup_steps:
        rate = WarmupSchedule(learning_rate, warmup_steps, end)
    return FusedAdam(rate, weight_decay or None, clip, ema_decay or None, scale)
