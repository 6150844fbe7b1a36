"""Adam (arXiv 1412.6980) with one kernel for each variable.

Keras' Adam takes about 25 operations for each of a network's hundreds of variables, most of them
passes over the whole variable. TensorFlow's own kernel does the same arithmetic in one pass. The
optimizer's variables, and so its checkpoint keys, are those of Keras' Adam.
"""

from __future__ import annotations

import tensorflow as tf


class FusedAdam(tf.keras.optimizers.Adam):
    """Keras' Adam, without AMSGrad, for dense gradients."""

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        """One variable's share of a step.

        Args:
            gradient: of the shape of `variable`.
            variable: is changed, and so are its two moments.
        """
        index = self._index_dict[self._var_key(variable)]
        step = tf.cast(self.iterations + 1, variable.dtype)
        beta_1, beta_2 = (tf.cast(beta, variable.dtype) for beta in (self.beta_1, self.beta_2))
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].handle,
            v=self._velocities[index].handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(self.learning_rate, variable.dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, variable.dtype),
            grad=gradient,
        )
