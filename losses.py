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


@gin.configurable(denylist=["labels", "vocab_size"])
def target_distribution(
    labels: tf.Tensor,
    vocab_size: int,
    std_bins: float = 0.0,
    truncation_bins: float | None = None,
) -> tf.Tensor:
    """One-hot targets, or Gaussians around the label's bin: neighbouring bins are nearly right.

    Example: label 2 of 5 bins, std 1, truncated at 1 bin: proportional to 0, e^-0.5, 1, e^-0.5, 0,
    that is 0, 0.274, 0.452, 0.274, 0.

    Args:
        labels: int32 [...].
        vocab_size: number of bins V.
        std_bins: standard deviation of the Gaussian, in bins; 0 gives one-hot targets.
        truncation_bins: bins further away than this get no probability; None for 3 standard
            deviations.

    Returns:
        float32 [..., V], each row sums to 1.

    Raises:
        ValueError: for a negative standard deviation or truncation.
    """
    if std_bins < 0 or (truncation_bins is not None and truncation_bins < 0):
        raise ValueError(
            f"target_distribution: expected std_bins and truncation_bins >= 0, got {std_bins} and "
            f"{truncation_bins}."
        )
    if std_bins == 0:
        return tf.one_hot(labels, vocab_size)
    truncation = 3 * std_bins if truncation_bins is None else truncation_bins
    bins = tf.range(vocab_size, dtype=tf.float32)
    distance = bins - tf.cast(labels, tf.float32)[..., tf.newaxis]
    weights = tf.exp(-0.5 * tf.square(distance / std_bins))
    weights = tf.where(tf.abs(distance) <= truncation, weights, 0.0)
    return weights / tf.reduce_sum(weights, axis=-1, keepdims=True)


def _mean_over_steps(per_step: tf.Tensor, step_weights: tf.Tensor) -> tf.Tensor:
    total = tf.reduce_sum(step_weights)
    message = "loss: expected at least one time step that counts, got a batch of LAST steps only."
    with tf.control_dependencies([tf.debugging.assert_positive(total, message=message)]):
        return tf.reduce_sum(per_step * step_weights) / total


def cross_entropy(
    logits: tf.Tensor, labels: tf.Tensor, step_weights: tf.Tensor
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Cross-entropy in nats, mean over the tokens of each step.

    Args:
        logits: float32 [B, T, A, V].
        labels: int32 [B, T, A], tokens.
        step_weights: float32 [B, T], 0 for steps that do not count.

    Returns:
        The loss, a scalar, and {'token_accuracy': share of tokens whose argmax is the label}.
    """
    targets = target_distribution(labels, logits.shape[-1])
    nats = tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits)
    hits = tf.cast(tf.equal(tf.argmax(logits, -1, output_type=tf.int32), labels), tf.float32)
    metrics = {"token_accuracy": _mean_over_steps(tf.reduce_mean(hits, -1), step_weights)}
    return _mean_over_steps(tf.reduce_mean(nats, -1), step_weights), metrics


def regression(
    predictions: tf.Tensor, labels: tf.Tensor, step_weights: tf.Tensor, loss_type: str
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Absolute error (`l1`) or Huber loss with delta 1 (`smooth_l1`), mean over coordinates.

    Args:
        predictions: float32 [B, T, A], not clipped.
        labels: float32 [B, T, A].
        step_weights: float32 [B, T], 0 for steps that do not count.
        loss_type: 'l1' or 'smooth_l1'.

    Returns:
        The loss, a scalar, and {'mae': mean absolute error in the units of the action}.

    Raises:
        ValueError: for another loss type.
    """
    absolute = tf.abs(predictions - labels)
    mae = _mean_over_steps(tf.reduce_mean(absolute, -1), step_weights)
    if loss_type == "l1":
        return mae, {"mae": mae}
    if loss_type != "smooth_l1":
        raise ValueError(f"regression: expected loss_type 'l1' or 'smooth_l1', got {loss_type!r}.")
    huber = tf.where(absolute <= 1.0, 0.5 * tf.square(absolute), absolute - np.float32(0.5))
    return _mean_over_steps(tf.reduce_mean(huber, -1), step_weights), {"mae": mae}


# What each loss reports beside itself.
METRIC = {"cross_entropy": "token_accuracy", "l1": "mae", "smooth_l1": "mae"}


def imitation(
    outputs: tf.Tensor, labels: tf.Tensor, step_weights: tf.Tensor, loss_type: str
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """`cross_entropy` or `regression`, as `loss_type` says; the arguments are theirs."""
    if loss_type == "cross_entropy":
        return cross_entropy(outputs, labels, step_weights)
    return regression(outputs, labels, step_weights, loss_type)
