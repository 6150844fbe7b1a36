"""The losses, as pure functions: outputs and labels in, loss and metrics out.

All are plain means over the time steps that count (those whose step_type is not LAST) and over the
tokens or coordinates of a step. RT-1's public code divides its cross-entropy by B * T * 19 before
the mean, so that it shrinks with the batch; ours does not.
"""

from __future__ import annotations

import keras2  # noqa: F401

import gin
import numpy as np
import tensorflow as tf

# What each loss reports beside itself: the share of tokens whose argmax is the label, or the mean
# absolute error in the units of the action.
METRIC = {"cross_entropy": "token_accuracy", "l1": "mae", "smooth_l1": "mae"}


@gin.configurable(denylist=["labels", "vocab_size"])
def target_distribution(labels: tf.Tensor, vocab_size: int, std_bins: float = 0.0) -> tf.Tensor:
    """One-hot targets, or Gaussians around the label's bin: neighbouring bins are nearly right.

    Example: label 2 of 5 bins, std 1: proportional to e^-2, e^-0.5, 1, e^-0.5, e^-2, that is
    0.054, 0.244, 0.403, 0.244, 0.054.

    Args:
        labels: int32 [...].
        vocab_size: number of bins V.
        std_bins: standard deviation of the Gaussian, in bins; bins further away than three of them
            get no probability. 0 gives one-hot targets.

    Returns:
        float32 [..., V], each row sums to 1.
    """
    if std_bins < 0:
        raise ValueError(f"target_distribution: expected std_bins >= 0, got {std_bins}.")
    if std_bins == 0:
        return tf.one_hot(labels, vocab_size)
    distance = tf.range(vocab_size, dtype=tf.float32) - tf.cast(labels, tf.float32)[..., tf.newaxis]
    weights = tf.exp(-0.5 * tf.square(distance / std_bins))
    weights = tf.where(tf.abs(distance) <= 3 * std_bins, weights, 0.0)
    return weights / tf.reduce_sum(weights, axis=-1, keepdims=True)


def imitation(
    outputs: tf.Tensor, labels: tf.Tensor, step_weights: tf.Tensor, loss_type: str
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Cross-entropy in nats, absolute error (`l1`) or Huber loss with delta 1 (`smooth_l1`).

    Args:
        outputs: float32, logits [B, T, A, V] or coordinates [B, T, A], not clipped.
        labels: tokens int32 or coordinates float32, [B, T, A].
        step_weights: float32 [B, T], 0 for steps that do not count.
        loss_type: one of `METRIC`.

    Returns the loss, a scalar, and {its `METRIC`: scalar}. Raises tf.errors.InvalidArgumentError if
    no step counts.
    """
    if loss_type == "cross_entropy":
        targets = target_distribution(labels, outputs.shape[-1])
        loss = tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=outputs)
        hits = tf.equal(tf.argmax(outputs, -1, output_type=tf.int32), labels)
        metric = tf.cast(hits, tf.float32)
    else:
        loss = metric = tf.abs(outputs - labels)
        if loss_type == "smooth_l1":
            loss = tf.where(metric <= 1.0, 0.5 * tf.square(metric), metric - np.float32(0.5))
    total = tf.reduce_sum(step_weights)
    message = "loss: expected at least one time step that counts, got a batch of LAST steps only."
    with tf.control_dependencies([tf.debugging.assert_positive(total, message=message)]):
        loss, metric = (
            tf.reduce_sum(tf.reduce_mean(one, -1) * step_weights) / total for one in (loss, metric)
        )
    return loss, {METRIC[loss_type]: metric}
