"""What a train step makes sure of before any weight changes."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

# So many variables are named in a message; one bad number usually spoils all of them.
_MAX_NAMED = 20
LOSS_NOT_FINITE = "SequenceAgent: the loss is not finite"
GRADIENT_NOT_FINITE = "SequenceAgent: a gradient is not finite"


def check_all_have_gradients(
    gradients: Sequence[tf.Tensor | None], variables: Sequence[tf.Variable]
) -> None:
    """A variable that the loss does not depend on would silently never learn.

    Raises:
        ValueError: names them.
    """
    idle = [v.name for g, v in zip(gradients, variables) if g is None]
    if idle:
        raise ValueError(
            f"SequenceAgent: expected a gradient for every variable, got none for {idle}."
        )


def moving_statistics(network: tf.keras.Model) -> list[tf.Variable]:
    """BatchNorm's moving means and variances, which the forward pass of a train step changes."""
    return [v for v in network.non_trainable_variables if "moving_" in v.name]


def undo_unless(
    condition: tf.Tensor, variables: Sequence[tf.Variable], before: Sequence[tf.Tensor]
) -> tf.Tensor:
    """Gives variables their earlier values back unless `condition`, a bool scalar, holds."""

    def undo() -> tf.Tensor:
        for variable, value in zip(variables, before):
            variable.assign(value)
        return tf.constant(False)

    return tf.cond(condition, lambda: tf.constant(True), undo)


def check_finite(
    loss: tf.Tensor, squares: tf.Tensor, names: Sequence[str], step: tf.Tensor
) -> list[tf.Operation]:
    """Operations that fail for a loss or gradient that is not finite, and say where.

    Args:
        loss: float32 scalar.
        squares: float32 [number of variables], half the squared norm of each gradient.
        names: of the variables, in the same order.
        step: integer scalar, steps done before this one.

    Returns:
        One operation for the loss, and one for the gradients.
    """
    faulty = tf.boolean_mask(tf.constant(list(names)), ~tf.math.is_finite(squares))
    listed = tf.strings.reduce_join(faulty[:_MAX_NAMED], separator=", ")
    at_step, count = tf.as_string(step), tf.as_string(tf.size(faulty))
    gradients = ["gradients that are not: ", listed, " (", count, " in all)"]
    loss_text = [LOSS_NOT_FINITE, ", at step ", at_step, ": ", tf.as_string(loss), "; "]
    gradient_text = [GRADIENT_NOT_FINITE, ", at step ", at_step, "; "]
    # One string each, which reads alike in a graph and outside of it.
    return [
        tf.debugging.Assert(is_finite, [tf.strings.join([*text, *gradients])])
        for is_finite, text in (
            (tf.math.is_finite(loss), loss_text),
            (tf.math.is_finite(tf.reduce_sum(squares)), gradient_text),
        )
    ]
