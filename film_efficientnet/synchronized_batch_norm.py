"""BatchNorm over the whole batch where several devices share it.

Each device has a part of a batch. Their sums are added up before the mean and the variance are
computed, so that every device normalizes with the statistics that one device would find in the
whole batch, and has the same moving statistics (arXiv 1803.08904 calls it cross-GPU BatchNorm).
"""

from __future__ import annotations

import tensorflow as tf


class SynchronizedBatchNorm(tf.keras.layers.BatchNormalization):
    """As Keras' fused layer on one device with the whole batch, its unbiased moving variance
    included. For float [B, H, W, C]; parts may differ in B.
    """

    def add_weight(self, *args: object, **kwargs: object) -> tf.Variable:
        """Moving statistics are equal on all devices: reading them needs no communication."""
        if kwargs.get("synchronization") == tf.VariableSynchronization.ON_READ:
            kwargs["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
        return super().add_weight(*args, **kwargs)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Normalizes; in training mode unless frozen with the batch's statistics."""
        if not (training and self.trainable):
            return super().call(inputs, training=False)
        x = tf.cast(inputs, tf.float32)
        mean, variance, count = _moments_over_devices(x)
        unbiased = variance * (count / tf.maximum(count - 1.0, 1.0))
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, unbiased)):
            moving.assign_sub((moving - tf.stop_gradient(value)) * (1.0 - self.momentum))
        y = tf.nn.batch_normalization(x, mean, variance, self.beta, self.gamma, self.epsilon)
        return tf.cast(y, inputs.dtype)


def _moments_over_devices(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Mean [C], variance [C] (divided by N) and N of what all devices have, x [B, H, W, C]."""
    own = tf.cast(tf.size(x) // tf.shape(x)[-1], tf.float32)
    sums = tf.concat(
        [tf.reduce_sum(x, (0, 1, 2)), tf.reduce_sum(tf.square(x), (0, 1, 2)), own[tf.newaxis]], 0
    )
    # One message for all three.
    sums = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, sums)
    (total, squares), count = tf.split(sums[:-1], 2), sums[-1]
    mean = total / count
    return mean, tf.maximum(squares / count - tf.square(mean), 0.0), count
